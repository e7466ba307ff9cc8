"""The facts of one incident for escalation, read inside the transaction that may page (``escalation.policy``)."""

from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import Select, Text, and_, bindparam, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.alerts.severity import Severity
from remediator.escalation.facts import AnswerFacts, IncidentFacts, RunFacts, Told
from remediator.store.incidents import REOPENED, IncidentRow
from remediator.store.runs import SCHEDULED
from remediator.store.schema import approvals, decisions, episodes, outbox, runs, timeline

_PARKED = ("person", "watch")
"""Phases (``runs.cursor.Phase``) whose beginning is what people are told."""


_INCIDENT = bindparam("incident", type_=Text)
_ALERTS = (
    select(episodes.c.severity, episodes.c.state, func.count())
    .where(and_(episodes.c.incident_id == _INCIDENT, episodes.c.state != "closed"))
    .group_by(episodes.c.severity, episodes.c.state)
)
_REOPENED_AT = select(func.max(timeline.c.at)).where(
    and_(timeline.c.incident_id == _INCIDENT, timeline.c.event == REOPENED)
)
_RUNS = (
    select(
        *(runs.c[name] for name in ("id", "playbook", "state", "outcome", "cursor", "created_at")),
        *(runs.c.ended_at, runs.c.cancel_at, approvals.c.answer),
    )
    .outerjoin(approvals, approvals.c.run_id == runs.c.id)
    .where(runs.c.incident_id == _INCIDENT, or_(runs.c.state != "ended", runs.c.ended_at >= bindparam("since")))
    .order_by(runs.c.created_at, runs.c.id)
)
_TOLD = (
    select(outbox.c.dedup_key, outbox.c.action, outbox.c.cause)
    .where(outbox.c.incident_id == _INCIDENT)
    .order_by(outbox.c.id)
)


def _answers_query() -> Select[Any]:
    other = decisions.alias()
    beside_wait = exists().where(
        and_(
            other.c.episode_id == decisions.c.episode_id,
            other.c.current,
            other.c.id != decisions.c.id,
            other.c.verdict == "deny",
            other.c.kind == "wait",
        )
    )
    what = (decisions.c.playbook, decisions.c.verdict, decisions.c.kind, episodes.c.severity)
    inner = (
        select(*what, beside_wait.label("beside_wait"), decisions.c.decided_at)
        .join(episodes, episodes.c.id == decisions.c.episode_id)
        .where(and_(episodes.c.incident_id == _INCIDENT, episodes.c.state == "open", decisions.c.current))
        .subquery()
    )
    grouped = tuple(inner.c[name] for name in ("playbook", "verdict", "kind", "severity", "beside_wait"))
    since = func.min(inner.c.decided_at).label("since")
    return select(*grouped, since).group_by(*grouped).order_by("since", *grouped[:2])


_ANSWERS = _answers_query()


async def incident_facts(tx: AsyncConnection, incident: IncidentRow, now: datetime) -> IncidentFacts:
    """Everything that ``judge`` asks of this incident."""
    alerts = (await tx.execute(_ALERTS, {"incident": incident.id})).all()
    listed = await _runs(tx, incident)
    return IncidentFacts(
        now=now,
        incident_id=incident.id,
        severity=Severity(incident.severity),
        opened_at=incident.opened_at,
        recurrences=incident.recurrences,
        firing=frozenset(Severity(severity) for severity, state, _ in alerts if state == "open"),
        unclosed=sum(count for _, _, count in alerts),
        had_alerts=bool(alerts or listed) or await _had_alerts(tx, incident.id),
        answers=await _answers(tx, incident.id),
        runs=listed,
        told=await _told(tx, incident.id),
    )


async def count_reminder(tx: AsyncConnection, run_id: str, times: int) -> None:
    """A person was reminded of this run so often by now (S19)."""
    await tx.execute(update(runs).where(runs.c.id == run_id).values(reminders=times))


async def _had_alerts(tx: AsyncConnection, incident_id: str) -> bool:
    """Also when they have moved to the incident of their target since: their decisions stay behind."""
    query = select(
        or_(
            exists().where(episodes.c.incident_id == incident_id),
            exists().where(decisions.c.incident_id == incident_id),
            exists().where(runs.c.incident_id == incident_id),
        )
    )
    return bool(await tx.scalar(query))


async def _answers(tx: AsyncConnection, incident_id: str) -> tuple[AnswerFacts, ...]:
    rows = await tx.execute(_ANSWERS, {"incident": incident_id})
    return tuple(
        AnswerFacts(row.playbook, row.verdict, row.kind, Severity(row.severity), row.since, bool(row.beside_wait))
        for row in rows
    )


async def _runs(tx: AsyncConnection, incident: IncidentRow) -> tuple[RunFacts, ...]:
    opened_at = await tx.scalar(_REOPENED_AT, {"incident": incident.id}) or incident.opened_at
    rows = await tx.execute(_RUNS, {"incident": incident.id, "since": opened_at})
    return tuple(
        RunFacts(
            id=row.id,
            playbook=row.playbook,
            state=row.state,
            outcome=row.outcome,
            since=_since(row),
            asks_approval=row.state == "approval" and row.answer is None,
            withdrawn=row.answer == "withdrawn" and row.cancel_at is None,  # a person's cancel is an ending like others
        )
        for row in rows
        if not _only_reverses(row)
    )


def _only_reverses(row: Any) -> bool:
    """A reverse that waits or has ended (S39) says nothing of the problem: it neither holds its incident open nor closes it."""
    return row.cursor.get("reverses") is not None and row.state in (SCHEDULED, "ended")


def _since(row: Any) -> datetime:
    if row.ended_at is not None:
        return cast(datetime, row.ended_at)
    if row.cursor.get("phase") in _PARKED:
        return datetime.fromisoformat(row.cursor["since"])
    return cast(datetime, row.created_at)


async def _told(tx: AsyncConnection, incident_id: str) -> tuple[Told, ...]:
    rows = await tx.execute(_TOLD, {"incident": incident_id})
    return tuple(Told(row.dedup_key, cast(Literal["trigger", "resolve"], row.action), row.cause) for row in rows)
