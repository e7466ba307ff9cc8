"""The loops of a process: each runs for its whole life, one that ends by itself is a failure, and a stop ends them in reverse."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Loops:
    """Of one process. Half a remediator is worse than one that its supervisor starts again: see ``failed``."""

    def __init__(self, *, cleanups: AsyncExitStack, shutdown: timedelta) -> None:
        """``cleanups`` ends them; each is given ``shutdown`` to come to its end, then it is cut off."""
        self.failed = asyncio.Event()
        """Set when a loop has ended by itself: stop, exit with 1."""
        self._cleanups = cleanups
        self._limit_s = shutdown.total_seconds()

    def start(self, name: str, work: Coroutine[Any, Any, None], *, stop: Callable[[], None] | None = None) -> None:
        """Run one loop for the life of the process. ``stop`` lets it finish what it has in hand; else it is cancelled."""
        task = asyncio.create_task(work, name=name)
        ending = False

        def done(_task: asyncio.Task[None]) -> None:
            if ending:
                return
            # Nobody else cancels it; a cancelled wait that got out of a library must not end a loop in silence.
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            log.critical("loop_ended", loop=name, exc_info=error)
            self.failed.set()

        async def end() -> None:
            nonlocal ending
            ending = True
            if stop is None:
                task.cancel()
            else:
                stop()
            _, unfinished = await asyncio.wait({task}, timeout=self._limit_s)
            for late in unfinished:
                log.warning("loop_cut_off", loop=name, after_s=self._limit_s)
                late.cancel()
            await asyncio.gather(task, return_exceptions=True)

        task.add_done_callback(done)
        self._cleanups.push_async_callback(end)
