"""Empty stores, as many as a test asks for."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from remediator.store.database import Store, open_store

NewStore: TypeAlias = Callable[[], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def file(directory: Path) -> AsyncIterator[str]:
    """The URL of a file in this directory."""
    yield f"sqlite:///{directory}/remediator.sqlite"


@asynccontextmanager
async def opened(made: AbstractAsyncContextManager[str]) -> AsyncIterator[Store]:
    """The store at the URL that this gives."""
    async with made as url:
        store = await open_store(url)
        try:
            yield store
        finally:
            await store.close()
