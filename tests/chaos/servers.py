"""Database servers that plays break, kept by one thread: a server ends with the thread that started it, and the loop of the plays,
on which the world lives too, waits for none of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from typing import TypeVar

from tests.support.database_server import DatabaseServer, own_server

_KEEPER = ThreadPoolExecutor(1, thread_name_prefix="database-servers")
_CROWDED = {"max_connections": "40"}
"""So many connections that others can take them all."""
Result = TypeVar("Result")


async def kept(work: Callable[[], Result]) -> Result:
    """Done by the thread that keeps them."""
    return await asyncio.get_running_loop().run_in_executor(_KEEPER, work)


@asynccontextmanager
async def breakable() -> AsyncIterator[DatabaseServer]:
    """A server for one play."""
    stack = ExitStack()
    server = await kept(lambda: stack.enter_context(own_server(durable=True, settings=_CROWDED)))
    try:
        yield server
    finally:
        await kept(stack.close)
