"""A PostgreSQL server for benchmarks: as durable as one in production, so that its commits cost what they cost there."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from tests.support.database_server import DatabaseServer, binaries, own_server


@contextmanager
def postgresql() -> Iterator[DatabaseServer | None]:
    """A server of our own; None where none is installed."""
    if binaries() is None:
        yield None
        return
    with own_server(durable=True) as server:
        yield server


async def fresh_database(server: DatabaseServer) -> str:
    """The URL of an empty one."""
    name = f"bench_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    finally:
        await connection.close()
    return server.url(name)
