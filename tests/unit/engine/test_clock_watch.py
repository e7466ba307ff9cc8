"""A clock that steps (S28): alone with its store, and among several replicas that share the database's clock."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from remediator.clock import Clock, DisciplinedClock
from remediator.engine.clock_watch import ClockKeeper, ClockWatch
from remediator.engine.fitness import Fitness
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.runs.cursor import Cursor, Phase
from remediator.store import claims, clock_steps, episodes, meta, replicas, runs
from remediator.store.database import Connection, Store, Tx
from remediator.store.replicas import Card
from remediator.store.runs import LostClaimError
from tests.support import incidents as rows
from tests.support import runs as run
from tests.support.clock import T0, ManualClock

LEASE = timedelta(seconds=30)
STEADY_AFTER_S = 30.0
SETTLE = timedelta(seconds=50)
HOURS = timedelta(hours=3)
CARD = Card(id="own_1", name="a", mode="live", node=None, set_hash=None, knows=())


class Shared:
    """A store whose clock is a server's, and which can fail."""

    shared = True

    def __init__(self, store: Store, server: ManualClock) -> None:
        self._store = store
        self._server = server
        self.broken = False
        self.answer_lost = False

    async def now(self, connection: Connection, clock: Clock) -> datetime:
        del connection, clock
        return self._server.now()

    def read(self) -> AbstractAsyncContextManager[Connection]:
        if self.broken:
            raise StoreUnavailableError("down")
        return self._store.read()

    @asynccontextmanager
    async def begin(self, tx: Tx) -> AsyncIterator[Connection]:
        if self.broken:
            raise StoreUnavailableError("down")
        async with self._store.begin(tx) as connection:
            yield connection
        if self.answer_lost:
            self.answer_lost = False
            raise StoreUnavailableError("the connection was lost while it was committed")


class Replica:
    """Its machine's clock, its disciplined one, and the two that keep it."""

    def __init__(self, store: Shared | Store, machine: ManualClock, *, keeps: bool = False) -> None:
        self.machine = machine
        self.clock = DisciplinedClock(machine, steady_after=timedelta(seconds=STEADY_AFTER_S))
        self.metrics = Metrics()
        self.watch = ClockWatch(
            store=store,  # type: ignore[arg-type]
            clock=self.clock,
            machine=machine,
            metrics=self.metrics,
            lease=LEASE,
            replica="own_2",
            keeps=lambda: keeps,
        )
        self.keeper = ClockKeeper(store=store, clock=self.clock, watch=self.watch, settle=SETTLE)

    def steps(self, direction: str) -> float:
        found = self.metrics.registry.get_sample_value("remediator_clock_steps_total", {"direction": direction})
        assert found is not None
        return found


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
async def alone(store: Store, clock: ManualClock) -> Replica:
    made = Replica(store, clock)
    await made.watch.begin()
    return made


async def wake_at(store: Store, run_id: str) -> datetime | None:
    return (await run.get(store, run_id)).wake_at


@pytest.mark.parametrize("step", [HOURS, -HOURS])
async def test_what_waits_waits_as_long_as_it_would_have(store: Store, alone: Replica, step: timedelta) -> None:
    run_id = await run.admit(store, await run.episode(store), wake_at=T0 + timedelta(minutes=10))
    alone.machine.step(step)
    await alone.watch.look()
    assert alone.clock.now() == T0, "not before the store has moved"
    await alone.keeper.keep()
    assert alone.clock.now() == alone.machine.now() == T0 + step
    assert await wake_at(store, run_id) == T0 + step + timedelta(minutes=10)
    assert alone.steps("forward" if step > timedelta(0) else "backward") == 1


async def test_nothing_begins_for_half_a_minute_and_then_all_is_looked_at_again(store: Store, alone: Replica) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        await episodes.settle(tx, episode_id, incident_id=incident_id, decide_again_at=None)
    alone.machine.step(HOURS)
    await alone.watch.look()
    await alone.keeper.keep()
    assert alone.clock.steady_in() == STEADY_AFTER_S
    await alone.machine.advance(STEADY_AFTER_S - 1)
    await alone.keeper.keep()
    async with store.read() as connection:
        assert await episodes.next_due_at(connection) is None
    await alone.machine.advance(1)
    await alone.keeper.keep()
    async with store.read() as connection:
        assert await episodes.next_due_at(connection) == alone.clock.now()


async def test_small_corrections_are_no_event(store: Store, alone: Replica) -> None:
    run_id = await run.admit(store, await run.episode(store))
    for _ in range(10):
        alone.machine.step(timedelta(seconds=4))
        await alone.watch.look()
        await alone.keeper.keep()
    assert alone.clock.now() == T0 + timedelta(seconds=40)
    assert await wake_at(store, run_id) == T0
    assert alone.steps("forward") == 0


