"""A store of its own for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remediator.store.database import Store
from tests.support import incidents as rows


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened
