"""Alerts that could not be understood (S3): shown, and told once per source and hour."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.schema import dead_letters


async def untold(connection: AsyncConnection, limit: int) -> list[tuple[str, str, datetime, str]]:
    """Dead letters that no incident holds yet: id, source, when, what could not be understood."""
    query = (
        select(dead_letters.c.id, dead_letters.c.source, dead_letters.c.received_at, dead_letters.c.error)
        .where(dead_letters.c.incident_id.is_(None))
        .order_by(dead_letters.c.received_at)
        .limit(limit)
    )
    return [(row.id, row.source, row.received_at, row.error) for row in await connection.execute(query)]


async def assign(tx: AsyncConnection, ids: list[str], incident_id: str) -> None:
    """Put them into an incident."""
    await tx.execute(update(dead_letters).where(dead_letters.c.id.in_(ids)).values(incident_id=incident_id))
