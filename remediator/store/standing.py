"""Alerts of one source that are not over, as whoever raises them himself has to know them to end them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.columns import word
from remediator.store.schema import episodes


@dataclass(frozen=True, slots=True)
class StandingAlert:
    """One episode that is not closed."""

    fingerprint: str
    labels: Mapping[str, str]
    last_starts_at: datetime


async def standing_alerts(connection: AsyncConnection, source: str) -> tuple[StandingAlert, ...]:
    """All of the source."""
    columns = (episodes.c.fingerprint, episodes.c.labels, episodes.c.last_starts_at)
    query = select(*columns).where(episodes.c.source == source, episodes.c.state != word("closed"), episodes.c.latest)
    return tuple(StandingAlert(*row) for row in await connection.execute(query))
