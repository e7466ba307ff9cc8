"""A store of its own for every test, on every database: what holds on one has to hold on the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remediator.store.database import Store, open_store
from tests.support.new_store import file_url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.real, pytest.mark.live])])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same test on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return file_url(tmp_path)
    found: str = request.getfixturevalue("database_url")
    return found


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await open_store(store_url)
    try:
        yield opened
    finally:
        await opened.close()
