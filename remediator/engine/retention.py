"""Removes what is over for longer than ``store.retention``, in small transactions that everything else goes before (engine.md 11).

A loop of which one runs among all replicas. Nothing waits for it: stopped in the middle it goes on where it stands.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from remediator.clock import Clock
from remediator.engine.door import Door
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.playbooks.model import Playbook
from remediator.settings import Settings
from remediator.store import retention
from remediator.store.database import Tx

log = structlog.get_logger(__name__)

ROWS_A_TRANSACTION = 200
"""Some 20 ms of work; a webhook that comes meanwhile waits no longer."""
_PAUSE_S = 0.05
"""Between two transactions, so that a backlog of years takes a small part of the disk's time."""
_ROUND_EVERY_S = 3600.0
_INCIDENTS_AT_ONCE = 100
_AFTER_TROUBLE_S = 60.0


class Retention:
    """One per process; ``run`` while this replica has the duty."""

    def __init__(
        self,
        *,
        store: Door,
        clock: Clock,
        settings: Settings,
        playbooks: Callable[[], Iterable[Playbook]],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._playbooks = playbooks
        self._removed = metrics.history_removed

    async def run(self) -> None:
        """A round every hour, until cancelled."""
        while True:
            try:
                rows = await self.round()
                if rows:
                    log.info("history_removed", rows=rows, before=self.before().isoformat())
                ahead_s = _ROUND_EVERY_S
            except StoreUnavailableError as error:
                log.warning("retention_store_unavailable", reason=error.reason)
                ahead_s = _AFTER_TROUBLE_S
            except Exception:  # old rows that cannot go are no reason to stop remedying
                log.exception("history_not_removed")
                ahead_s = _ROUND_EVERY_S
            await self._clock.sleep(ahead_s)

    def before(self) -> datetime:
        """What was over before this goes. Never what a limit of a playbook in force, or of settings, still counts (S9)."""
        periods = [self._settings.store.retention, self._settings.totals.per]
        for playbook in self._playbooks():
            guards = playbook.guards
            periods += [guards.cooldown, guards.budget.per, guards.max_alert_age]
            periods += [guards.blast_radius.per] if guards.blast_radius is not None else []
        return self._clock.now() - max(periods)

    async def round(self) -> int:
        """Remove all that may go now. Returns how many rows.

        Raises:
            StoreUnavailableError: the rest is left for the next round.
        """
        before = self.before()
        return await self._incidents(before) + await self._loose(before) + await self._deliveries(before)

    async def _incidents(self, before: datetime) -> int:
        rows, last = 0, None
        while True:
            async with self._store.read() as connection:
                found = await retention.over(connection, before=before, after=last, limit=_INCIDENTS_AT_ONCE)
            for last in found:
                while gone := await self._fold(last.incident_id, before):
                    rows += gone
            if not found:
                return rows

    async def _fold(self, incident_id: str, before: datetime) -> int:
        async with self._store.begin(Tx.RETAIN) as tx:
            gone = await retention.fold(tx, incident_id, before=before, now=self._clock.now(), limit=ROWS_A_TRANSACTION)
        return await self._counted(gone)

    async def _loose(self, before: datetime) -> int:
        rows = 0
        while True:
            async with self._store.begin(Tx.RETAIN) as tx:
                gone = await retention.remove_loose(tx, before=before, limit=ROWS_A_TRANSACTION)
            rows += await self._counted(gone)
            if not gone:
                return rows

    async def _deliveries(self, before: datetime) -> int:
        rows = 0
        after: str | None = ""
        while after is not None:
            async with self._store.begin(Tx.RETAIN) as tx:
                gone, after = await retention.remove_deliveries(
                    tx, before=before, after=after, limit=ROWS_A_TRANSACTION
                )
            rows += await self._counted(gone)
        return rows

    async def _counted(self, gone: int) -> int:
        self._removed.inc(gone)
        await self._clock.sleep(_PAUSE_S)
        return gone
