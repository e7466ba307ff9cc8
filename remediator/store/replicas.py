"""Who lives: a row for each process that uses the store, written with its heartbeat."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.dialect import insert
from remediator.store.schema import replicas


@dataclass(frozen=True, slots=True)
class Card:
    """What a replica says of itself."""

    id: str
    name: str
    mode: str
    node: str | None
    set_hash: str | None
    knows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    """A replica that lives."""

    id: str
    name: str
    mode: str
    node: str | None
    started_at: datetime
    set_hash: str | None
    knows: Sequence[str]


_COLUMNS = tuple(replicas.c[name] for name in ReplicaRow.__slots__)


async def beat(tx: AsyncConnection, card: Card, *, now: datetime, lease_until: datetime) -> None:
    """It lives, and this is what it says of itself now. Which set it has is ``has_set``'s to change: a heartbeat that was on its way
    meanwhile must not put an older one in its place."""
    said = asdict(card) | {"seen_at": now, "lease_until": lease_until}
    statement = insert(replicas).values(**said, started_at=now)
    del said["set_hash"]
    await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=said))


async def leave(tx: AsyncConnection, replica_id: str, now: datetime) -> None:
    """It stops by itself. Its row stays for a while: it says when the engine was last alive."""
    await tx.execute(update(replicas).where(replicas.c.id == replica_id).values(lease_until=now, set_hash=None))


async def living(connection: AsyncConnection, now: datetime, *, without: str = "") -> list[ReplicaRow]:
    """Replicas whose lease is not over, oldest first."""
    query = (
        select(*_COLUMNS)
        .where(and_(replicas.c.lease_until > now, replicas.c.id != without))
        .order_by(replicas.c.started_at, replicas.c.id)
    )
    return [ReplicaRow(**row._mapping) for row in await connection.execute(query)]


async def last_seen_at(connection: AsyncConnection, *, without: str = "") -> datetime | None:
    """When a replica last gave a sign of life (``without``: another than this); None when none ever did."""
    query = select(func.max(replicas.c.seen_at)).where(replicas.c.id != without)
    found: datetime | None = await connection.scalar(query)
    return found


async def has_set(tx: AsyncConnection, replica_id: str, set_hash: str) -> None:
    """It has loaded this set of playbooks."""
    await tx.execute(update(replicas).where(replicas.c.id == replica_id).values(set_hash=set_hash))


async def gone(connection: AsyncConnection, *, seen_before: datetime) -> list[tuple[str, str]]:
    """Id and name of those that were last seen before this."""
    query = select(replicas.c.id, replicas.c.name).where(replicas.c.seen_at < seen_before).order_by(replicas.c.id)
    return [(row.id, row.name) for row in await connection.execute(query)]


async def forget(tx: AsyncConnection, replica_id: str, *, seen_before: datetime) -> None:
    """Delete its row, unless it was seen again. Safe to repeat."""
    await tx.execute(delete(replicas).where(and_(replicas.c.id == replica_id, replicas.c.seen_at < seen_before)))
