"""The right to write belongs to a claim, not to a process: it ends with the claim, also for who gets a new lease afterwards (S20)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from remediator.engine.duty import Duties
from remediator.engine.lease import Lease
from remediator.metrics import Metrics
from remediator.store.database import Store, open_store
from remediator.store.replicas import Card
from tests.support import incidents as rows
from tests.support import runs as made
from tests.support.clock import ManualClock

LEASE_S = made.LEASE.total_seconds()


@dataclass
class Holder:
    lease: Lease
    lost: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What the alarm that needs no store was told last: nothing is wrong, or why."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
def one(store: Store, clock: ManualClock) -> Holder:
    return _holder(store, clock)


def _holder(store: Store, clock: ManualClock) -> Holder:
    card = Card(id="one", name="one", mode="live", node=None, set_hash=None, knows=())
    told: list[str] = []
    lease = Lease(
        store=store,
        clock=clock,
        card=lambda: card,
        length=made.LEASE,
        duties=Duties(store=store, owner="one", metrics=Metrics()),
        on_beat=lambda: told.append("works"),
        on_failure=told.append,
    )
    return Holder(lease, told=told)


async def test_a_heartbeat_moves_the_permit_of_a_claim_that_is_still_ours(
    store: Store, clock: ManualClock, one: Holder
) -> None:
    await made.admit(store, await made.episode(store))
    [run] = await made.claim(store, owner="one", at=clock.now())
    permit = one.lease.permit_since(clock.boottime())
    one.lease.keep(run, permit, on_lost=lambda: one.lost.append(run.id))
    await clock.advance(20)
    await one.lease.renew()
    assert permit.valid_until == clock.boottime() + LEASE_S
    assert await made.claim(store, owner="other", at=clock.now() + timedelta(seconds=29)) == []
    assert one.lost == []


async def test_a_claim_that_was_taken_over_never_writes_again_although_the_lease_comes_back(
    store: Store, clock: ManualClock, one: Holder
) -> None:
    await made.admit(store, await made.episode(store))
    [run] = await made.claim(store, owner="one", at=clock.now())
    permit = one.lease.permit_since(clock.boottime())
    one.lease.keep(run, permit, on_lost=lambda: one.lost.append(run.id))
    await clock.advance(LEASE_S + 1)  # frozen
    [taken] = await made.claim(store, owner="other", at=clock.now())
    assert (taken.id, taken.fence) == (run.id, run.fence + 1)
    await one.lease.renew()
    assert one.lease.holds
    assert permit.valid_until < clock.boottime()
    assert one.lost == [run.id]
    await one.lease.renew()
    assert one.lost == [run.id], "told once"


async def test_a_claim_that_was_given_back_is_not_lost(store: Store, clock: ManualClock, one: Holder) -> None:
    await made.admit(store, await made.episode(store))
    [run] = await made.claim(store, owner="one", at=clock.now())
    one.lease.keep(run, one.lease.permit_since(clock.boottime()), on_lost=lambda: one.lost.append(run.id))
    cursor = await made.begin(store, run, at=clock.now())
    await made.park(store, run, cursor)  # stored, and not dropped yet
    await one.lease.renew()
    assert one.lost == []


async def test_a_lease_is_counted_from_before_its_heartbeat(clock: ManualClock, one: Holder) -> None:
    assert not one.lease.holds
    await one.lease.renew()
    assert one.lease.left_s == LEASE_S
    await clock.advance(LEASE_S)
    assert not one.lease.holds


async def test_a_store_that_takes_heartbeats_and_nothing_else_is_told_of(database_url: str, clock: ManualClock) -> None:
    store = await open_store(database_url)
    keeping = await asyncpg.connect(database_url)
    try:
        one = _holder(store, clock)
        await one.lease.renew()
        await one.lease.settle()
        await keeping.execute("SELECT pg_advisory_lock($1)", int.from_bytes(b"remediat"))
        await one.lease.settle()
        await one.lease.renew()
        assert one.lease.holds, "a heartbeat waits for nobody"
        assert one.told == ["works", "canceling statement due to lock timeout"]
        await keeping.execute("SELECT pg_advisory_unlock_all()")
        await one.lease.settle()
        await one.lease.renew()
        assert one.told[-1] == "works"
    finally:
        await keeping.close()
        await store.close()
