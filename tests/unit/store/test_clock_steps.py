"""What moves when the clock steps, and what stays (S28)."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from remediator.decision.facts import Limits, Used
from remediator.ids import intent_id
from remediator.playbooks.rules import Budget
from remediator.runs.cursor import Cursor, Phase
from remediator.store import approvals, clock_steps, episodes, incidents, journal, ledger, outbox, pauses
from remediator.store.columns import Instant
from remediator.store.database import Store, Tx
from remediator.store.schema import duties, metadata, replicas
from remediator.store.schema import ledger as ledger_table
from tests.support import runs as run
from tests.support.clock import T0

HOURS = timedelta(hours=3)
STAYS = {
    "meta": set(),
    "deliveries": {"received_at", "fetched_at"},
    "dead_letters": {"received_at"},
    "episodes": {"starts_at", "last_starts_at", "ended_at"},
    "decisions": {"decided_at", "confirmed_at"},
    "incidents": {"closed_at", "folded_at"},
    "timeline": {"at"},
    "runs": {"changed_at", "ended_at"},
    "journal": {"first_begun_at", "ended_at"},
    "locks": {"taken_at"},
    "approvals": {"answered_at"},
    "outbox": {"settled_at"},
    "pauses": {"began_at", "ended_at"},
    "autonomy": {"since"},
    "playbook_sets": {"loaded_at"},
    "replicas": {"started_at"},
}
"""Records of what was, and instants of others. ``first_begun_at`` moves only to the earlier side."""


async def shifted(store: Store, step: timedelta) -> None:
    async with store.begin(Tx.MOVE_CLOCK) as tx:
        await clock_steps.shift(tx, step, now=T0)


async def test_every_instant_of_the_schema_either_moves_or_stays_on_purpose(store: Store) -> None:
    moved: dict[str, set[str]] = {}

    async with store.begin(Tx.MOVE_CLOCK) as tx:
        raw = (await tx.get_raw_connection()).dbapi_connection
        assert raw is not None

        def told(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if found := re.match(r"UPDATE (?:/\*.*?\*/ )?(\w+) SET (.*?) WHERE", statement, re.DOTALL):
                moved.setdefault(found[1], set()).update(re.findall(r"(\w+)=\(", found[2]))

        event.listen(tx.sync_connection, "before_cursor_execute", told)
        await clock_steps.shift(tx, HOURS, now=T0)
    for table in metadata.tables.values():
        instants = {column.name for column in table.columns if isinstance(column.type, Instant)}
        stays = STAYS.get(table.name, set())
        assert moved.get(table.name, set()) == instants - stays, table.name


@pytest.mark.parametrize("step", [HOURS, -HOURS])
async def test_a_run_under_way_goes_on_as_if_nothing_had_been(store: Store, step: timedelta) -> None:
    of = await run.episode(store)
    run_id = await run.admit(store, of)
    [claimed] = await run.claim(store)
    await run.begin(store, claimed)
    await shifted(store, step)
    after = await run.get(store, run_id)
    assert after.wake_at == T0 + step
    assert after.deadline_at == T0 + timedelta(hours=1) + step
    assert Cursor.from_json(after.cursor) == Cursor(Phase.APPLY, since=T0 + step, attempts=1)
    async with store.read() as connection:
        [step_row] = await journal.of_run(connection, run_id)
        counted = await ledger.facts(
            connection,
            mode="live",
            playbook="restart-it",
            target=after.where.counted,
            budget=Budget(runs=1, per=timedelta(minutes=1)),
            limits=Limits(total=1, total_per_playbook=1, per=timedelta(minutes=1)),
            now=T0 + step + timedelta(seconds=59),
            without=None,
        )
    assert step_row.begun_at == T0 + step
    assert step_row.first_begun_at == min(T0, T0 + step), "of two clocks the one that cannot overlook our change"
    assert counted.last_change is not None
    assert counted.last_change.at == T0 + step
    assert counted.of_everything == Used(1, T0 + step + timedelta(minutes=1))


async def test_a_lease_is_as_long_as_before(store: Store) -> None:
    await run.admit(store, await run.episode(store))
    await run.claim(store)
    await shifted(store, HOURS)
    assert await run.claim(store, owner="two", at=T0 + HOURS + run.LEASE - timedelta(seconds=1)) == []


async def test_what_is_over_stays_as_it_was_written(store: Store) -> None:
    run_id = await run.admit(store, await run.episode(store))
    [claimed] = await run.claim(store)
    cursor = await run.begin(store, claimed)
    await run.end(store, claimed, Cursor(Phase.ENDED, since=T0), at=T0)
    before = await run.get(store, run_id)
    await shifted(store, HOURS)
    assert await run.get(store, run_id) == before
    async with store.read() as connection:
        step = await journal.get(connection, intent_id(run_id, cursor.remedy, cursor.step, "apply"))
    assert step is not None
    assert step.begun_at == T0


async def test_alerts_incidents_requests_messages_and_reminders_move(store: Store) -> None:
    of = await run.episode(store)
    run_id = await run.admit(store, of, state="approval")
    async with store.begin(Tx.DECIDE) as tx:
        await approvals.request(tx, run_id=run_id, plan_hash="h", plan={}, now=T0, expires_at=T0 + timedelta(minutes=1))
        await pauses.begin(tx, scope="all", by="alice", reason="r", remind_at=T0 + timedelta(minutes=2), now=T0)
        await outbox.add(
            tx,
            incident_id=of[0],
            mode="live",
            channel="pagerduty",
            action="trigger",
            dedup_key="k",
            cause="c",
            message={},
            now=T0,
        )
        await episodes.settle(tx, of[1], incident_id=of[0], decide_again_at=T0 + timedelta(minutes=3))
        await incidents.postpone(tx, of[0], T0 + timedelta(minutes=4))
    await shifted(store, HOURS)
    after = T0 + HOURS
    async with store.read() as connection:
        request = await approvals.get(connection, run_id)
        reminded = await pauses.to_remind(connection, after + timedelta(minutes=1, seconds=59))
        alert = await episodes.episode(connection, of[1])
        incident = await incidents.incident(connection, of[0])
        message_at = await outbox.next_due_at(connection)
        assert await incidents.next_due_at(connection, mode="live") == after + timedelta(minutes=4)
    assert request is not None
    assert (request["requested_at"], request["expires_at"]) == (after, after + timedelta(minutes=1))
    assert reminded == []
    assert alert is not None
    assert (alert.first_received_at, alert.decide_again_at) == (after, after + timedelta(minutes=3))
    assert alert.starts_at == T0, "Prometheus's time is not ours to move"
    assert incident is not None
    assert incident.opened_at == after
    assert message_at == after


async def test_duties_and_replicas_move(store: Store) -> None:
    async with store.begin(Tx.MOVE_CLOCK) as tx:
        await tx.execute(duties.insert().values(name="decider", owner="own_1", lease_until=T0, fence=1))
        card = {"id": "own_1", "name": "a", "mode": "live", "knows": []}
        await tx.execute(replicas.insert().values(**card, started_at=T0, seen_at=T0, lease_until=T0))
    await shifted(store, HOURS)
    async with store.read() as connection:
        assert await connection.scalar(select(duties.c.lease_until)) == T0 + HOURS
        assert (await connection.execute(select(replicas.c.seen_at, replicas.c.lease_until))).one() == (T0 + HOURS,) * 2


async def test_old_changes_are_not_moved_one_by_one(store: Store) -> None:
    run_id = await run.admit(store, await run.episode(store), at=T0 - timedelta(days=31))
    await shifted(store, HOURS)
    async with store.read() as connection:
        at = await connection.scalar(select(ledger_table.c.counted_at).where(ledger_table.c.run_id == run_id))
    assert at == T0 - timedelta(days=31)


async def test_steps_are_counted_and_told_once(store: Store) -> None:
    async with store.begin(Tx.MOVE_CLOCK) as tx:
        assert await clock_steps.count(tx) == 0
        assert await clock_steps.remember(tx, HOURS, at=T0) == 1
        assert await clock_steps.untold(tx) == [(T0, HOURS)]
        await clock_steps.told(tx)
        assert await clock_steps.untold(tx) == []
        assert await clock_steps.remember(tx, -HOURS, at=T0) == 2
        assert await clock_steps.count(tx) == 2
        for _ in range(100):
            await clock_steps.remember(tx, HOURS, at=T0)
        assert len(await clock_steps.untold(tx)) == 20


async def test_everything_open_can_be_looked_at_again(store: Store) -> None:
    of = await run.episode(store)
    async with store.begin(Tx.MOVE_CLOCK) as tx:
        await episodes.settle(tx, of[1], incident_id=of[0], decide_again_at=None)
        await incidents.postpone(tx, of[0], T0 + HOURS)
        await clock_steps.look_at_all(tx, T0)
        assert await episodes.next_due_at(tx) == T0
        assert await incidents.next_due_at(tx, mode="live") == T0
