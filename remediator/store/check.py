"""``remediator store check``: reads a whole store in slices and says what should not be in it. Changes nothing.

What one row and its neighbours say is judged in ``invariants``; what only the database can compare is a question here.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, and_, case, func, not_, or_, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store import clock_steps, invariants
from remediator.store.columns import word
from remediator.store.invariants import AlertFacts, Entry, Finding, IncidentFacts, RunFacts
from remediator.store.runs import SCHEDULED
from remediator.store.schema import (
    approvals,
    decisions,
    duties,
    episodes,
    incidents,
    journal,
    ledger,
    locks,
    metadata,
    outbox,
    runs,
    timeline,
)

_AT_ONCE = 500
MOST_OF_A_KIND = 100
"""Of one question to the database no more findings are told: a thousand more say nothing new."""
_RESTORE = "Stop the service and restore a backup"
_DEFECT = "Keep a copy of the store and report it: this is a defect of remediator, or rows were changed by hand"


async def findings(connection: AsyncConnection, *, now: datetime, watchdog: str | None) -> AsyncIterator[Finding]:
    """Everything that is wrong. The connection must show one state of the store throughout (``reading``).

    ``watchdog`` is the alertname of the heartbeat, which is never decided. Memory does not grow with the store.
    """
    damaged = False
    async for finding in _whole(connection):
        damaged = True
        yield finding
    if damaged:  # nothing that such a file says can be relied on
        return
    for part in (_orphans, _runs, _alerts, _incidents, _messages, _targets, _decisions, _duties):
        async for finding in part(connection, now, watchdog):
            yield finding


async def _whole(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """The file itself. (A PostgreSQL server looks after its own.)"""
    if connection.dialect.name != "sqlite":
        return
    try:
        said = (await connection.execute(text(f"PRAGMA integrity_check({MOST_OF_A_KIND})"))).scalars().all()
    except DatabaseError as error:  # too damaged to be looked through
        said = [str(error.orig)]
    for words in said:
        if words != "ok":
            yield Finding("file_damaged", (), f"the database file is damaged: {words}", _RESTORE)


async def _orphans(connection: AsyncConnection, _now: datetime, _watchdog: str | None) -> AsyncIterator[Finding]:
    """What every foreign key promises, and what rows say of runs without one."""
    links = [
        (table, column.name, key.column.table, key.column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        for key in column.foreign_keys
    ]
    links += [(table, "run_id", runs, "id") for table in (decisions, timeline)]
    for table, column, parent, key in links:
        child, known = table.c[column], parent.alias("parent")
        lost = child.is_not(None) & ~select(known.c[key]).where(known.c[key] == child).exists()
        shown = [*table.primary_key.columns, child.label("points_at")]
        for row in await connection.execute(select(*shown).where(lost).limit(MOST_OF_A_KIND)):
            said = f"a row of {table.name} ({', '.join(map(str, row[:-1]))}) is of {parent.name} {row[-1]}"
            yield Finding("orphan", (*map(str, row[:-1]), row[-1]), f"{said}, which is not there", _RESTORE)


async def _runs(connection: AsyncConnection, now: datetime, _watchdog: str | None) -> AsyncIterator[Finding]:
    request = approvals.c.run_id.is_not(None)
    query = (
        select(
            *(runs.c[name] for name in _OF_RUN),
            ledger.c.mode.label("ledger_mode"),
            ledger.c.playbook.label("ledger_playbook"),
            ledger.c.target.label("ledger_target"),
            ledger.c.outcome.label("ledger_outcome"),
            request.label("requested"),
            and_(request, approvals.c.answer.is_(None)).label("unanswered"),
        )
        .outerjoin(ledger, ledger.c.run_id == runs.c.id)
        .outerjoin(approvals, approvals.c.run_id == runs.c.id)
        .outerjoin(incidents, incidents.c.id == runs.c.incident_id)
        .where(
            incidents.c.summary.is_(None)
        )  # else retention is at it, and may have taken a part of what belongs to it
    )
    async for slice_ in _slices(connection, query, runs):
        ids = [row.id for row in slice_]
        held = await _grouped(connection, select(locks.c.run_id, locks.c.scope).where(locks.c.run_id.in_(ids)))
        begun = and_(journal.c.run_id.in_(ids), journal.c.state == "begun")
        steps = await _grouped(connection, select(journal.c.run_id, journal.c.intent_id).where(begun))
        for row in slice_:
            for finding in invariants.of_run(_run(row, held.get(row.id, ()), steps.get(row.id, ())), now):
                yield finding
        again = and_(journal.c.run_id.in_(ids), journal.c.attempts > 1)
        for run_id in await _grouped(connection, select(journal.c.run_id, journal.c.intent_id).where(again)):
            story = select(timeline.c.event, timeline.c.text).where(timeline.c.run_id == run_id)
            told = [(row.event, row.text) for row in await connection.execute(story.order_by(timeline.c.id))]
            if invariants.begun_again_without_a_look(told):
                said = f"run {run_id} began a step again without having looked whether it had happened"
                yield Finding("begun_again_blindly", (run_id,), said, _DEFECT)


_OF_RUN = (
    *("id", "mode", "playbook", "target", "state", "outcome", "owner", "lease_until", "wake_at", "deadline_at"),
    *("ended_at", "changed_at", "cursor", "question"),
)


def _run(row: Row[Any], held: Sequence[str], begun: Sequence[str]) -> RunFacts:
    entry = Entry(row.ledger_mode, row.ledger_playbook, row.ledger_target, row.ledger_outcome)
    return RunFacts(
        id=row.id,
        mode=row.mode,
        playbook=row.playbook,
        target=row.target,
        state=row.state,
        outcome=row.outcome,
        owner=row.owner,
        lease_until=row.lease_until,
        wake_at=row.wake_at,
        deadline_at=row.deadline_at,
        ended_at=row.ended_at,
        looked=row.changed_at is not None,
        changed=bool(row.cursor.get("changed")),
        reverse=row.cursor.get("reverses") is not None,
        asks=row.question is not None,
        locks=held,
        entry=None if row.ledger_mode is None else entry,
        requested=bool(row.requested),
        unanswered=bool(row.unanswered),
        begun=begun,
    )


_IN_HAND = runs.c.state.not_in(("ended", SCHEDULED))


async def _alerts(connection: AsyncConnection, _now: datetime, watchdog: str | None) -> AsyncIterator[Finding]:
    of_it = or_(runs.c.episode_id == episodes.c.id, runs.c.incident_id == episodes.c.incident_id)
    query = (
        select(
            episodes.c.id,
            episodes.c.latest,
            episodes.c.severity,
            episodes.c.alertname,
            episodes.c.decide_again_at,
            episodes.c.incident_id,
            incidents.c.state.label("incident_state"),
            select(runs.c.id).where(and_(of_it, _IN_HAND)).exists().label("run_in_hand"),
            select(outbox.c.id).where(outbox.c.incident_id == episodes.c.incident_id).exists().label("told"),
        )
        .outerjoin(incidents, incidents.c.id == episodes.c.incident_id)
        .where(episodes.c.state != word("closed"))
    )
    async for slice_ in _slices(connection, query, episodes):
        standing = and_(decisions.c.current, decisions.c.episode_id.in_([row.id for row in slice_]))
        verdicts = await _grouped(connection, select(decisions.c.episode_id, decisions.c.verdict).where(standing))
        for row in slice_:
            facts = AlertFacts(
                id=row.id,
                latest=row.latest,
                severity=row.severity,
                heartbeat=row.alertname == watchdog,
                decide_again_at=row.decide_again_at,
                incident_id=row.incident_id,
                incident_open=row.incident_state == "open",
                verdicts=frozenset(verdicts.get(row.id, ())),
                run_in_hand=bool(row.run_in_hand),
                told=bool(row.told),
            )
            for finding in invariants.of_alert(facts):
                yield finding


async def _incidents(connection: AsyncConnection, _now: datetime, _watchdog: str | None) -> AsyncIterator[Finding]:
    unclosed = and_(episodes.c.incident_id == incidents.c.id, episodes.c.state != "closed")
    query = select(
        incidents.c.id,
        incidents.c.look_again_at,
        select(func.count()).select_from(episodes).where(unclosed).scalar_subquery().label("unclosed"),
        select(runs.c.id).where(and_(runs.c.incident_id == incidents.c.id, _IN_HAND)).exists().label("run_in_hand"),
    ).where(incidents.c.state == word("open"))
    async for slice_ in _slices(connection, query, incidents):
        for row in slice_:
            facts = IncidentFacts(row.id, row.look_again_at, row.unclosed, bool(row.run_in_hand))
            for finding in invariants.of_incident(facts):
                yield finding


async def _messages(connection: AsyncConnection, _now: datetime, _watchdog: str | None) -> AsyncIterator[Finding]:
    """The outbox keeps its order and its states (S21, S30, S33)."""
    earlier = outbox.alias("earlier")
    overtaken = (
        select(outbox.c.id, earlier.c.id.label("waiting"), outbox.c.dedup_key)
        .join(earlier, and_(earlier.c.dedup_key == outbox.c.dedup_key, earlier.c.id < outbox.c.id))
        .where(and_(outbox.c.action == "resolve", outbox.c.state == "sent"))
        .where(and_(earlier.c.action == "trigger", earlier.c.state == word("waiting")))
    )
    for row in await connection.execute(overtaken.limit(MOST_OF_A_KIND)):
        said = f"message {row.id} resolved {row.dedup_key} before {row.waiting} was sent, which will open it again"
        yield Finding("resolve_overtook_trigger", (row.id, row.waiting), said, f"Look at {row.dedup_key} by hand")
    waits = outbox.c.state == word("waiting")
    settled = not_(outbox.c.state == word("waiting"))
    wrong = or_(
        and_(waits, or_(outbox.c.next_at.is_(None), outbox.c.settled_at.is_not(None))),
        and_(settled, or_(outbox.c.next_at.is_not(None), outbox.c.settled_at.is_(None))),
        and_(outbox.c.mode == "dry-run", outbox.c.state != "withheld"),
    )
    for row in await connection.execute(
        select(outbox.c.id, outbox.c.mode, outbox.c.state).where(wrong).limit(MOST_OF_A_KIND)
    ):
        said = f"message {row.id} of mode {row.mode} is {row.state}, which its other columns deny"
        yield Finding("message_state", (row.id,), said, _DEFECT)


async def _targets(connection: AsyncConnection, _now: datetime, _watchdog: str | None) -> AsyncIterator[Finding]:
    """A target has one run at a time (S17, S18): now, and from the first effect to the end of every run that there was."""
    twice = (
        select(runs.c.mode, runs.c.target)
        .where(runs.c.state.in_(("ready", "running", "waiting", "needs_person")))
        .group_by(runs.c.mode, runs.c.target)
        .having(func.count() > 1)
    )
    for row in await connection.execute(twice.limit(MOST_OF_A_KIND)):
        said = f"{row.target} has several active runs"
        yield Finding("two_runs_on_a_target", (row.target,), said, f"remediator pause --target {row.target}. {_DEFECT}")
    shared = (
        select(locks.c.scope)
        .group_by(locks.c.scope)
        .having(and_(func.count() > 1, func.sum(case((locks.c.exclusive, 1), else_=0)) > 0))
    )
    for row in await connection.execute(shared.limit(MOST_OF_A_KIND)):
        yield Finding(
            "exclusive_lock_shared", (row.scope,), f"{row.scope} is held by one run alone and by others", _DEFECT
        )
    if await clock_steps.count(connection):
        return  # ends are records of the time as it was before a step (S28), and say no longer who was first

    def former(column: ColumnElement[Any]) -> ColumnElement[Any]:
        in_order = (runs.c.changed_at, runs.c.id)
        return func.lag(column).over(partition_by=(runs.c.mode, runs.c.target), order_by=in_order)

    history = (
        select(
            runs.c.id,
            runs.c.target,
            runs.c.changed_at,
            former(runs.c.id).label("former"),
            former(runs.c.ended_at).label("former_ended_at"),
        )
        .where(runs.c.changed_at.is_not(None))
        .subquery()
    )
    still = or_(history.c.former_ended_at.is_(None), history.c.former_ended_at > history.c.changed_at)
    overlap = select(history.c.id, history.c.former, history.c.target).where(and_(history.c.former.is_not(None), still))
    for late in await connection.execute(overlap.limit(MOST_OF_A_KIND)):
        said = f"run {late.id} began on {late.target} before run {late.former} had ended"
        yield Finding("runs_overlap", (late.former, late.id), said, _DEFECT)


async def _decisions(connection: AsyncConnection, _now: datetime, _watchdog: str | None) -> AsyncIterator[Finding]:
    """One standing answer for each alert and playbook (S5)."""
    key = (decisions.c.episode_id, func.coalesce(decisions.c.playbook, ""))
    twice = select(decisions.c.episode_id).where(decisions.c.current).group_by(*key).having(func.count() > 1)
    for row in await connection.execute(twice.limit(MOST_OF_A_KIND)):
        said = f"episode {row.episode_id} has two standing answers of one playbook"
        yield Finding("two_answers", (row.episode_id,), said, _DEFECT)


async def _duties(connection: AsyncConnection, _now: datetime, _watchdog: str | None) -> AsyncIterator[Finding]:
    """Whoever has a duty has it for a time, or nobody could ever take it over."""
    wrong = duties.c.owner.is_not(None) != duties.c.lease_until.is_not(None)
    for row in await connection.execute(select(duties.c.name, duties.c.owner).where(wrong)):
        said = f"duty {row.name} is held by {row.owner or 'nobody'}, and its lease says otherwise"
        yield Finding("duty_without_lease", (row.name,), said, _DEFECT)


async def _slices(connection: AsyncConnection, query: Select[Any], table: Table) -> AsyncIterator[Sequence[Row[Any]]]:
    """The rows of a query in order of the table's id, some at a time."""
    after = ""
    while slice_ := (
        await connection.execute(query.where(table.c.id > after).order_by(table.c.id).limit(_AT_ONCE))
    ).all():
        yield slice_
        after = slice_[-1].id


async def _grouped(connection: AsyncConnection, query: Select[Any]) -> dict[str, list[str]]:
    """The second column's values by the first column's."""
    rows = sorted((row[0], row[1]) for row in await connection.execute(query))
    return {key: [value for _, value in group] for key, group in groupby(rows, lambda row: row[0])}
