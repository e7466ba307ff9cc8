"""A SQLite file that may not grow: the transaction that needs a page fails as a whole, reading goes on, and so does all when it may."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from remediator.errors import StoreUnavailableError
from remediator.store import inbox
from remediator.store.database import Store, Tx
from remediator.store.schema import dead_letters, incidents
from tests.support import incidents as rows
from tests.support.clock import T0

FULL = "database or disk is full"
MANY = 300
"""Rows that need more pages than a new file has to spare."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


async def limit(store: Store, pages: int) -> None:
    """Of both doors: each has a connection of its own."""
    async with store.begin(Tx.MARK) as tx:
        await tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    async with store.begin_lean(Tx.INTAKE) as writer:
        await writer.run(lambda execute: execute(f"PRAGMA max_page_count = {pages}", ()))


async def counts(store: Store) -> tuple[int, int]:
    async with store.read() as connection:
        found = [
            await connection.scalar(select(func.count()).select_from(table)) for table in (incidents, dead_letters)
        ]
        return found[0] or 0, found[1] or 0


async def many_incidents(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        for number in range(MANY):
            await rows.join(tx, target=f"kubernetes/prod/shop/deployment/w{number}", at=T0)


async def many_letters(store: Store) -> None:
    async with store.begin_lean(Tx.INTAKE) as writer:
        for number in range(MANY):
            await inbox.owe(writer, "prod", T0 + timedelta(seconds=number), f"receiver{number}", "too large " * 20)


async def test_a_transaction_that_finds_no_room_is_undone_as_a_whole_and_nothing_else_suffers(store: Store) -> None:
    await limit(store, 1)  # as many as it has
    for work in (many_incidents, many_letters):
        with pytest.raises(StoreUnavailableError, match=FULL):
            await work(store)
        assert await counts(store) == (0, 0)
    await limit(store, 1_000_000)
    await many_letters(store)
    await many_incidents(store)
    assert await counts(store) == (MANY, MANY)
