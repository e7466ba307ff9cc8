"""Episodes that Alertmanager is asked about (S2, S10), and deliveries of which something is still owed (S3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.alerts.episode import State, Timeline
from remediator.ids import new_id
from remediator.store.columns import plain_text, word
from remediator.store.schema import dead_letters, deliveries, episodes, incidents

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Questioned:
    """An episode, as far as a question about it needs it."""

    id: str
    source: str
    fingerprint: str
    labels: Mapping[str, str]
    timeline: Timeline
    confirmed_at: datetime | None
    last_received_at: datetime
    incident_id: str | None


class StandingRow(NamedTuple):
    """An episode that is not closed, as far as reconciliation needs it. (A tuple: there can be thousands.)"""

    id: str
    doubtful: bool
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Debt:
    """A delivery of which alerts are missing."""

    delivery_id: str
    source: str
    receiver: str
    """Empty when the body was too large to be read and did not begin with it."""
    received_at: datetime
    truncated: int
    """Alerts that ``max_alerts`` cut off, or ``inbox.SIZE_LIMIT``."""


async def questioned(connection: AsyncConnection, episode_id: str) -> Questioned | None:
    """The episode of that id; None when there is none."""
    row = (await connection.execute(select(episodes).where(episodes.c.id == episode_id))).one_or_none()
    if row is None:
        return None
    return Questioned(
        id=row.id,
        source=row.source,
        fingerprint=row.fingerprint,
        labels=row.labels,
        timeline=Timeline(State(row.state), row.starts_at, row.last_starts_at, row.ended_at, row.flaps, row.repeats),
        confirmed_at=row.confirmed_at,
        last_received_at=row.last_received_at,
        incident_id=row.incident_id,
    )


async def settle(
    connection: AsyncConnection, seen: Questioned, judged: Timeline, *, confirmed_at: datetime | None, now: datetime
) -> bool:
    """Store the answer; the decider looks at the episode next.

    False, and nothing is stored, when a delivery came after ``seen`` was read: it may say more than an answer given before it.
    """
    values: dict[str, Any] = {
        "state": judged.state.value,
        "last_starts_at": judged.last_starts_at,
        "closed_at": now if judged.state is State.CLOSED else None,
        "confirmed_at": confirmed_at,
        "decide_again_at": now,
    }
    if not await _unless_moved(connection, seen, values):
        return False
    if seen.incident_id is not None:
        look = update(incidents).where(incidents.c.id == seen.incident_id).values(look_again_at=now)
        await connection.execute(look.where(or_(incidents.c.look_again_at.is_(None), incidents.c.look_again_at > now)))
    return True


async def confirm(connection: AsyncConnection, seen: Questioned, now: datetime) -> bool:
    """Alertmanager showed it firing just now. False when it moved meanwhile."""
    return await _unless_moved(connection, seen, {"confirmed_at": now})


async def standing(connection: AsyncConnection, source: str) -> dict[str, StandingRow]:
    """Every episode of the source that is not closed, by fingerprint."""
    columns = (
        *(episodes.c.fingerprint, episodes.c.id),
        *(episodes.c.state == State.DOUBTFUL.value, episodes.c.confirmed_at.is_not(None)),
    )
    query = select(*columns).where(episodes.c.source == source, episodes.c.state != word("closed"), episodes.c.latest)
    found = await connection.execute(query)
    return {fingerprint: StandingRow(*rest) for fingerprint, *rest in found}


async def confirm_all(connection: AsyncConnection, ids: Sequence[str], now: datetime) -> int:
    """These were just seen firing: those that nothing had confirmed may be acted upon, and are decided again. Returns how many."""
    changed = 0
    for at in range(0, len(ids), _AT_ONCE):
        these = episodes.c.id.in_(ids[at : at + _AT_ONCE])
        unconfirmed = (episodes.c.state == State.OPEN.value, episodes.c.confirmed_at.is_(None))
        statement = update(episodes).where(these, *unconfirmed).values(confirmed_at=now, decide_again_at=now)
        changed += (await connection.execute(statement)).rowcount
    return changed


async def _unless_moved(connection: AsyncConnection, seen: Questioned, values: dict[str, Any]) -> bool:
    statement = (
        update(episodes)
        .where(episodes.c.id == seen.id, episodes.c.state == seen.timeline.state.value)
        .where(episodes.c.latest, episodes.c.last_received_at == seen.last_received_at)
        .values(values)
    )
    return (await connection.execute(statement)).rowcount == 1


async def debts(connection: AsyncConnection, limit: int = 500) -> list[Debt]:
    """What is owed, oldest first."""
    statement = (
        select(
            deliveries.c.id,
            deliveries.c.source,
            deliveries.c.receiver,
            deliveries.c.received_at,
            deliveries.c.truncated,
        )
        .where(deliveries.c.truncated != 0, deliveries.c.fetched_at.is_(None))
        .order_by(deliveries.c.received_at)
        .limit(limit)
    )
    return [Debt(*row) for row in await connection.execute(statement)]


async def pay(connection: AsyncConnection, paid: Sequence[Debt], now: datetime) -> None:
    """These are fetched. What has become due again since they were read stays owed."""
    latest = max(debt.received_at for debt in paid)
    fetched = and_(deliveries.c.id.in_([debt.delivery_id for debt in paid]), deliveries.c.received_at <= latest)
    await connection.execute(update(deliveries).where(fetched).values(fetched_at=now))


async def give_up(connection: AsyncConnection, lost: Sequence[Debt], why: str, now: datetime) -> None:
    """These can never be fetched: a dead letter each, so that people hear of it (S3)."""
    for debt in lost:
        missing = (
            "a body over the size limit" if debt.truncated < 0 else f"{debt.truncated} alerts cut off by max_alerts"
        )
        error = plain_text(f"{missing} (receiver {debt.receiver or 'unknown'}): {why}")
        row = {"id": new_id("dead"), "source": debt.source, "received_at": now, "raw": b"", "error": error}
        await connection.execute(insert(dead_letters).values(row))
    await pay(connection, lost, now)
