"""Waiting for a state instead of for time."""

import asyncio
from collections.abc import Callable


class Signal:
    """Told after every change of what it stands for."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Something changed: everybody who waits looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        """Wait until `holds`, asked now and after every change; TimeoutError after so many real seconds."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                await self._changed.wait()
