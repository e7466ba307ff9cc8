"""Time as an argument: whoever needs the time or has to wait is given a Clock."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

STEP = timedelta(seconds=5)
"""A difference to the reference above this is a step: an event, not a correction (S28)."""

_SLOW_S = 1.0
"""A reference that took longer to read says nothing: which instant it means is not known."""


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


class DisciplinedClock:
    """Wall time carried on by CLOCK_BOOTTIME, so that it never steps by itself (S28).

    It follows a reference (the machine's wall clock, or the database's where several replicas share one): small differences are
    taken over as they are observed. A step is held back: ``now`` goes on as before until ``adopt``, which is called in the transaction
    that moves the stored instants, so that nobody ever compares instants of the one time with instants of the other.
    """

    def __init__(self, machine: Clock, *, steady_after: timedelta) -> None:
        """``steady_after``: no effect begins for so long after a step."""
        self._machine = machine
        self._steady_after_s = steady_after.total_seconds()
        self._zero = machine.now() - timedelta(seconds=machine.boottime())
        self._step = timedelta(0)
        self._unsteady_until = 0.0

    def now(self) -> datetime:
        return self._zero + timedelta(seconds=self._machine.boottime())

    def boottime(self) -> float:
        return self._machine.boottime()

    async def sleep(self, seconds: float) -> None:
        await self._machine.sleep(seconds)

    def start_at(self, reference: datetime, asked_at: float) -> None:
        """Take the reference as it is: at start, before anything was done by this clock."""
        self._zero = reference - timedelta(seconds=(asked_at + self.boottime()) / 2)

    def observe(self, reference: datetime, asked_at: float) -> timedelta:
        """Compare with the reference, asked for at ``asked_at`` (boottime). Returns the step that is held back; zero: there is none."""
        answered_at = self.boottime()
        if answered_at - asked_at <= _SLOW_S:
            difference = reference - (self._zero + timedelta(seconds=(asked_at + answered_at) / 2))
            if abs(difference) > STEP:
                self._step = difference
            else:
                self._zero += difference
                self._step = timedelta(0)
        return self._step

    @property
    def step(self) -> timedelta:
        """The step that is held back; zero: there is none."""
        return self._step

    def adopt(self, step: timedelta) -> None:
        """From now on ``now`` is later by ``step``; the opposite takes it back, when what was to go with it was not stored."""
        self._zero += step
        self._step -= step
        self._unsteady_until = self.boottime() + self._steady_after_s

    def steady_in(self) -> float:
        """Seconds until an effect may begin: 0 now, unless there was a step."""
        return self._steady_after_s if self._step else max(0.0, self._unsteady_until - self.boottime())
