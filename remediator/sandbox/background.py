"""Tasks that live as long as a simulated server: none is forgotten, and none fails unseen."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """Starts tasks and ends them all; the first failure of any is raised by `stop`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run `work` until it ends or `stop` is called."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None and self._failure is None:
            self._failure = failure

    async def stop(self) -> None:
        """Cancel what still runs, wait for it, then raise the first failure seen; safe to call twice."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
