"""A heartbeat takes no turn on PostgreSQL: it can come between a claim's look at a row and its write (engine.md 3, 6)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from remediator.store import claims
from remediator.store.database import Store, Tx, open_store
from tests.support import runs as made
from tests.support.clock import T0

LATER = T0 + made.LEASE + timedelta(seconds=1)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = await open_store(database_url)
    yield opened
    await opened.close()


async def test_an_owner_that_comes_back_between_look_and_write_keeps_its_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made.admit(store, await made.episode(store))
    [run] = await made.claim(store, owner="one")
    take = claims._take_target

    async def meanwhile(*given: Any) -> bool:
        async with store.begin(Tx.HEARTBEAT) as beat:
            held = await claims.heartbeat(beat, owner="one", run_ids=[run.id], lease_until=LATER + made.LEASE)
        assert held == {run.id: ("one", run.fence)}
        return await take(*given)

    monkeypatch.setattr(claims, "_take_target", meanwhile)
    assert await made.claim(store, owner="other", at=LATER) == []
    after = await made.get(store, run.id)
    assert (after.owner, after.fence) == ("one", run.fence)


async def test_a_heartbeat_that_comes_after_the_takeover_learns_of_it(store: Store) -> None:
    await made.admit(store, await made.episode(store))
    [run] = await made.claim(store, owner="one")
    [taken] = await made.claim(store, owner="other", at=LATER)
    async with store.begin(Tx.HEARTBEAT) as beat:
        held = await claims.heartbeat(beat, owner="one", run_ids=[run.id], lease_until=LATER + made.LEASE)
    assert held == {run.id: ("other", taken.fence)}
    assert taken.fence > run.fence
