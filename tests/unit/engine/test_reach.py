"""A replica from which nobody can be told lets another one send."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.engine.fitness import fit
from remediator.engine.reach import Reach
from remediator.store import replicas
from remediator.store.database import Connection, Store, Tx
from remediator.store.replicas import Card
from tests.support import incidents as rows
from tests.support.clock import ManualClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def reach(clock: ManualClock) -> Reach:
    return Reach(clock=clock, replica="own_1", unfit=fit)


async def live(store: Store, clock: ManualClock, replica: str) -> None:
    card = Card(id=replica, name=replica, mode="live", node=None, set_hash=None, knows=())
    async with store.begin(Tx.HEARTBEAT) as tx:
        await replicas.beat(tx, card, now=clock.now(), lease_until=clock.now() + timedelta(hours=1))


async def may_send(store: Store, reach: Reach) -> bool:
    async with store.read() as connection:
        return await reach.unfit(connection) is None


async def test_after_a_minute_without_an_answer_it_rests_while_another_replica_lives(
    store: Store, clock: ManualClock, reach: Reach
) -> None:
    await live(store, clock, "own_1")
    await live(store, clock, "own_2")
    reach.closed()
    await clock.advance(59)
    reach.closed()
    assert await may_send(store, reach)
    await clock.advance(1)
    assert not await may_send(store, reach)
    await clock.advance(44)
    assert not await may_send(store, reach)
    await clock.advance(1)
    assert await may_send(store, reach), "before the other one has tried for a minute"


async def test_who_is_alone_goes_on_trying(store: Store, clock: ManualClock, reach: Reach) -> None:
    await live(store, clock, "own_1")
    reach.closed()
    await clock.advance(300)
    assert await may_send(store, reach)


async def test_an_answer_in_between_counts(store: Store, clock: ManualClock, reach: Reach) -> None:
    await live(store, clock, "own_2")
    reach.closed()
    await clock.advance(50)
    reach.open()
    reach.closed()
    await clock.advance(50)
    assert await may_send(store, reach)


async def test_what_forbids_it_otherwise_still_does(store: Store, clock: ManualClock) -> None:
    async def other_mode(_connection: Connection) -> str:
        return "another mode"

    assert not await may_send(store, Reach(clock=clock, replica="own_1", unfit=other_mode))
