"""What a step of the clock moves (S28): every instant with which something that is under way is still compared.

So all that was waited for, and all that is measured, goes on as if no step had been: a hold, a time to live, a cooldown, a lease.
What is over stays as it was written: it is a record. Instants of others (``starts_at`` and ``ended_at`` are Prometheus's) stay too.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, ColumnElement, Table, and_, literal, or_, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.runs.cursor import Cursor
from remediator.store import claims, meta
from remediator.store.columns import Instant, word
from remediator.store.schema import (
    approvals,
    decisions,
    duties,
    episodes,
    incidents,
    journal,
    ledger,
    outbox,
    pauses,
    replicas,
    runs,
)
from remediator.store.sqlite_connection import MANY_ROWS

_REMEMBERED = timedelta(days=30)
"""Changes older than this stay where they are: there may be years of them, and for a limit of months a step of hours is nothing."""

_UNTOLD = 20
"""Steps that are kept for people; a clock that steps all the time need not be told of each time."""

_UNDER_WAY = runs.c.state != "ended"
_OPEN = episodes.c.state != word("closed")


async def shift(tx: AsyncConnection, step: timedelta, *, now: datetime) -> None:
    """Move it all by ``step``. ``now`` is the time before the step. Not safe to repeat: commit it with what says that it was done."""
    within = select(incidents.c.id).where(incidents.c.state == "open")
    their_steps = select(runs.c.id).where(_UNDER_WAY)
    since = now - _REMEMBERED
    moves: tuple[tuple[Table, ColumnElement[bool], tuple[Column[datetime], ...]], ...] = (
        (
            runs,
            _UNDER_WAY,
            (runs.c.wake_at, runs.c.lease_until, runs.c.created_at, runs.c.cancel_at, runs.c.deadline_at),
        ),
        (journal, journal.c.run_id.in_(their_steps), (journal.c.begun_at,)),
        (ledger, ledger.c.counted_at > since, (ledger.c.reserved_at, ledger.c.changed_at, ledger.c.counted_at)),
        (
            episodes,
            or_(_OPEN, episodes.c.incident_id.in_(within), episodes.c.decide_again_at.is_not(None)),
            (
                *(episodes.c.first_received_at, episodes.c.last_received_at, episodes.c.confirmed_at),
                *(episodes.c.closed_at, episodes.c.decide_again_at),
            ),
        ),
        (decisions, decisions.c.current, (decisions.c.decide_again_at,)),
        (
            incidents,
            incidents.c.state == "open",
            (incidents.c.opened_at, incidents.c.verified_at, incidents.c.look_again_at),
        ),
        (approvals, approvals.c.answer.is_(None), (approvals.c.requested_at, approvals.c.expires_at)),
        (outbox, outbox.c.state == word("waiting"), (outbox.c.created_at, outbox.c.next_at)),
        (pauses, pauses.c.ended_at.is_(None), (pauses.c.remind_at,)),
        (duties, duties.c.owner.is_not(None), (duties.c.lease_until,)),
        (replicas, replicas.c.lease_until > since, (replicas.c.seen_at, replicas.c.lease_until)),
    )
    for table, which, columns in moves:
        moved = {column: _moved(column, step) for column in columns}
        await tx.execute(update(table).prefix_with(MANY_ROWS).where(which).values(moved))
    await _first_begun(tx, step)
    await _cursors(tx, step)
    if (hold_until := await meta.get_instant(tx, meta.HOLD_UNTIL)) is not None:
        await meta.put_instant(tx, meta.HOLD_UNTIL, hold_until + step)


async def end_claims(tx: AsyncConnection, *, now: datetime, wait: timedelta) -> None:
    """What is in hand was begun by the old time, and whoever drives it remembers that time. Its claims end; it is taken up after
    ``wait``, when no permit of theirs is left, and looked at before anything else. ``now`` is the time after the step."""
    held = await claims.recover(tx, now=now)
    later = and_(runs.c.id.in_(held), runs.c.wake_at < now + wait)
    await tx.execute(update(runs).prefix_with(MANY_ROWS).where(later).values(wake_at=now + wait))


async def count(connection: AsyncConnection) -> int:
    """By how many steps this store was moved: who finds it raised need not move it again."""
    return of(await meta.get(connection, meta.CLOCK))


def of(value: Any) -> int:
    """The same out of what stands in ``meta.CLOCK``."""
    return 0 if value is None else int(value["steps"])


async def remember(tx: AsyncConnection, step: timedelta, *, at: datetime) -> int:
    """One more step, of which people are to be told. Returns ``count``. ``at`` is the time after it."""
    known = await _known(tx)
    untold = [*known["untold"], {"at": at.isoformat(), "step_s": step.total_seconds()}]
    await meta.put(tx, meta.CLOCK, {"steps": known["steps"] + 1, "untold": untold[-_UNTOLD:]})
    return of(known) + 1


async def untold(connection: AsyncConnection) -> list[tuple[datetime, timedelta]]:
    """Steps of which nobody has been told, with when they were."""
    known = await _known(connection)
    return [(datetime.fromisoformat(one["at"]), timedelta(seconds=one["step_s"])) for one in known["untold"]]


async def told(tx: AsyncConnection) -> None:
    """People know of all of them."""
    await meta.put(tx, meta.CLOCK, await _known(tx) | {"untold": []})


async def _known(connection: AsyncConnection) -> dict[str, Any]:
    return await meta.get(connection, meta.CLOCK) or {"steps": 0, "untold": []}


async def look_at_all(tx: AsyncConnection, now: datetime) -> None:
    """Decide every open episode and judge every open incident again: some may have been written by the old time while it ended."""
    await tx.execute(update(episodes).prefix_with(MANY_ROWS).where(_OPEN).values(decide_again_at=now))
    is_open = incidents.c.state == "open"
    await tx.execute(update(incidents).prefix_with(MANY_ROWS).where(is_open).values(look_again_at=now))


def _moved(column: Column[datetime], step: timedelta) -> ColumnElement[datetime]:
    return type_coerce(
        type_coerce(column, BigInteger) + literal(step // timedelta(microseconds=1), BigInteger), Instant
    )


async def _first_begun(tx: AsyncConnection, step: timedelta) -> None:
    """``landed`` compares it with the clocks of others, and nobody knows which clock was right. The earlier of the two stands: it can
    take one change too many for ours, which is looked at, but never overlook one, which would be made again."""
    if step < timedelta(0):
        of_these = journal.c.run_id.in_(select(runs.c.id).where(_UNDER_WAY))
        earlier = {journal.c.first_begun_at: _moved(journal.c.first_begun_at, step)}
        await tx.execute(update(journal).prefix_with(MANY_ROWS).where(of_these).values(earlier))


async def _cursors(tx: AsyncConnection, step: timedelta) -> None:
    rows = (await tx.execute(select(runs.c.id, runs.c.cursor).where(_UNDER_WAY))).all()
    for row in rows:
        moved = Cursor.from_json(row.cursor).moved(step).to_json()
        await tx.execute(update(runs).where(runs.c.id == row.id).values(cursor=moved))
