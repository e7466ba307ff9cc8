"""Duties: what only one replica does at a time. A row each, held by a lease that the heartbeat renews, and taken over when it is over.

All that is taken or given up is written in transactions that take turns, so a holder that finds its fence in its own transaction is
the holder until that transaction ends.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.dialect import insert
from remediator.store.schema import duties


def _free(owner: str, now: datetime, *, alone: bool) -> ColumnElement[bool]:
    """``alone``: it is known that no other process lives, so that nobody's lease need be waited out."""
    if alone:
        return or_(duties.c.owner.is_(None), duties.c.owner != owner)
    return or_(duties.c.owner.is_(None), duties.c.lease_until < now)


async def announce(tx: AsyncConnection, names: Sequence[str]) -> None:
    """Make rows for duties that have none yet. Safe to repeat."""
    rows = [{"name": name, "fence": 0} for name in names]
    await tx.execute(insert(duties).on_conflict_do_nothing(index_elements=["name"]), rows)


async def free(
    connection: AsyncConnection, names: Sequence[str], *, owner: str, now: datetime, alone: bool
) -> list[str]:
    """Which of these could be taken now."""
    query = select(duties.c.name).where(and_(duties.c.name.in_(names), _free(owner, now, alone=alone)))
    return sorted((await connection.execute(query)).scalars())


async def next_free_at(connection: AsyncConnection, names: Sequence[str], *, owner: str) -> datetime | None:
    """When the first lease of another replica on one of these ends, if it is not renewed."""
    query = select(func.min(duties.c.lease_until)).where(and_(duties.c.name.in_(names), duties.c.owner != owner))
    found: datetime | None = await connection.scalar(query)
    return found


async def take(
    tx: AsyncConnection, name: str, *, owner: str, now: datetime, lease_until: datetime, alone: bool
) -> int | None:
    """Take a duty that is free. Returns its fence, or None when somebody has it."""
    taken = await tx.execute(
        update(duties)
        .where(and_(duties.c.name == name, _free(owner, now, alone=alone)))
        .values(owner=owner, lease_until=lease_until, fence=duties.c.fence + 1)
    )
    if taken.rowcount != 1:
        return None
    fence: int | None = await tx.scalar(select(duties.c.fence).where(duties.c.name == name))
    return fence


async def renew(tx: AsyncConnection, *, owner: str, lease_until: datetime) -> dict[str, int]:
    """Renew all duties of this replica. Returns what it has, with their fences; what is missing was taken over."""
    await tx.execute(update(duties).where(duties.c.owner == owner).values(lease_until=lease_until))
    held = await tx.execute(select(duties.c.name, duties.c.fence).where(duties.c.owner == owner))
    return {row.name: row.fence for row in held}


async def holds(connection: AsyncConnection, name: str, *, owner: str, fence: int) -> bool:
    """Is it still this replica's, without anybody having had it in between?"""
    query = select(duties.c.fence).where(and_(duties.c.name == name, duties.c.owner == owner))
    return await connection.scalar(query) == fence


async def give_up(tx: AsyncConnection, names: Sequence[str], *, owner: str) -> None:
    """Free them for others at once. Safe to repeat."""
    await tx.execute(
        update(duties)
        .where(and_(duties.c.name.in_(names), duties.c.owner == owner))
        .values(owner=None, lease_until=None)
    )


async def holders(connection: AsyncConnection) -> Mapping[str, str | None]:
    """Every duty and the replica that has it, for people."""
    rows = await connection.execute(select(duties.c.name, duties.c.owner).order_by(duties.c.name))
    return {row.name: row.owner for row in rows}


async def give_up_all(tx: AsyncConnection, *, owner: str) -> None:
    """Free every duty of this replica. Safe to repeat."""
    await tx.execute(update(duties).where(duties.c.owner == owner).values(owner=None, lease_until=None))
