"""The clock under watch (S28): every replica compares its time with the reference each second, and one, by duty, moves the store.

The reference is the machine's wall clock where one process has the store, and the database's clock where several share it: then a
replica whose own clock steps is not disturbed at all. A step is held back until the store is moved, so leases, waits and holds never
see it. A replica whose machine stood still, its time since boot too, finds a step alone, and the others' heartbeats ahead of its own
time: it takes over the reference without moving what is right for all of them.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog

from remediator.clock import STEP, Clock, DisciplinedClock
from remediator.engine.door import Door
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.store import clock_steps, replicas
from remediator.store.database import Store, Tx

_EVERY_S = 1.0
_AHEAD = timedelta(seconds=1)
"""A heartbeat so far in the future was written by a replica that goes by another time than this one."""

log = structlog.get_logger(__name__)


class ClockWatch:
    """On every replica."""

    def __init__(
        self,
        *,
        store: Store,
        clock: DisciplinedClock,
        machine: Clock,
        metrics: Metrics,
        lease: timedelta,
        replica: str,
        keeps: Callable[[], bool],
    ) -> None:
        """``replica`` is this one's id; ``keeps``: has it got the duty to move the store?"""
        self._store = store
        self._clock = clock
        self._machine = machine
        self._metrics = metrics
        self._lease_s = lease.total_seconds()
        self._replica = replica
        self._keeps = keeps
        self.moved = 0
        """By how many steps the store was moved, as far as this replica's time has followed."""
        self.stepped = Wakeup()
        self.look_soon = Wakeup()

    async def begin(self) -> None:
        """Once, before anything is done by this clock.

        A clock that was set back while no replica lived would keep everything waiting for as long again: what it was at least set
        back by is known from the last sign of life, which cannot lie in the future.

        Raises:
            StoreUnavailableError: the store cannot be used.
        """
        async with self._store.read() as connection:
            asked_at = self._clock.boottime()
            self._clock.start_at(await self._store.now(connection, self._machine), asked_at)
            self.moved = await clock_steps.count(connection)
            seen_at = await replicas.last_seen_at(connection)
        if seen_at is None or seen_at - self._clock.now() <= STEP:
            return
        if self._store.shared:  # whoever lives gives another sign of life meanwhile, and moves the store itself
            await self._clock.sleep(self._lease_s)
        async with self._store.begin(Tx.MOVE_CLOCK) as tx:
            if await replicas.last_seen_at(tx) != seen_at or await clock_steps.count(tx) != self.moved:
                return
            now = self._clock.now()
            step = now - seen_at
            await clock_steps.shift(tx, step, now=seen_at)
            steps = await clock_steps.remember(tx, step, at=now)
        self.followed(step, steps)

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            try:
                await self.look()
            except (
                StoreUnavailableError
            ) as error:  # time goes on as it did; a lease that cannot be renewed ends by itself
                log.debug("clock_not_compared", reason=error.reason)
            await self.look_soon.wait(self._clock, _EVERY_S)

    async def look(self) -> None:
        """Compare once.

        Raises:
            StoreUnavailableError: the database's clock cannot be read.
        """
        if not self._store.shared:
            asked_at = self._clock.boottime()
            if self._clock.observe(self._machine.now(), asked_at):
                self.stepped()
            return
        async with self._store.read() as connection:
            asked_at = self._clock.boottime()
            step = self._clock.observe(await self._store.now(connection, self._machine), asked_at)
            steps = await clock_steps.count(connection)
            others_at = await replicas.last_seen_at(connection, without=self._replica) if step else None
        if not step:  # the others may have gone there and back, or seen a step where this one saw a correction
            self.moved = max(self.moved, steps)
            return
        self.stepped()
        alone = step > timedelta(0) and others_at is not None and others_at - self._clock.now() > _AHEAD
        if self._clock.step == step and (steps > self.moved or (alone and not self._keeps())):
            self._clock.adopt(step)
            self.followed(step, steps)

    def followed(self, step: timedelta, steps: int) -> None:
        """This replica's time is that of a store that was moved by so many steps."""
        self.moved = max(self.moved, steps)
        direction = "forward" if step > timedelta(0) else "backward"
        self._metrics.clock_steps.labels(direction=direction).inc()
        log.warning("clock_stepped", step_s=step.total_seconds())


class ClockKeeper:
    """The duty to move the store when the clock has stepped. ``settle`` is how long what works by the old time may still write."""

    def __init__(self, *, store: Door, clock: DisciplinedClock, watch: ClockWatch, settle: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._watch = watch
        self._settle = settle
        self._look_again = False

    async def run(self) -> None:
        """Keep it until cancelled."""
        while True:
            try:
                await self.keep()
            except StoreUnavailableError as error:
                log.warning("clock_step_held_back", step_s=self._clock.step.total_seconds(), reason=error.reason)
            await self._watch.stepped.wait(self._clock, _EVERY_S)

    async def keep(self) -> None:
        """Move the store by the step that is held back, if there is one; look at everything again when it is over.

        Raises:
            StoreUnavailableError: it is held back on.
        """
        if step := self._clock.step:
            await self._move(step)
        elif self._look_again and self._clock.steady_in() == 0:
            async with self._store.begin(Tx.MOVE_CLOCK) as tx:
                await clock_steps.look_at_all(tx, self._clock.now())
            self._look_again = False

    async def _move(self, step: timedelta) -> None:
        adopted = False
        try:
            async with self._store.begin(Tx.MOVE_CLOCK) as tx:
                steps = await clock_steps.count(tx)
                # Else it is done: by another, or by us, and the answer to the commit was lost.
                if steps == self._watch.moved:
                    before = self._clock.now()
                    await clock_steps.shift(tx, step, now=before)
                    await clock_steps.end_claims(tx, now=before + step, wait=self._settle)
                    steps = await clock_steps.remember(tx, step, at=before + step)
                self._clock.adopt(step)
                adopted = True
        except BaseException:
            if adopted:
                self._clock.adopt(-step)
            raise
        self._look_again = True
        self._watch.followed(step, steps)
