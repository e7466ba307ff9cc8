"""A PostgreSQL store that waits for nothing long, and what one sees of it, for tests of trouble."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from remediator.errors import StoreUnavailableError
from remediator.store import inbox, meta
from remediator.store.database import Connection, Probe, Store, Tx
from remediator.store.postgresql import PostgresqlDatabase
from remediator.store.postgresql_address import Address
from remediator.store.postgresql_connection import Bounds
from tests.support.clock import T0

SHORT = Bounds(idle=0.6, lock=0.7, statement=0.8, answer=1.1, connect=1.0)
"""Seconds."""
WITHIN_S = 2 * SHORT.answer + SHORT.connect + 1.0
"""Whatever is awaited has ended by then: connecting, a statement, its cancelling, and a second for a busy machine."""


@asynccontextmanager
async def opened(url: str, probe: Probe = lambda _point: None) -> AsyncIterator[Store]:
    """The store of one replica, migrated already."""
    database = PostgresqlDatabase(Address.parse(url), SHORT)
    try:
        yield Store(database, probe=probe, observe=lambda *_: None)
    finally:
        await database.close()


async def put(store: Store, value: int) -> None:
    """An ordinary transaction."""
    async with store.begin(Tx.MARK) as tx:
        await meta.put(tx, "x", value)


async def touch(store: Store) -> None:
    """The webhook's kind of transaction."""
    async with store.begin_lean(Tx.INTAKE) as writer:
        await inbox.touch(writer, T0)


async def value_in(store: Store) -> object:
    """What ``put`` wrote."""
    async with store.read() as connection:
        return await meta.get(connection, "x")


async def nothing(_tx: Connection) -> None:
    """Meanwhile."""


async def refused(store: Store, tx: Tx = Tx.MARK, meanwhile: Callable[[Connection], Awaitable[None]] = nothing) -> str:
    """The reason that a transaction is told. It comes within the bound, from when the trouble began."""

    began = time.monotonic()

    async def attempt() -> None:
        nonlocal began
        async with store.begin(tx) as connection:
            await meta.put(connection, "x", "never")
            await meanwhile(connection)
            began = time.monotonic()
            await meta.put(connection, "x", "never")

    with pytest.raises(StoreUnavailableError) as error:
        await attempt()
    assert time.monotonic() - began < WITHIN_S
    return error.value.reason
