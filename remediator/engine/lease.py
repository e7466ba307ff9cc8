"""The lease: how long this process may still act. One heartbeat for all runs in hand; not renewed, it ends by itself (S20).

The transport asks the permit just before the first byte of every write, so a process that was frozen, or is cut off from its
store, stops acting before anybody can take its work over.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from remediator.clients.transport import WritePermit
from remediator.clock import Clock
from remediator.errors import StoreUnavailableError
from remediator.store import meta, runs
from remediator.store.database import Store, Tx

log = structlog.get_logger(__name__)


class Lease:
    """Of one process. It holds after the first heartbeat."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        owner: str,
        length: timedelta,
        on_beat: Callable[[], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._length = length
        self._on_beat = on_beat
        self._on_failure = on_failure
        self._renewed: set[str] = set()
        self.permit = WritePermit(valid_until=0.0)

    @property
    def holds(self) -> bool:
        """Is it still ours?"""
        return self._clock.boottime() < self.permit.valid_until

    def until(self, now: datetime) -> datetime:
        """What a claim made now is written down as, in wall time, for other processes to see."""
        return now + self._length

    def keep(self, run_id: str) -> None:
        """Renew this run's claim with every heartbeat."""
        self._renewed.add(run_id)

    def drop(self, run_id: str) -> None:
        """Stop renewing it; a claim that was not given back ends with the lease."""
        self._renewed.discard(run_id)

    async def beat(self) -> None:
        """Renew every third of the lease, until cancelled."""
        while True:
            await self.renew()
            await self._clock.sleep(self._length.total_seconds() / 3)

    async def renew(self) -> None:
        """One heartbeat. A failed one renews nothing and says so."""
        asked_at = self._clock.boottime()
        try:
            async with self._store.begin(Tx.HEARTBEAT) as tx:
                now = self._clock.now()
                await runs.heartbeat(tx, owner=self._owner, run_ids=sorted(self._renewed), lease_until=self.until(now))
                await meta.put_instant(tx, meta.ALIVE_AT, now)
        except StoreUnavailableError as error:
            log.warning("heartbeat_failed", reason=error.reason)
            self._on_failure(error.reason)
            return
        # Counted from before the transaction: what others read can only end later than what we allow ourselves.
        self.permit.valid_until = asked_at + self._length.total_seconds()
        self._on_beat()
