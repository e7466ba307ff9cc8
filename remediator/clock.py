"""Time as an argument: whoever needs the time or has to wait is given a Clock."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Three views of time: what the calendar says, what really passed, and waiting."""

    def now(self) -> datetime:
        """Wall time, aware, UTC. It can step; never measure a lease or a deadline with it."""
        ...

    def boottime(self) -> float:
        """Seconds since boot that never step and go on while the machine is suspended (CLOCK_BOOTTIME).

        Comparable only within one boot of one machine, so it is never stored.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds; zero or less only gives the others a turn."""
        ...


class SystemClock:
    """The clocks of the machine (Linux: other systems have no CLOCK_BOOTTIME, and leases need one)."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
