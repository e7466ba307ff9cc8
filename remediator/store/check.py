"""``remediator store check``: reads a whole store in slices and says what should not be in it. Changes nothing.

What one row and its neighbours say is judged in ``invariants``; what only the database can compare is asked in ``comparisons``.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, Table, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store import comparisons, invariants
from remediator.store.columns import word
from remediator.store.invariants import AlertFacts, Entry, Finding, IncidentFacts, RunFacts
from remediator.store.runs import SCHEDULED
from remediator.store.schema import (
    approvals,
    decisions,
    episodes,
    incidents,
    journal,
    ledger,
    locks,
    outbox,
    runs,
    timeline,
)

_AT_ONCE = 500


async def findings(connection: AsyncConnection, *, now: datetime, watchdog: str | None) -> AsyncIterator[Finding]:
    """Everything that is wrong. The connection must show one state of the store throughout (``reading``).

    ``watchdog`` is the alertname of the heartbeat, which is never decided. Memory does not grow with the store.
    """
    damaged = False
    async for finding in comparisons.whole(connection):
        damaged = True
        yield finding
    if damaged:  # nothing that such a file says can be relied on
        return
    for part in (_runs, _alerts, _incidents):
        async for finding in part(connection, now, watchdog):
            yield finding
    for compare in comparisons.COMPARISONS:
        async for finding in compare(connection):
            yield finding


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
                yield Finding("begun_again_blindly", (run_id,), said, invariants.REPORT)


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
