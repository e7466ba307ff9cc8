"""A wake-up: a hint that there may be work, so that nobody waits for the slow poll. Losing one costs only time (engine.md 7)."""

import asyncio

from remediator.clock import Clock


class Wakeup:
    """Set from anywhere in the process; one loop waits for it."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        """There may be work."""
        self._event.set()

    async def wait(self, clock: Clock, at_most_s: float) -> None:
        """Return at the next hint (or one that came before), or when the time is over."""
        if at_most_s > 0 and not self._event.is_set():
            async with asyncio.TaskGroup() as group:
                alarm = group.create_task(self._ring_after(clock, at_most_s))
                await self._event.wait()
                alarm.cancel()
        self._event.clear()

    async def _ring_after(self, clock: Clock, seconds: float) -> None:
        await clock.sleep(seconds)
        self._event.set()
