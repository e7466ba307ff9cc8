"""Duties: loops of which only one may run among all replicas. Whoever finds a duty free takes it, and keeps it with its heartbeat.

A duty is the door to the store for its loop: each of its transactions asks first whether this replica still has the duty, so what
a replica that was frozen or cut off writes late is refused. A loop is cancelled as soon as its replica knows that it lost the duty.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

import structlog

from remediator.engine.fitness import Unfit, fit
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.store import duties
from remediator.store.database import Connection, Store, Tx

log = structlog.get_logger(__name__)

OnTaken = Callable[[Connection, datetime], Awaitable[None]]
"""Called in the transaction that takes a duty."""


class LostDutyError(StoreUnavailableError):
    """Another replica has this duty, or this one may not have it now. Nothing was written; the loop is cancelled next."""


async def _nothing(_tx: Connection, _now: datetime) -> None:
    """For duties that are simply gone on with."""


class Duty:
    """One of them. Made by ``Duties.add``."""

    def __init__(
        self, name: str, *, store: Store, owner: str, unfit: Unfit, on_taken: OnTaken, metrics: Metrics
    ) -> None:
        self.name = name
        self.unfit = unfit
        self.on_taken = on_taken
        self._store = store
        self._owner = owner
        self._fence: int | None = None
        self.turns = 0
        """Times that it was taken or lost."""
        self._held = asyncio.Event()
        self._lost = asyncio.Event()
        self._gauge = metrics.duty_held.labels(duty=name)
        self._gauge.set(0)

    @property
    def held(self) -> bool:
        """Has this replica got it, as far as it knows?"""
        return self._fence is not None

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do ``work``, which never ends by itself, whenever the duty is held; cancel it when the duty is lost. Until cancelled."""
        while True:
            await self._held.wait()
            async with asyncio.TaskGroup() as group:
                working = group.create_task(work(), name=self.name)
                await self._lost.wait()
                working.cancel()

    @asynccontextmanager
    async def begin(self, tx: Tx) -> AsyncIterator[Connection]:
        """A write transaction of this duty's.

        Raises:
            LostDutyError: it is not this replica's now; nothing was written.
            StoreUnavailableError: as of the store.
        """
        fence = self._fence
        if fence is None:
            raise LostDutyError(f"this replica has not the duty {self.name}")
        async with self._store.begin(tx) as connection:
            if not await duties.holds(connection, self.name, owner=self._owner, fence=fence):
                self.lose("another replica has taken it over")
                raise LostDutyError(f"another replica has taken over the duty {self.name}")
            if (why := await self.unfit(connection)) is not None:
                raise LostDutyError(why)
            yield connection

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A snapshot, as of the store."""
        return self._store.read()

    def got(self, fence: int) -> None:
        """This replica has it. Safe to repeat."""
        if self._fence == fence:
            return
        self.lose("it was another replica's in between")
        self._fence = fence
        self.turns += 1
        self._lost.clear()
        self._held.set()
        self._gauge.set(1)
        log.info("duty_taken", duty=self.name, fence=fence)

    def lose(self, why: str, *, expected: bool = False) -> None:
        """This replica has it no longer. Safe to repeat."""
        if self._fence is None:
            return
        self._fence = None
        self.turns += 1
        self._held.clear()
        self._lost.set()
        self._gauge.set(0)
        if expected:
            log.info("duty_given_up", duty=self.name, reason=why)
        else:
            log.warning("duty_lost", duty=self.name, reason=why)


class Duties:
    """All duties of one replica. The heartbeat calls ``renewed``; ``lose_all`` when the lease is over."""

    def __init__(self, *, store: Store, owner: str, metrics: Metrics) -> None:
        self._store = store
        self._owner = owner
        self._metrics = metrics
        self._by_name: dict[str, Duty] = {}
        self._announced = False

    def add(self, name: str, *, unfit: Unfit = fit, on_taken: OnTaken = _nothing) -> Duty:
        """A duty that this replica takes when it is free, before the first heartbeat."""
        duty = self._by_name[name] = Duty(
            name, store=self._store, owner=self._owner, unfit=unfit, on_taken=on_taken, metrics=self._metrics
        )
        return duty

    @property
    def held(self) -> tuple[str, ...]:
        """Names of those that this replica has."""
        return tuple(sorted(name for name, duty in self._by_name.items() if duty.held))

    @property
    def as_known(self) -> Mapping[str, int]:
        """How often each was taken or lost: to be handed to ``renewed`` as it was before the store was asked."""
        return {name: duty.turns for name, duty in self._by_name.items()}

    def renewed(self, kept: Mapping[str, int], *, known: Mapping[str, int]) -> None:
        """What the store says that this replica has, with fences. What has changed since it was asked is known better."""
        for name, duty in self._by_name.items():
            if duty.turns != known.get(name):
                continue
            if (fence := kept.get(name)) is None:
                duty.lose("another replica has taken it over")
            else:
                duty.got(fence)

    def lose_all(self, why: str, *, expected: bool = False) -> None:
        """The lease is over: others may have any of them by now."""
        for duty in self._by_name.values():
            duty.lose(why, expected=expected)

    async def settle(self, now: datetime, lease_until: datetime) -> datetime | None:
        """Give up what this replica may not have now, and take what is free. Returns when more may be free.

        Raises:
            StoreUnavailableError: not all was settled; repeat it.
        """
        alone = not self._store.shared
        if self._by_name and not self._announced:
            async with self._store.begin(Tx.DUTY) as tx:
                await duties.announce(tx, list(self._by_name))
            self._announced = True
        async with self._store.read() as connection:
            fit = {name: await duty.unfit(connection) for name, duty in self._by_name.items()}
            wanted = [name for name, why in fit.items() if why is None]
            free = await duties.free(connection, wanted, owner=self._owner, now=now, alone=alone)
            next_free_at = await duties.next_free_at(connection, wanted, owner=self._owner)
        for name, why in fit.items():
            if why is not None and self._by_name[name].held:
                self._by_name[name].lose(why, expected=True)
                async with self._store.begin(Tx.DUTY) as tx:
                    await duties.give_up(tx, [name], owner=self._owner)
        for name in free:
            await self._take(self._by_name[name], now, lease_until, alone=alone)
        return next_free_at

    async def _take(self, duty: Duty, now: datetime, lease_until: datetime, *, alone: bool) -> None:
        async with self._store.begin(Tx.DUTY) as tx:
            fence = await duties.take(tx, duty.name, owner=self._owner, now=now, lease_until=lease_until, alone=alone)
            if fence is not None:
                await duty.on_taken(tx, now)
        if fence is not None:
            duty.got(fence)
