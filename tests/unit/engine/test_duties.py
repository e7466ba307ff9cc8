"""Loops of which only one may run: who has them, when another may take them, and that whoever lost one writes nothing more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.engine.duty import Duties, Duty, LostDutyError
from remediator.engine.lease import Lease
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.store import meta, replicas
from remediator.store.database import Connection, Store, Tx
from remediator.store.replicas import Card
from tests.support import incidents as rows
from tests.support.clock import ManualClock

LEASE = timedelta(seconds=30)


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """Two replicas of this test share it, so nobody may think that the others are gone."""
    monkeypatch.setattr(Store, "shared", True)
    async with rows.opened(tmp_path) as opened:
        yield opened


@dataclass
class Replica:
    """What of a replica has to do with duties."""

    lease: Lease
    duties: Duties
    duty: Duty
    metrics: Metrics
    why_unfit: str | None = None

    @property
    def shown(self) -> str:
        [line] = [
            line for line in self.metrics.render().decode().splitlines() if line.startswith("remediator_duty_held{")
        ]
        return line.rpartition(" ")[2]


def replica(store: Store, clock: ManualClock, name: str) -> Replica:
    metrics = Metrics()
    duties = Duties(store=store, owner=name, metrics=metrics)

    async def unfit(_connection: Connection) -> str | None:
        return made.why_unfit

    duty = duties.add("decider", unfit=unfit)
    card = Card(id=name, name=name, mode="live", node=None, set_hash=None, knows=())
    lease = Lease(
        store=store,
        clock=clock,
        card=lambda: card,
        length=LEASE,
        duties=duties,
        on_beat=lambda: None,
        on_failure=lambda _: None,
    )
    made = Replica(lease, duties, duty, metrics)
    return made


async def beat(of: Replica) -> None:
    await of.lease.renew()
    await of.lease.settle()


async def write(duty: Duty, value: str) -> None:
    async with duty.begin(Tx.DECIDE) as tx:
        await meta.put(tx, "written", value)


async def written(store: Store) -> str | None:
    async with store.read() as connection:
        found: str | None = await meta.get(connection, "written")
    return found


async def test_the_first_who_finds_it_free_has_it_and_the_other_writes_nothing(
    store: Store, clock: ManualClock
) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    await beat(one)
    await beat(other)
    assert (one.duty.held, other.duty.held, one.shown, other.shown) == (True, False, "1.0", "0.0")
    await write(one.duty, "by one")
    with pytest.raises(LostDutyError):
        await write(other.duty, "by other")
    assert await written(store) == "by one"


async def test_it_is_kept_by_heartbeats_and_taken_over_when_they_end(store: Store, clock: ManualClock) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    for _ in range(6):
        await beat(one)
        await beat(other)
        await clock.advance(10)
    assert not other.duty.held
    await clock.advance(25)
    await beat(other)
    assert other.duty.held


async def test_a_replica_that_waits_for_one_looks_again_just_when_its_lease_ends(
    store: Store, clock: ManualClock
) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    await beat(one)
    await clock.advance(25)
    await other.lease.renew()
    ahead_s = await other.lease.settle()
    assert 5 < ahead_s < 5.1
    await clock.advance(ahead_s)
    await other.lease.settle()
    assert other.duty.held


async def test_what_was_taken_while_a_heartbeat_was_on_its_way_is_kept(store: Store, clock: ManualClock) -> None:
    one = replica(store, clock, "one")
    await one.lease.renew()
    before = one.duties.as_known
    await one.lease.settle()
    one.duties.renewed({}, known=before)
    assert one.duty.held
    one.duties.renewed({}, known=one.duties.as_known)
    assert not one.duty.held


async def test_what_a_former_holder_writes_late_is_refused_whatever_it_believes(
    store: Store, clock: ManualClock
) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    await beat(one)
    await clock.advance(31)  # frozen: not a line of it has run
    await beat(other)
    assert one.shown == "1.0", "it cannot know yet"
    with pytest.raises(LostDutyError, match="taken over"):
        await write(one.duty, "late")
    assert await written(store) is None
    await beat(one)
    assert not one.duty.held
    await write(other.duty, "by other")


async def test_one_that_came_back_to_life_before_anybody_took_over_goes_on(store: Store, clock: ManualClock) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    await beat(one)
    await clock.advance(31)
    await beat(one)
    await beat(other)
    await write(one.duty, "by one")
    assert not other.duty.held


async def test_at_a_clean_stop_the_next_has_it_at_once(store: Store, clock: ManualClock) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    await beat(one)
    await one.lease.leave()
    await beat(other)
    assert (one.duty.held, other.duty.held) == (False, True)
    async with store.read() as connection:
        assert [row.id for row in await replicas.living(connection, clock.now())] == ["other"]


async def test_who_may_not_have_it_now_gives_it_up_and_until_then_writes_nothing(
    store: Store, clock: ManualClock
) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    await beat(one)
    one.why_unfit = "other playbooks are in force"
    with pytest.raises(LostDutyError, match="other playbooks"):
        await write(one.duty, "unfit")
    await beat(one)
    await beat(other)
    assert (one.duty.held, other.duty.held, await written(store)) == (False, True, None)


async def test_where_no_other_process_can_live_a_lease_need_not_be_waited_out(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await beat(replica(store, clock, "one"))
    monkeypatch.setattr(Store, "shared", False)
    after_restart = replica(store, clock, "other")
    await beat(after_restart)
    assert after_restart.duty.held


@asynccontextmanager
async def working(duty: Duty) -> AsyncIterator[list[str]]:
    """Its loop runs; what it did is told."""
    told: list[str] = []

    async def work() -> None:
        told.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            told.append("ended")

    async with asyncio.TaskGroup() as group:
        running = group.create_task(duty.run(work))
        yield told
        running.cancel()


async def test_its_loop_runs_while_it_is_held_and_no_longer(store: Store, clock: ManualClock) -> None:
    one, other = replica(store, clock, "one"), replica(store, clock, "other")
    async with working(one.duty) as told:
        await clock.advance(0)
        assert told == []
        await beat(one)
        await clock.advance(0)
        assert told == ["begun"]
        await clock.advance(31)
        await beat(other)
        await beat(one)
        await clock.advance(0)
        assert told == ["begun", "ended"]
        await other.lease.leave()
        await beat(one)
        await clock.advance(0)
        assert told == ["begun", "ended", "begun"]


async def test_a_replica_that_cannot_renew_stops_its_loop_before_another_can_begin(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replica(store, clock, "one")
    await beat(one)

    def refused(_tx: Tx) -> None:
        raise StoreUnavailableError("cut off")

    monkeypatch.setattr(store, "begin", refused)
    async with working(one.duty) as told, asyncio.TaskGroup() as group:
        beating = group.create_task(one.lease.beat())
        await clock.advance(29.9)
        assert told == ["begun"]
        await clock.advance(0.1)
        assert (told, one.lease.holds) == (["begun", "ended"], False)
        beating.cancel()
