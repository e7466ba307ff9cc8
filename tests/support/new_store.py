"""Empty stores, as many as a test asks for."""

import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TypeAlias

from remediator.store.database import Store, open_store
from remediator.store.sqlite import bring_up

NewStore: TypeAlias = Callable[[], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def file(directory: Path) -> AsyncIterator[str]:
    """The URL of a file in this directory, migrated."""
    yield file_url(directory)


def file_url(directory: Path) -> str:
    """As ``file``; one that is there already is opened as it is, as after a restart."""
    path = directory / "remediator.sqlite"
    if not path.exists():
        path.write_bytes(_migrated())
    return f"sqlite:///{path}"


@cache
def _migrated() -> bytes:
    """Migrating takes longer than most tests do with their store."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "empty.sqlite"
        bring_up(path)
        return path.read_bytes()


@asynccontextmanager
async def opened(made: AbstractAsyncContextManager[str]) -> AsyncIterator[Store]:
    """The store at the URL that this gives."""
    async with made as url:
        store = await open_store(url)
        try:
            yield store
        finally:
            await store.close()
