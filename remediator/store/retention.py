"""What is over for long enough goes, a few rows a transaction; of an incident its row and a summary stay (engine.md 11).

Kept whatever their age: open incidents and episodes and all that belongs to them, runs in hand and what they will put back, unsent
messages, what limits still count. Each transaction asks that again, so an incident that comes to life meanwhile keeps what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.ids import first_id_at
from remediator.store.columns import Instant, word
from remediator.store.schema import (
    approvals,
    dead_letters,
    decisions,
    deliveries,
    episodes,
    incidents,
    journal,
    ledger,
    outbox,
    runs,
    timeline,
)
from remediator.store.sqlite_connection import MANY_ROWS

_NAMES = 10
_RUNS = 50
_FEW = 10


@dataclass(frozen=True, slots=True)
class Over:
    """An incident that ended long ago and is not folded yet."""

    incident_id: str
    closed_at: datetime


async def over(connection: AsyncConnection, *, before: datetime, after: Over | None, limit: int) -> list[Over]:
    """Incidents that closed before this time, the oldest first, behind ``after``."""
    query = select(incidents.c.id, incidents.c.closed_at).where(
        and_(incidents.c.closed_at.is_not(None), incidents.c.folded_at.is_(None), incidents.c.closed_at < before)
    )
    if after is not None:
        place = tuple_(incidents.c.closed_at, incidents.c.id)
        query = query.where(place > tuple_(literal(after.closed_at, Instant), after.incident_id))
    rows = await connection.execute(query.order_by(incidents.c.closed_at, incidents.c.id).limit(limit))
    return [Over(row.id, row.closed_at) for row in rows]


async def fold(tx: AsyncConnection, incident_id: str, *, before: datetime, now: datetime, limit: int) -> int:
    """Write the incident's summary, then remove up to ``limit`` rows of its details. Returns how many are gone.

    Call it until it returns 0: then all that may go is gone. Safe to repeat.
    """
    if not await _may_go(tx, incident_id, before):
        return 0
    if await tx.scalar(select(incidents.c.summary).where(incidents.c.id == incident_id)) is None:
        kept = await _summary(tx, incident_id)
        await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(summary=kept))
    gone = 0
    for table, where in _details(incident_id):
        gone += await _remove(tx, table, where, limit - gone)
        if gone >= limit:
            return gone
    left = select(or_(_of(episodes, incident_id), _of(decisions, incident_id)))
    if not gone and not await tx.scalar(left):
        await tx.execute(update(incidents).where(incidents.c.id == incident_id).values(folded_at=now))
    return gone


async def _may_go(tx: AsyncConnection, incident_id: str, before: datetime) -> bool:
    """Is it over, and everything that has to do with it? All of it goes or nothing: a run that is gone while its alert is open would
    be made again under the same id."""
    still_closed = and_(incidents.c.id == incident_id, incidents.c.state == "closed", incidents.c.closed_at < before)
    if not await tx.scalar(select(exists().where(still_closed))):
        return False
    own_runs = select(runs.c.id).where(runs.c.incident_id == incident_id)
    own_alerts = select(episodes.c.id).where(episodes.c.incident_id == incident_id)
    not_over = or_(episodes.c.state != word("closed"), episodes.c.closed_at >= before)
    kept = (
        and_(episodes.c.incident_id == incident_id, not_over),
        and_(decisions.c.incident_id == incident_id, episodes.c.id == decisions.c.episode_id, not_over),
        and_(runs.c.incident_id == incident_id, episodes.c.id == runs.c.episode_id, not_over),
        and_(runs.c.incident_id == incident_id, or_(runs.c.ended_at.is_(None), runs.c.ended_at >= before)),
        and_(ledger.c.run_id.in_(own_runs), or_(ledger.c.counted_at >= before, ledger.c.changed_at >= before)),
        and_(outbox.c.incident_id == incident_id, outbox.c.state == word("waiting")),
        and_(
            decisions.c.episode_id.in_(own_alerts),
            incidents.c.id == decisions.c.incident_id,
            incidents.c.state == "open",
        ),
    )
    for rows in kept:
        if await tx.scalar(select(exists().where(rows))):
            return False
    # A reverse that has not ended reads the journal of the run that made the change, and may stand under another incident.
    waiting = await tx.execute(select(runs.c.cursor).where(runs.c.state.in_(_IN_HAND)))
    put_back = [of for cursor in waiting.scalars() if (of := cursor.get("reverses")) is not None]
    own = select(exists().where(and_(runs.c.incident_id == incident_id, runs.c.id.in_(put_back))))
    return not (put_back and await tx.scalar(own))


_IN_HAND = ("scheduled", "ready", "running", "waiting", "needs_person")


def _of(table: Table, incident_id: str) -> ColumnElement[bool]:
    return exists().where(table.c.incident_id == incident_id)


def _details(incident_id: str) -> Sequence[tuple[Table, ColumnElement[bool]]]:
    """What goes, in the order of its references. An alert that a run of another incident was made for goes with the last of them.

    One condition each: of two joined by "or" PostgreSQL makes a walk through the whole table.
    """
    own_runs = select(runs.c.id).where(runs.c.incident_id == incident_id)
    own_alerts = select(episodes.c.id).where(episodes.c.incident_id == incident_id)
    referred = or_(
        exists().where(decisions.c.episode_id == episodes.c.id), exists().where(runs.c.episode_id == episodes.c.id)
    )
    return (
        (approvals, approvals.c.run_id.in_(own_runs)),
        (ledger, ledger.c.run_id.in_(own_runs)),
        (journal, journal.c.run_id.in_(own_runs)),
        (timeline, timeline.c.incident_id == incident_id),
        (timeline, timeline.c.run_id.in_(own_runs)),
        (outbox, outbox.c.incident_id == incident_id),
        (dead_letters, dead_letters.c.incident_id == incident_id),
        (decisions, decisions.c.incident_id == incident_id),
        (decisions, decisions.c.episode_id.in_(own_alerts)),
        (runs, runs.c.incident_id == incident_id),
        (episodes, and_(episodes.c.incident_id == incident_id, ~referred)),
    )


async def _summary(tx: AsyncConnection, incident_id: str) -> dict[str, Any]:
    """What a person asks a year later, beside the incident's own row: which alerts, what was done, how it ended, was anybody told."""
    of_it = episodes.c.incident_id == incident_id
    alerts = await tx.scalar(select(func.count()).select_from(episodes).where(of_it))
    names = select(episodes.c.alertname).where(of_it).distinct().order_by(episodes.c.alertname).limit(_NAMES)
    first = await tx.scalar(select(func.min(episodes.c.starts_at)).where(of_it))
    last = await tx.scalar(select(func.max(episodes.c.closed_at)).where(of_it))
    told = and_(outbox.c.incident_id == incident_id, outbox.c.action == "trigger", outbox.c.state == "sent")
    pages = await tx.scalar(select(func.count()).select_from(outbox).where(told))
    paged_at = await tx.scalar(select(func.min(outbox.c.settled_at)).where(told))
    listed = (
        await tx.execute(
            select(runs.c.id, runs.c.playbook, runs.c.target, runs.c.outcome, runs.c.reason)
            .add_columns(runs.c.created_at, runs.c.changed_at, runs.c.ended_at)
            .where(runs.c.incident_id == incident_id)
            .order_by(runs.c.created_at.desc(), runs.c.id)
            .limit(_RUNS)
        )
    ).all()
    return {
        "alerts": alerts,
        "alertnames": list((await tx.execute(names)).scalars()),
        "first_alert_at": _written(first),
        "last_closed_at": _written(last),
        "pages": pages,
        "paged_at": _written(paged_at),
        "runs": [
            {name: _written(value) if name.endswith("_at") else value for name, value in row._mapping.items()}
            for row in reversed(listed)
        ],
    }


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


