"""Replicas that are gone for good: their rows are deleted, and an alarm that one of them left is cleared (S36).

One that is only cut off repeats its alarm every few minutes, so that clearing it by mistake lasts no longer than that.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from remediator.clock import Clock
from remediator.engine.door import Door
from remediator.errors import StoreUnavailableError
from remediator.store import replicas
from remediator.store.database import Tx

log = structlog.get_logger(__name__)

_AFTER = timedelta(hours=1)
_LOOK_EVERY_S = 600.0


class GoneReplicas:
    """A duty. ``clear_alarm`` is given a name and says whether that worked."""

    def __init__(self, *, store: Door, clock: Clock, clear_alarm: Callable[[str], Awaitable[bool]]) -> None:
        self._store = store
        self._clock = clock
        self._clear_alarm = clear_alarm

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except StoreUnavailableError as error:
                log.warning("gone_replicas_not_looked_for", reason=error.reason)
            await self._clock.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Forget those that were not seen for an hour. A name that another process bears by now is left alone.

        Raises:
            StoreUnavailableError: the rest is done at the next look.
        """
        now = self._clock.now()
        seen_before = now - _AFTER
        async with self._store.read() as connection:
            gone = await replicas.gone(connection, seen_before=seen_before)
            borne = {replica.name for replica in await replicas.living(connection, now)}
        for replica_id, name in gone:
            if name not in borne and not await self._clear_alarm(name):
                continue
            async with self._store.begin(Tx.DUTY) as tx:
                await replicas.forget(tx, replica_id, seen_before=seen_before)
            log.info("replica_forgotten", replica=name)
