"""What intake writes: episodes, the deliveries that changed them, dead letters, and what is owed after a body that was too large."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.alerts.episode import State, Timeline
from remediator.alerts.payload import Alert, Rejected
from remediator.alerts.severity import Severity
from remediator.ids import new_id
from remediator.store.columns import plain_text
from remediator.store.dialect import insert as upsert
from remediator.store.fold import Arrival, Episode, Fold, Key, Rows, Taken, dead_letter
from remediator.store.schema import dead_letters, deliveries, episodes, incidents, meta

SIZE_LIMIT = -1
"""``deliveries.truncated`` of a body that was over the size limit and not read: everything in it is owed (S3)."""

_WORTH_COMPRESSING = 4 * 1024


def pack(body: bytes) -> bytes:
    """A body as the column keeps it. A small one is only framed: compressing it costs more than the rest of its storing."""
    return zlib.compress(body, 1 if len(body) >= _WORTH_COMPRESSING else 0)


async def take_in(
    connection: AsyncConnection, arrivals: Sequence[Arrival], severity_of: Callable[[Mapping[str, str]], Severity]
) -> list[Taken]:
    """Fold these arrivals into the store, in order; the answers are in the same order. Safe to repeat after a rollback."""
    fold = Fold(await _latest(connection, arrivals), severity_of)
    taken = [fold.arrival(arrival) for arrival in arrivals]
    await _write(connection, fold.rows())
    return taken


async def owe(connection: AsyncConnection, source: str, now: datetime, receiver: str, error: str) -> None:
    """Remember that a body was too large to read: a dead letter for people, and a debt for the reconciler (one a source is enough)."""
    await connection.execute(insert(dead_letters), [dead_letter(source, now, Rejected(b"", error))])
    standing = (
        select(deliveries.c.id)
        .where(deliveries.c.truncated == SIZE_LIMIT, deliveries.c.fetched_at.is_(None))
        .where(deliveries.c.source == source, deliveries.c.receiver == receiver)
    )
    if (await connection.execute(standing.limit(1))).first() is None:
        row = {
            "id": new_id("dlv"),
            "source": source,
            "received_at": now,
            "receiver": plain_text(receiver),
            "group_key": "",
            "truncated": SIZE_LIMIT,
            "alerts": 0,
            "body": pack(b""),
        }
        await connection.execute(insert(deliveries), [row])


async def touch(connection: AsyncConnection, now: datetime) -> None:
    """Write something small, to see whether the store takes writes."""
    row = {"key": "intake_checked_at", "value": now.isoformat()}
    await connection.execute(
        upsert(meta).values(row).on_conflict_do_update(index_elements=["key"], set_={"value": row["value"]})
    )


_READ = (
    episodes.c.id,
    episodes.c.fingerprint,
    episodes.c.state,
    episodes.c.starts_at,
    episodes.c.last_starts_at,
    episodes.c.ended_at,
    episodes.c.flaps,
    episodes.c.repeats,
    episodes.c.closed_at,
    episodes.c.last_received_at,
    episodes.c.confirmed_at,
    episodes.c.incident_id,
    episodes.c.decide_again_at,
)
_LATEST = (
    select(*_READ)
    .where(episodes.c.latest, episodes.c.source == bindparam("of_source"))
    .where(episodes.c.fingerprint.in_(bindparam("fingerprints", expanding=True)))
)

_OF_ROW = update(episodes).where(episodes.c.id == bindparam("row_id"))
_LOOK = (
    update(incidents)
    .where(incidents.c.id == bindparam("row_id"))
    .where(or_(incidents.c.look_again_at.is_(None), incidents.c.look_again_at > bindparam("now")))
    .values(look_again_at=bindparam("now"))
)


async def _latest(connection: AsyncConnection, arrivals: Sequence[Arrival]) -> dict[Key, Episode]:
    wanted: dict[str, set[str]] = {}
    for arrival in arrivals:
        keys = wanted.setdefault(arrival.source, set())
        keys.update(alert.fingerprint for alert in arrival.alerts if isinstance(alert, Alert))
    found: dict[Key, Episode] = {}
    for source in sorted(wanted):
        if not wanted[source]:
            continue
        rows = await connection.execute(_LATEST, {"of_source": source, "fingerprints": sorted(wanted[source])})
        for row in rows:
            timeline = Timeline(
                State(row.state), row.starts_at, row.last_starts_at, row.ended_at, row.flaps, row.repeats
            )
            found[source, row.fingerprint] = Episode(
                id=row.id,
                timeline=timeline,
                last_received_at=row.last_received_at,
                closed_at=row.closed_at,
                confirmed_at=row.confirmed_at,
                incident_id=row.incident_id,
                decide_again_at=row.decide_again_at,
            )
    return found


async def _write(connection: AsyncConnection, rows: Rows) -> None:
    """Deliveries first (episodes point at them); rows that give up ``latest`` before the ones that take it."""
    for statement, given in (
        (insert(deliveries), rows.deliveries),
        (_OF_ROW, rows.changes),
        (_OF_ROW, rows.repeats),
        (_OF_ROW, rows.points),
        (insert(episodes), rows.new),
        (insert(dead_letters), rows.dead_letters),
        (_LOOK, rows.looks),
    ):
        if given:
            await connection.execute(statement, given)
