"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

T0 = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class ManualClock:
    """A Clock whose sleepers wake only while ``advance`` is awaited, in the order of their times.

    ``advance`` gives woken tasks turns of the loop until they wait again. What a task awaits outside the loop (a file,
    a socket, a database's thread) takes no turns: await a signal of its own for that, for example ``until_sleeping``.
    """

    def __init__(self, start: datetime = T0) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._stepped = timedelta(0)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0
        self._slept = asyncio.Event()

    def now(self) -> datetime:
        return self._start + self._stepped + timedelta(seconds=self._elapsed_s)

    def step(self, by: timedelta) -> None:
        """The calendar is wrong by so much more; what really passes is not touched."""
        self._stepped += by

    def boottime(self) -> float:
        return 1000.0 + self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, self._count, woken))
        self._slept.set()
        await woken

    @property
    def sleepers(self) -> int:
        """How many tasks sleep now."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def until_sleeping(self, tasks: int = 1) -> None:
        """Wait (in real time) until at least that many tasks sleep."""
        while self.sleepers < tasks:
            self._slept.clear()
            await self._slept.wait()

    async def advance(self, seconds: float) -> None:
        """Let that much time pass, waking every sleeper whose time comes meanwhile."""
        end_s = self._elapsed_s + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            wake_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                self._elapsed_s = wake_s
                woken.set_result(None)
                await _settle()
        self._elapsed_s = end_s
        await _settle()


async def _settle(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