async def test_a_run_in_hand_loses_its_claim_and_is_looked_at_before_anything_else(
    store: Store, alone: Replica
) -> None:
    """Who drives it holds instants of the old time; what it has begun may still arrive."""
    run_id = await run.admit(store, await run.episode(store))
    [claimed] = await run.claim(store)
    cursor = await run.begin(store, claimed)
    alone.machine.step(HOURS)
    await alone.watch.look()
    await alone.keeper.keep()
    with pytest.raises(LostClaimError):
        async with store.begin(Tx.END_STEP) as tx:
            await runs.move(tx, claimed, cursor)
    assert await run.claim(store, at=T0 + HOURS + SETTLE - timedelta(seconds=1)) == []
    [again] = await run.claim(store, at=T0 + HOURS + SETTLE)
    assert again.fence == claimed.fence + 1
    assert Cursor.from_json(again.cursor) == Cursor(Phase.APPLY, since=T0 + HOURS, attempts=1)
    assert again.id == run_id


async def test_a_step_is_held_back_while_the_store_is_down(store: Store, clock: ManualClock) -> None:
    shared = Shared(store, server := ManualClock())
    replica = Replica(shared, clock)
    await replica.watch.begin()
    server.step(HOURS)
    await replica.watch.look()
    shared.broken = True
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await replica.keeper.keep()
        await clock.advance(60)
    assert replica.clock.now() == T0 + timedelta(minutes=3)
    assert replica.clock.steady_in() > 0
    shared.broken = False
    await replica.keeper.keep()
    assert replica.clock.now() == T0 + timedelta(minutes=3) + HOURS


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(store: Store, clock: ManualClock) -> None:
    run_id = await run.admit(store, await run.episode(store))
    shared = Shared(store, server := ManualClock())
    replica = Replica(shared, clock)
    await replica.watch.begin()
    server.step(HOURS)
    await replica.watch.look()
    shared.answer_lost = True
    with pytest.raises(StoreUnavailableError):
        await replica.keeper.keep()
    assert replica.clock.now() == T0, "taken back: nobody knows"
    await replica.keeper.keep()
    assert replica.clock.now() == T0 + HOURS
    assert await wake_at(store, run_id) == T0 + HOURS


async def test_one_replica_moves_the_store_and_the_others_follow(store: Store) -> None:
    run_id = await run.admit(store, await run.episode(store))
    shared = Shared(store, server := ManualClock())
    one, two = Replica(shared, ManualClock()), Replica(shared, ManualClock(T0 - timedelta(days=1)))
    for replica in (one, two):
        await replica.watch.begin()
    assert two.clock.now() == T0, "the database's clock is everybody's"
    server.step(-HOURS)
    for replica in (one, two):
        await replica.watch.look()
    await two.watch.look()
    assert two.clock.now() == T0, "nobody has moved the store yet"
    await one.keeper.keep()
    await two.watch.look()
    assert one.clock.now() == two.clock.now() == T0 - HOURS
    assert await wake_at(store, run_id) == T0 - HOURS
    assert two.clock.steady_in() > 0


async def test_a_replica_that_has_not_followed_yet_neither_decides_nor_claims(store: Store) -> None:
    shared = Shared(store, server := ManualClock())
    one, two = Replica(shared, ManualClock()), Replica(shared, ManualClock())
    fitness = Fitness(mode="live", set_hash=lambda: "s", clock_steps=lambda: two.watch.moved)
    async with store.begin(Tx.OPERATE) as tx:
        await meta.put(tx, meta.MODE, "live")
        await meta.put(tx, meta.ACTIVE_SET, "s")
    for replica in (one, two):
        await replica.watch.begin()
    server.step(HOURS)
    await one.watch.look()
    await one.keeper.keep()
    async with store.read() as connection:
        for unfit in (await fitness.in_mode(connection), await fitness.in_all(connection)):
            assert unfit is not None
            assert "has not followed" in unfit
        await two.watch.look()
        assert (await fitness.in_mode(connection), await fitness.in_all(connection)) == (None, None)


async def test_a_replica_that_missed_a_step_there_and_back_is_not_behind_for_ever(store: Store) -> None:
    shared = Shared(store, server := ManualClock())
    one, two = Replica(shared, ManualClock()), Replica(shared, ManualClock())
    for replica in (one, two):
        await replica.watch.begin()
    for step in (HOURS, -HOURS):
        server.step(step)
        await one.watch.look()
        await one.keeper.keep()
    assert (one.watch.moved, two.watch.moved) == (2, 0)
    await two.watch.look()
    assert two.watch.moved == 2
    assert two.clock.now() == T0
    run_id = await run.admit(store, await run.episode(store))
    server.step(HOURS)
    await two.watch.look()
    await two.keeper.keep()
    assert await wake_at(store, run_id) == T0 + HOURS


