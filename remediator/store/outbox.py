"""The outbox: messages for people, written in the transaction that caused them, sent in order of their ids per dedup key."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Row, and_, bindparam, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.ids import id_after
from remediator.store.columns import word
from remediator.store.dialect import insert
from remediator.store.schema import incidents, outbox


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message; columns as in ``schema.outbox``."""

    id: str
    incident_id: str | None
    mode: str
    channel: str
    action: str
    dedup_key: str
    cause: str
    message: Mapping[str, Any]
    state: str
    created_at: datetime
    next_at: datetime | None
    attempts: int
    error: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From a row selected with ``COLUMNS``."""
        return cls(**row._mapping)


COLUMNS = tuple(outbox.c[name] for name in MessageRow.__slots__)


async def add(
    tx: AsyncConnection,
    *,
    incident_id: str | None,
    mode: str,
    channel: str,
    action: str,
    dedup_key: str,
    cause: str,
    message: Mapping[str, Any],
    now: datetime,
) -> bool:
    """Write a message; one per key, action and cause, so that a repeat writes nothing. Returns whether it was written.

    Messages of another mode than live are kept as ``withheld`` (S30).
    """
    live = mode == "live"
    former = await tx.scalar(select(func.max(outbox.c.id)).where(outbox.c.dedup_key == dedup_key))
    written = await tx.execute(
        insert(outbox)
        .values(
            id=id_after("msg", former),
            incident_id=incident_id,
            mode=mode,
            channel=channel,
            action=action,
            dedup_key=dedup_key,
            cause=cause,
            message=dict(message),
            state="waiting" if live else "withheld",
            created_at=now,
            next_at=now if live else None,
            settled_at=None if live else now,
            attempts=0,
        )
        .on_conflict_do_nothing(index_elements=["dedup_key", "action", "cause"])
    )
    return written.rowcount == 1


def _earlier_waits() -> Any:
    earlier = outbox.alias()
    return exists().where(
        and_(earlier.c.dedup_key == outbox.c.dedup_key, earlier.c.state == word("waiting"), earlier.c.id < outbox.c.id)
    )


_UNSENT = outbox.c.state.in_((word("waiting"), word("refused")))
_WAITING = and_(outbox.c.state == word("waiting"), outbox.c.mode == "live")
_DUE = (
    select(*COLUMNS)
    .where(and_(_WAITING, outbox.c.next_at <= bindparam("now"), ~_earlier_waits()))
    .order_by(outbox.c.action.desc(), outbox.c.id)
    .limit(bindparam("most"))
)
_NEXT_DUE = select(func.min(outbox.c.next_at)).select_from(outbox).where(and_(_WAITING, ~_earlier_waits()))
_COUNT_UNSENT = select(outbox.c.state, func.count()).where(_UNSENT).group_by(outbox.c.state)
_OLDEST = select(func.min(outbox.c.created_at)).where(_WAITING)


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[MessageRow]:
    """Live messages to send now: of each key only the oldest unsent one, so that a resolve never overtakes its trigger.

    Triggers before resolves: under a rate cap people are told first what is wrong.
    """
    return [MessageRow.of(row) for row in await connection.execute(_DUE, {"now": now, "most": limit})]


async def next_due_at(connection: AsyncConnection) -> datetime | None:
    """The earliest time at which a message wants to be sent."""
    found: datetime | None = await connection.scalar(_NEXT_DUE)
    return found


async def settle(tx: AsyncConnection, message_id: str, *, state: str, now: datetime, error: str | None = None) -> None:
    """It was ``sent``, or ``refused`` for good. ``error`` may say what had to be left out."""
    await tx.execute(
        update(outbox)
        .where(outbox.c.id == message_id)
        .values(state=state, settled_at=now, next_at=None, attempts=outbox.c.attempts + 1, error=error)
    )


async def postpone(tx: AsyncConnection, message_id: str, *, next_at: datetime, error: str) -> None:
    """It did not get through; try again at ``next_at``."""
    await tx.execute(
        update(outbox)
        .where(outbox.c.id == message_id)
        .values(next_at=next_at, attempts=outbox.c.attempts + 1, error=error)
    )


async def retry_refused(tx: AsyncConnection, now: datetime) -> int:
    """Give refused triggers of open incidents another chance, unless resolved since: the settings may have been corrected."""
    later = outbox.alias()
    resolved = exists().where(
        and_(later.c.dedup_key == outbox.c.dedup_key, later.c.action == "resolve", later.c.id > outbox.c.id)
    )
    still_open = exists().where(and_(incidents.c.id == outbox.c.incident_id, incidents.c.state == "open"))
    given = await tx.execute(
        update(outbox)
        .where(and_(outbox.c.state == word("refused"), _UNSENT, outbox.c.action == "trigger", ~resolved, still_open))
        .values(state="waiting", next_at=now, settled_at=None)
    )
    return given.rowcount


async def count_unsent(connection: AsyncConnection) -> dict[str, int]:
    """How many messages wait, and how many were refused for good. What was sent is history, and is not counted."""
    rows = await connection.execute(_COUNT_UNSENT)
    return {"waiting": 0, "refused": 0} | {row[0]: row[1] for row in rows}


async def oldest_waiting_at(connection: AsyncConnection) -> datetime | None:
    """When the oldest unsent live message was written."""
    found: datetime | None = await connection.scalar(_OLDEST)
    return found