async def remove_loose(tx: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Remove up to ``limit`` rows of what belongs to no incident: resolves of something unknown, messages about ourselves.

    Returns how many are gone; call it until it returns 0.
    """
    referred = or_(
        exists().where(decisions.c.episode_id == episodes.c.id), exists().where(runs.c.episode_id == episodes.c.id)
    )
    never_decided = and_(episodes.c.incident_id.is_(None), episodes.c.state == "closed", ~referred)
    ours = and_(outbox.c.incident_id.is_(None), outbox.c.state != word("waiting"), outbox.c.settled_at < before)
    gone = await _remove(
        tx, episodes, and_(never_decided, episodes.c.closed_at < before, episodes.c.last_received_at < before), limit
    )
    return gone + await _remove(tx, outbox, ours, limit - gone)


async def remove_deliveries(tx: AsyncConnection, *, before: datetime, after: str, limit: int) -> tuple[int, str | None]:
    """Look at ``limit`` bodies of webhooks behind the id ``after``, and remove those that no alert points at and that owe nothing.

    Returns how many are gone, and the id to go on behind; None: there are no more that are old enough.
    """
    old = and_(deliveries.c.id > after, deliveries.c.id < first_id_at("dlv", before))
    looked_at: Select[Any] = select(deliveries.c.id).where(old).order_by(deliveries.c.id).limit(limit)
    ids = list((await tx.execute(looked_at)).scalars())
    if not ids:
        return 0, None
    pointed_at = exists().where(episodes.c.delivery_id == deliveries.c.id)
    owed = and_(deliveries.c.truncated != 0, deliveries.c.fetched_at.is_(None))
    free = and_(deliveries.c.id.in_(ids), deliveries.c.received_at < before, ~owed, ~pointed_at)
    return (await tx.execute(delete(deliveries).prefix_with(MANY_ROWS).where(free))).rowcount, ids[-1]


async def _remove(tx: AsyncConnection, table: Table, where: ColumnElement[bool], limit: int) -> int:
    if limit <= 0:
        return 0
    [key] = table.primary_key.columns
    some = list((await tx.execute(select(key).where(where).limit(limit))).scalars())
    if not some:
        return 0
    these = delete(table).where(key.in_(some))
    return (await tx.execute(these.prefix_with(MANY_ROWS) if len(some) > _FEW else these)).rowcount
