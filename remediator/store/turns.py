"""Whose turn it is to write, among the writers of this process."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from remediator.errors import StoreUnavailableError

_WITHIN_S = 10.0
"""Who waits longer is told that the store is unavailable: behind a store that says nothing everybody would wait for everybody."""


class Turns:
    """A mutex whose waiters are served by priority, then in order of arrival."""

    def __init__(self) -> None:
        self._held = False
        self._order = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def held(self, priority: int) -> AsyncIterator[None]:
        """Have the turn.

        Raises:
            StoreUnavailableError: not within ``_WITHIN_S``.
        """
        if self._held:
            turn = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (priority, next(self._order), turn))
            try:
                async with asyncio.timeout(_WITHIN_S):
                    await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
            except TimeoutError:
                if not turn.cancelled():
                    self._pass_on()
                raise StoreUnavailableError(f"no turn to write within {_WITHIN_S:g} s") from None
        self._held = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return  # stays held, now by that waiter
        self._held = False
