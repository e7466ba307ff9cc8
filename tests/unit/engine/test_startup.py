"""What a start settles: the mode of the store beside replicas that live, and whether there was an outage (S10, S21)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.engine.startup import settle_hold, settle_mode
from remediator.errors import ConfigError
from remediator.settings import Settings
from remediator.store import meta, replicas
from remediator.store.database import Store, Tx
from remediator.store.replicas import Card
from tests.support import incidents as rows
from tests.support import runs as made
from tests.support.clock import ManualClock

LIVE = Settings.model_validate({"mode": "live"})


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr(Store, "shared", True)
    async with rows.opened(tmp_path) as opened:
        yield opened


def card(name: str, mode: str = "live") -> Card:
    return Card(id=name, name=name, mode=mode, node=None, set_hash=None, knows=())


async def start(store: Store, clock: ManualClock, name: str, *, mode: str = "live", change_mode: bool = False) -> bool:
    """Returns whether the engine only watches for a while."""
    now = clock.now()
    given = card(name, mode)
    await settle_mode(store, card=given, lease_until=now + made.LEASE, change_mode=change_mode, now=now)
    return await settle_hold(store, card=given, settings=LIVE, now=now) is not None


async def beat(store: Store, clock: ManualClock, name: str) -> None:
    async with store.begin(Tx.HEARTBEAT) as tx:
        await replicas.beat(tx, card(name), now=clock.now(), lease_until=clock.now() + made.LEASE)


async def test_the_first_live_start_watches_and_a_second_replica_does_not_begin_that_anew(
    store: Store, clock: ManualClock
) -> None:
    assert await start(store, clock, "one")
    async with store.read() as connection:
        until = await meta.get_instant(connection, meta.HOLD_UNTIL)
    await clock.advance(300)
    await start(store, clock, "two")
    async with store.read() as connection:
        assert await meta.get_instant(connection, meta.HOLD_UNTIL) == until


async def test_while_another_replica_was_alive_there_was_no_outage(store: Store, clock: ManualClock) -> None:
    await start(store, clock, "one")
    for _ in range(4):
        await clock.advance(600)
        await beat(store, clock, "two")
    assert not await start(store, clock, "one again")


async def test_when_nobody_was_seen_for_long_it_watches_again(store: Store, clock: ManualClock) -> None:
    await start(store, clock, "one")
    await clock.advance(3_600)
    assert await start(store, clock, "two")


@pytest.mark.parametrize("change_mode", [False, True])
async def test_another_mode_is_refused_beside_one_that_lives_and_it_leaves_no_trace(
    store: Store, clock: ManualClock, change_mode: bool
) -> None:
    await start(store, clock, "one")
    with pytest.raises(ConfigError, match="replica one uses this store in mode live, and is alive"):
        await start(store, clock, "two", mode="dry-run", change_mode=change_mode)
    async with store.read() as connection:
        assert await meta.get(connection, meta.MODE) == "live"
        assert [row.id for row in await replicas.living(connection, clock.now())] == ["one"]
    await clock.advance(made.LEASE.total_seconds() + 1)
    if change_mode:
        await start(store, clock, "two", mode="dry-run", change_mode=True)
    else:
        with pytest.raises(ConfigError, match="--change-mode"):
            await start(store, clock, "two", mode="dry-run")


async def test_it_lives_from_the_same_moment_as_its_mode_is_settled(store: Store, clock: ManualClock) -> None:
    await start(store, clock, "one")
    async with store.read() as connection:
        [row] = await replicas.living(connection, clock.now() + timedelta(seconds=29))
    assert (row.id, row.mode) == ("one", "live")
