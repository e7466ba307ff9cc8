"""Incidents: one problem with one target, or of one cause while no target is known (S31), and everything that is told about it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.alerts.severity import Severity
from remediator.durations import format_duration
from remediator.ids import id_after, new_id
from remediator.store import approvals, journal, runs
from remediator.store.columns import plain_text, word
from remediator.store.episodes import COLUMNS as EPISODE_COLUMNS
from remediator.store.episodes import EpisodeRow
from remediator.store.journal import StepRow
from remediator.store.runs import RunRow
from remediator.store.schema import decisions, episodes, incidents, outbox, timeline
from remediator.store.schema import runs as run_rows

OPENED = "incident_opened"
REOPENED = "incident_reopened"

_LONGEST_KEY = 512
"""A groupKey has no limit of its own and the key is indexed: longer ones are cut and hashed."""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident; columns as in ``schema.incidents``."""

    id: str
    key: str
    target: str | None
    mode: str
    title: str
    severity: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    verified_at: datetime | None
    recurrences: int
    look_again_at: datetime | None
    summary: Mapping[str, Any] | None
    """What is left of its details once they were removed (``retention``)."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From a row selected with ``COLUMNS``."""
        return cls(**row._mapping)


COLUMNS = tuple(incidents.c[name] for name in IncidentRow.__slots__)
_ONE = select(*COLUMNS).where(incidents.c.id == bindparam("incident"))
_OF_KEY = (
    select(*COLUMNS)
    .where(incidents.c.key == bindparam("key"))
    .order_by(incidents.c.state.desc(), incidents.c.closed_at.desc())  # "open" sorts after "closed"
    .limit(1)
)
_DUE = (
    select(incidents.c.id)
    .where(and_(incidents.c.look_again_at <= bindparam("now"), incidents.c.mode == bindparam("mode")))
    .order_by(incidents.c.look_again_at)
    .limit(bindparam("most"))
)
_NEXT_DUE = (
    select(incidents.c.look_again_at)
    .where(and_(incidents.c.look_again_at.is_not(None), incidents.c.mode == bindparam("mode")))
    .order_by(incidents.c.look_again_at)
    .limit(1)
)
_LAST_EVENT = select(func.max(timeline.c.id)).where(timeline.c.incident_id == bindparam("incident"))
_ADD_EVENT = insert(timeline)


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of an incident, for people and for pages."""

    incident: IncidentRow
    alerts: int
    """How many there are; ``episodes`` shows the first ones."""
    firing: int
    episodes: Sequence[EpisodeRow]
    """Firing ones first, then by their first delivery."""
    decisions: Sequence[Mapping[str, Any]]
    """Standing answers of the alerts shown; columns as in ``schema.decisions``."""
    runs: Sequence[RunRow]
    """Oldest first."""
    steps: Mapping[str, Sequence[StepRow]]
    """By run."""
    approvals: Mapping[str, Mapping[str, Any]]
    """By run; columns as in ``schema.approvals``."""
    timeline: Sequence[Mapping[str, Any]]
    """Oldest first; the newest ones when there are too many."""
    outbox: Sequence[Mapping[str, Any]]
    """Messages in the order in which they are sent; columns as in ``schema.outbox``."""


def incident_key(mode: str, *, target: str | None = None, source: str = "", group_key: str = "") -> str:
    """Of the target, or of the cause (source and groupKey) while no target is known (S31)."""
    key = plain_text(f"{mode}|{target}" if target is not None else f"{mode}|{source}|{group_key}")
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 65]}|{hashlib.sha256(key.encode()).hexdigest()}"


def dead_letter_key(mode: str, source: str, at: datetime) -> str:
    """One incident a source and hour (S3, S31)."""
    return f"{mode}|{source}|dead-letter|{at:%Y-%m-%dT%HZ}"


async def join(
    tx: AsyncConnection,
    *,
    key: str,
    target: str | None,
    mode: str,
    severity: str,
    title: str,
    at: datetime,
    now: datetime,
    reopen_within: timedelta,
) -> str:
    """The open incident of this key, or its newest one closed within ``reopen_within``, reopened (S35), or a new one.

    ``at`` is when the alert first came: ``opened_at`` is the earliest of them, also for a reopened incident, so that an alert
    that comes back is not given ``page_after`` anew. The highest severity stays. Escalation looks at it next.
    """
    standing = (await tx.execute(_OF_KEY, {"key": key})).first()
    found = None if standing is None else IncidentRow.of(standing)
    if found is None or (found.closed_at is not None and found.closed_at < now - reopen_within):
        incident_id = new_id("inc")
        await tx.execute(
            insert(incidents).values(
                id=incident_id,
                key=key,
                target=target,
                mode=mode,
                title=plain_text(title),
                severity=severity,
                state="open",
                opened_at=at,
                recurrences=0,
                look_again_at=now,
            )
        )
        await add_event(tx, incident_id, None, now, OPENED, f"Opened: {title}", {"severity": severity})
        return incident_id
    values: dict[str, Any] = {
        "severity": higher(found.severity, severity),
        "opened_at": min(found.opened_at, at),
        "look_again_at": now,
    }
    if found.state == "closed":
        values |= {"state": "open", "closed_at": None, "verified_at": None, "recurrences": found.recurrences + 1}
    await tx.execute(update(incidents).where(incidents.c.id == found.id).values(**values))
    if found.state == "closed":
        away = timedelta(seconds=(now - (found.closed_at or now)) // timedelta(seconds=1))
        told = f"Came back after {format_duration(away)}: reopened"
        await add_event(tx, found.id, None, now, REOPENED, told, {"recurrences": found.recurrences + 1})
    return found.id


async def is_known(connection: AsyncConnection, key: str) -> bool:
    """Has there ever been an incident of this key?"""
    return await connection.scalar(select(incidents.c.id).where(incidents.c.key == key).limit(1)) is not None


async def take_up(tx: AsyncConnection, incident_id: str, run_id: str, *, why: str, now: datetime) -> str:
    """An open incident under which people can be asked about a run: its own, opened again when it is over, or the one that is
    open for the same problem by now, to which the run moves. Returns its id; escalation looks at it next."""
    own = await incident(tx, incident_id)
    if own is None or own.state == "open":
        return incident_id
    other = await tx.scalar(select(incidents.c.id).where(and_(incidents.c.key == own.key, incidents.c.state == "open")))
    if other is not None:
        await tx.execute(update(run_rows).where(run_rows.c.id == run_id).values(incident_id=other))
        await wake(tx, other, now)
        return str(other)
    again = {"state": "open", "closed_at": None, "verified_at": None, "recurrences": own.recurrences + 1}
    await tx.execute(update(incidents).where(incidents.c.id == own.id).values(**again, look_again_at=now))
    await add_event(tx, own.id, run_id, now, REOPENED, f"Reopened: {why}", None)
    return own.id


def higher(one: str, other: str) -> str:
    """The severity that comes first; known before unknown."""

    def order(name: str) -> tuple[int, bool]:
        severity = Severity(name)
        return severity.rank, severity is Severity.UNKNOWN

    return min(one, other, key=order)


async def incident(connection: AsyncConnection, incident_id: str) -> IncidentRow | None:
    """One incident, or None."""
    row = (await connection.execute(_ONE, {"incident": incident_id})).first()
    return None if row is None else IncidentRow.of(row)


async def listing(
    connection: AsyncConnection, *, states: Sequence[str] = (), target: str | None = None, limit: int = 100
) -> list[IncidentRow]:
    """Incidents for people, newest first."""
    query = select(*COLUMNS).order_by(incidents.c.opened_at.desc(), incidents.c.id.desc()).limit(limit)
    if states:
        is_one = [incidents.c.state == (word(state) if state == "open" else state) for state in states]
        query = query.where(or_(*is_one))
    if target is not None:
        query = query.where(incidents.c.target == target)
    return [IncidentRow.of(row) for row in await connection.execute(query)]


async def due(connection: AsyncConnection, now: datetime, limit: int, *, mode: str) -> list[str]:
    """Incidents that escalation must judge now, the longest overdue first."""
    asked = {"now": now, "mode": mode, "most": limit}
    return list((await connection.execute(_DUE, asked)).scalars())


async def next_due_at(connection: AsyncConnection, *, mode: str) -> datetime | None:
    """The earliest time at which one must be judged."""
    found: datetime | None = await connection.scalar(_NEXT_DUE, {"mode": mode})
    return found


async def settle(
    tx: AsyncConnection, incident_id: str, *, look_again_at: datetime | None, verified_at: datetime | None
) -> None:
    """Record what a judgement made of an open incident."""
    await tx.execute(
        update(incidents)
        .where(incidents.c.id == incident_id)
        .values(look_again_at=look_again_at, verified_at=verified_at)
    )


async def postpone(tx: AsyncConnection, incident_id: str, until: datetime) -> None:
    """Look at it again later; for an incident whose judging failed."""
    await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(look_again_at=until))


async def close(tx: AsyncConnection, incident_id: str, *, now: datetime, why: str) -> None:
    """It is over (S35)."""
    await tx.execute(
        update(incidents).where(incidents.c.id == incident_id).values(state="closed", closed_at=now, look_again_at=None)
    )
    await add_event(tx, incident_id, None, now, "incident_closed", f"Closed: {why}", None)


async def wake(tx: AsyncConnection, incident_id: str, now: datetime) -> None:
    """Let escalation look at it; for those who change something outside of decider and runner."""
    await tx.execute(
        update(incidents)
        .where(and_(incidents.c.id == incident_id, incidents.c.state == "open"))
        .values(look_again_at=now)
    )


async def add_event(
    tx: AsyncConnection,
    incident_id: str,
    run_id: str | None,
    at: datetime,
    event: str,
    text: str,
    detail: Mapping[str, Any] | None,
) -> None:
    """One sentence of the incident's story. Its id sorts after those before it, also within one millisecond."""
    former = await tx.scalar(_LAST_EVENT, {"incident": incident_id})
    await tx.execute(
        _ADD_EVENT,
        {
            "id": id_after("evt", former),
            "incident_id": incident_id,
            "run_id": run_id,
            "at": at,
            "event": event,
            "text": plain_text(text),
            "detail": None if detail is None else dict(detail),
        },
    )


