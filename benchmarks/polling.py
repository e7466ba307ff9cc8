"""Waiting for what another process does."""

import asyncio
from collections.abc import Awaitable, Callable

_EVERY_S = 0.1
_WITHIN_S = 1_800.0


async def until(measure: Callable[[], Awaitable[float]], at_least: float) -> None:
    """Ask again and again. Raises TimeoutError when it does not come true within half an hour."""
    async with asyncio.timeout(_WITHIN_S):
        while await measure() < at_least:  # noqa: ASYNC110 - another process: there is nothing to be told by
            await asyncio.sleep(_EVERY_S)
