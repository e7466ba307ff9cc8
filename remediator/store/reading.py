"""A store as somebody reads it from outside: beside a running service, without its lock, without changing a row."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.errors import ConfigError
from remediator.store import migrate, sqlite

_LEASE_S = 30.0
"""Only bounds how long a writer may be silent, and nothing is written."""


@asynccontextmanager
async def open_for_reading(url: str, *, password_file: Path | None = None) -> AsyncIterator[AsyncConnection]:
    """One state of the store, however long it is read. Writing through it fails.

    Raises:
        ConfigError: there is no such store, or its tables are not those of this release.
        StoreUnavailableError: it cannot be read.
    """
    opened = _postgresql(url, password_file) if url.startswith("postgresql:") else _sqlite(url)
    async with opened as (connection, place):
        await _refuse_other_tables(connection, place)
        yield connection


@asynccontextmanager
async def _sqlite(url: str) -> AsyncIterator[tuple[AsyncConnection, str]]:
    path = sqlite.path_of(url)
    if not path.is_file():
        raise ConfigError(path, None, "there is no store here", "give the store.url that the service uses")
    engine = sqlite.reader(path)
    try:
        with sqlite.our_errors():
            async with engine.connect() as connection:
                yield connection, str(path)
    finally:
        await engine.dispose()


@asynccontextmanager
async def _postgresql(url: str, password_file: Path | None) -> AsyncIterator[tuple[AsyncConnection, str]]:
    # Imported late: SQLite needs nothing of it.
    from remediator.store.postgresql import PostgresqlDatabase
    from remediator.store.postgresql_address import Address
    from remediator.store.postgresql_connection import Bounds, connect

    address = Address.parse(url, password_file)
    bounds = Bounds.under(_LEASE_S).migrating  # a whole table may be read by one statement
    first = await connect(address, bounds)  # its errors as they are: later they only mean that the store is unavailable
    await first.close(timeout=bounds.answer)
    database = PostgresqlDatabase(address, bounds)
    try:
        with database.errors():
            async with database.for_reading() as connection:
                yield connection, str(address)
    finally:
        await database.close()


async def _refuse_other_tables(connection: AsyncConnection, place: str) -> None:
    stamped = None
    if await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
        stamped = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    if stamped != (ours := migrate.newest()):
        message = f"its tables are of version {stamped or 'none'}, this program's of {ours}"
        remedy = "use the remediator that serves it; starting `serve` brings it up to date"
        raise ConfigError(place, None, message, remedy)