async def test_a_replica_that_sees_the_step_late_does_not_move_the_store_again(store: Store) -> None:
    run_id = await run.admit(store, await run.episode(store))
    shared = Shared(store, server := ManualClock())
    one, two = Replica(shared, ManualClock()), Replica(shared, ManualClock())
    for replica in (one, two):
        await replica.watch.begin()
    server.step(HOURS)
    await one.watch.look()
    await one.keeper.keep()
    await two.watch.look()
    await two.keeper.keep()  # the duty is its by now
    assert two.clock.now() == T0 + HOURS
    assert await wake_at(store, run_id) == T0 + HOURS
    server.step(-HOURS)
    await two.watch.look()
    await two.keeper.keep()
    assert await wake_at(store, run_id) == T0


async def test_a_step_of_a_replicas_own_clock_is_nothing_where_the_database_has_the_time(store: Store) -> None:
    shared = Shared(store, ManualClock())
    replica = Replica(shared, ManualClock())
    await replica.watch.begin()
    replica.machine.step(HOURS)
    await replica.watch.look()
    await replica.keeper.keep()
    assert (replica.clock.now(), replica.clock.steady_in()) == (T0, 0)


async def test_a_machine_that_stood_still_takes_over_the_time_of_the_others_without_moving_the_store(
    store: Store,
) -> None:
    run_id = await run.admit(store, await run.episode(store))
    shared = Shared(store, server := ManualClock())
    stood_still = Replica(shared, ManualClock())
    await stood_still.watch.begin()
    await seen(store, server.now())
    await server.advance(600)
    await stood_still.watch.look()
    assert stood_still.clock.steady_in() > 0, "it begins nothing"
    assert stood_still.clock.now() == T0, "nobody says whose clock it was"
    await seen(store, server.now())
    await stood_still.watch.look()
    assert stood_still.clock.now() == server.now()
    assert await wake_at(store, run_id) == T0
    assert stood_still.clock.steady_in() > 0


async def test_who_has_the_duty_moves_the_store_whatever_others_say(store: Store) -> None:
    """A replica that has just started goes by the new time at once: no reason to believe that there was no step."""
    run_id = await run.admit(store, await run.episode(store))
    shared = Shared(store, server := ManualClock())
    replica = Replica(shared, ManualClock(), keeps=True)
    await replica.watch.begin()
    server.step(HOURS)
    await seen(store, server.now())
    await replica.watch.look()
    assert replica.clock.now() == T0
    await replica.keeper.keep()
    assert await wake_at(store, run_id) == T0 + HOURS


async def seen(store: Store, at: datetime) -> None:
    async with store.begin(Tx.HEARTBEAT) as tx:
        await replicas.beat(tx, CARD, now=at, lease_until=at + LEASE)


async def test_a_clock_that_was_set_back_while_nothing_ran_keeps_nothing_waiting(
    store: Store, clock: ManualClock
) -> None:
    """A file of one process: its lock says that nobody lives."""
    run_id = await run.admit(store, await run.episode(store), at=T0 + HOURS)
    await seen(store, T0 + HOURS)
    replica = Replica(store, clock)
    await replica.watch.begin()
    assert await wake_at(store, run_id) == T0
    async with store.read() as connection:
        assert await clock_steps.untold(connection) == [(T0, -HOURS)]
    again = Replica(store, clock)
    await again.watch.begin()
    assert await wake_at(store, run_id) == T0, "once"
    assert again.watch.moved == 1


@pytest.mark.parametrize("alive", [False, True])
async def test_among_several_it_waits_a_lease_for_a_sign_of_life(store: Store, clock: ManualClock, alive: bool) -> None:
    run_id = await run.admit(store, await run.episode(store), at=T0 + HOURS)
    await seen(store, T0 + HOURS)
    replica = Replica(Shared(store, clock), clock)
    async with asyncio.TaskGroup() as group:
        beginning = group.create_task(replica.watch.begin())
        await clock.until_sleeping()
        if alive:
            await seen(store, T0 + HOURS + timedelta(seconds=10))
        await clock.advance(LEASE.total_seconds())
        await beginning
    moved = T0 + timedelta(seconds=30)  # it stands where the last sign of life was
    assert await wake_at(store, run_id) == (T0 + HOURS if alive else moved)


async def test_a_restart_after_a_short_stop_is_no_step(store: Store, clock: ManualClock) -> None:
    await seen(store, T0 + timedelta(seconds=4))
    replica = Replica(store, clock)
    await replica.watch.begin()
    async with store.read() as connection:
        assert await clock_steps.count(connection) == 0


async def test_the_loops_do_it_by_themselves(store: Store, alone: Replica) -> None:
    run_id = await run.admit(store, await run.episode(store))
    async with asyncio.TaskGroup() as group:
        loops = [group.create_task(alone.watch.run()), group.create_task(alone.keeper.run())]
        await alone.machine.until_sleeping(2)
        alone.machine.step(HOURS)
        async with asyncio.timeout(30):
            while await wake_at(store, run_id) != T0 + HOURS:
                await alone.machine.advance(0.1)
        for loop in loops:
            loop.cancel()
    async with store.read() as connection:
        assert await claims.next_due_at(connection, "live") is not None