async def story(connection: AsyncConnection, incident_id: str, *, alerts: int = 100, events: int = 500) -> Story | None:
    """Everything about an incident that a page, the API or the command line shows; None when there is no such incident."""
    found = await incident(connection, incident_id)
    if found is None:
        return None
    of_it = episodes.c.incident_id == incident_id
    total = await connection.scalar(select(func.count()).select_from(episodes).where(of_it)) or 0
    still = and_(of_it, episodes.c.state != "closed")
    firing = await connection.scalar(select(func.count()).select_from(episodes).where(still)) or 0
    shown = [
        EpisodeRow.of(row)
        for row in await connection.execute(
            select(*EPISODE_COLUMNS)
            .where(of_it)
            .order_by(episodes.c.state == "closed", episodes.c.rank, episodes.c.first_received_at)
            .limit(alerts)
        )
    ]
    answers = await connection.execute(
        select(decisions)
        .where(and_(decisions.c.current, decisions.c.episode_id.in_([episode.id for episode in shown])))
        .order_by(decisions.c.decided_at, decisions.c.id)
    )
    listed = sorted(await runs.listing(connection, incident_id=incident_id), key=lambda run: (run.created_at, run.id))
    asked = {run.id: await approvals.get(connection, run.id) for run in listed}
    newest = await connection.execute(
        select(timeline).where(timeline.c.incident_id == incident_id).order_by(timeline.c.id.desc()).limit(events)
    )
    messages = await connection.execute(select(outbox).where(outbox.c.incident_id == incident_id).order_by(outbox.c.id))
    return Story(
        incident=found,
        alerts=total,
        firing=firing,
        episodes=shown,
        decisions=[dict(row._mapping) for row in answers],
        runs=listed,
        steps={run.id: await journal.of_run(connection, run.id) for run in listed},
        approvals={run_id: request for run_id, request in asked.items() if request is not None},
        timeline=[dict(row._mapping) for row in newest][::-1],
        outbox=[dict(row._mapping) for row in messages],
    )
