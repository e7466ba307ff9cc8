"""Every minute what Alertmanager tells our receivers is compared with what the store has (S29): webhooks and resolutions get lost.

The first pass after a start takes in little, and only to be watched: deliveries that an outage held up come by themselves.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog

from remediator.alerts.payload import Alert
from remediator.alerts.reconcile import Act, Listed, Standing, act
from remediator.clients.alertmanager import ActiveAlert, AlertmanagerPeers
from remediator.clock import Clock
from remediator.engine.door import Door
from remediator.engine.intake import Intake
from remediator.engine.missed_ends import MissedEnds, PrometheusOf
from remediator.errors import FactsMissingError, StoreUnavailableError
from remediator.metrics import Metrics
from remediator.settings import Peers, Settings
from remediator.store import doubts
from remediator.store.database import Tx

_FIRST_PASS = 20
"""Alerts that the first pass takes in at most."""
_SLICE = 500
"""Alerts that are compared in one go: about 1 ms of the loop."""
_WATCHED_LONGER = timedelta(seconds=30)
"""What the first pass took in is decided so long after the second one was due, even if that one could not be made."""

log = structlog.get_logger()


class Reconciliation:
    """For all sources that have an Alertmanager. ``run`` is a duty: one replica does it."""

    def __init__(
        self,
        *,
        store: Door,
        clock: Clock,
        metrics: Metrics,
        settings: Settings,
        intake: Intake,
        alertmanagers: Mapping[str, AlertmanagerPeers],
        prometheus: PrometheusOf,
        on_changed: Callable[[], None],
    ) -> None:
        """``on_changed`` wakes the decider; it must not block."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._every = settings.timings.reconcile
        self._intake = intake
        self._on_changed = on_changed
        self._alertmanagers = alertmanagers
        self._told_how = {
            name: how for name in alertmanagers if (how := settings.sources[name].alertmanager) is not None
        }
        self._ends = {
            name: MissedEnds(name, store=store, clock=clock, intake=intake, alertmanager=peers, prometheus=prometheus)
            for name, peers in alertmanagers.items()
        }
        self._passed: set[str] = set()
        """Sources that had a pass since the start."""

    async def run(self) -> None:
        """Compare every ``timings.reconcile`` until cancelled."""
        self._passed.clear()  # the duty may have been another replica's meanwhile
        while True:
            for source in self._told_how:
                try:
                    await self.reconcile(source)
                    self._metrics.reconciliations.labels(result="done").inc()
                except (FactsMissingError, StoreUnavailableError) as error:
                    self._metrics.reconciliations.labels(result="failed").inc()
                    log.warning("reconciliation_failed", source=source, reason=str(error))
                except (
                    Exception
                ) as error:  # a defect about what one source says must not end the process, and the next one's after it
                    self._metrics.reconciliations.labels(result="failed").inc()
                    log.exception("reconciliation_failed", source=source, reason=type(error).__name__)
            await self._clock.sleep(self._every.total_seconds())

    async def reconcile(self, source: str) -> None:
        """One pass.

        Raises:
            FactsMissingError: Alertmanager cannot be asked.
            StoreUnavailableError: not everything was stored; the next pass finds it again.
        """
        how, first_pass = self._told_how[source], source not in self._passed
        told = await self._told(source, how)
        async with self._store.read() as connection:
            standing = await doubts.standing(connection, source)
        now = self._clock.now()
        acts: dict[Act, list[str]] = {kind: [] for kind in Act}
        for number, fingerprint in enumerate(told.keys() | standing.keys()):
            if number % _SLICE == _SLICE - 1:
                await self._clock.sleep(0)  # gives the others a turn
            alert, row = told.get(fingerprint), standing.get(fingerprint)
            listed = None if alert is None else Listed(alert.state == "active", alert.starts_at)
            known = None if row is None else Standing(row.doubtful, row.confirmed)
            chosen = act(listed, known, now=now, group_wait=how.group_wait, first_pass=first_pass)
            acts[chosen].append(fingerprint)
        missed = [told[fingerprint] for fingerprint in acts[Act.TAKE_IN]]
        taken_in = await self._take_in(source, missed, now, first_pass=first_pass)
        self._count("taken_in", taken_in)
        confirmed = await self._confirm([standing[fingerprint].id for fingerprint in acts[Act.CONFIRM]], now)
        self._count("confirmed", confirmed)
        closed = await self._ends[source].look([standing[fingerprint].id for fingerprint in acts[Act.ASK]])
        self._count("closed", closed)
        self._passed.add(source)
        if missed or confirmed or closed:
            log.info(
                "reconciled",
                source=source,
                listed=len(told),
                missed=len(missed),
                taken_in=taken_in,
                confirmed=confirmed,
                closed=closed,
            )

    def _count(self, result: str, count: int) -> None:
        if count:
            self._metrics.reconciled.labels(result=result).inc(count)
            self._on_changed()

    async def _told(self, source: str, how: Peers) -> dict[str, ActiveAlert]:
        """What our receivers are told of. Told to one of them is told."""
        found: dict[str, ActiveAlert] = {}
        for receiver in how.receivers:
            for alert in await self._alertmanagers[source].told(receiver):
                known = found.get(alert.fingerprint)
                if known is None or known.state != "active":
                    found[alert.fingerprint] = alert
        return found

    async def _take_in(self, source: str, missed: list[ActiveAlert], now: datetime, *, first_pass: bool) -> int:
        missed.sort(key=lambda alert: (alert.starts_at, alert.fingerprint))
        due = missed[:_FIRST_PASS] if first_pass else missed
        watch_until = now + self._every + _WATCHED_LONGER if first_pass else None
        by_receiver: dict[str, list[Alert]] = {}
        for alert in due:
            by_receiver.setdefault(alert.receivers[0], []).append(alert.delivered)
        for receiver, alerts in by_receiver.items():
            await self._intake.take_fetched(source, receiver, alerts, watch_until=watch_until)
        return len(due)

    async def _confirm(self, ids: list[str], now: datetime) -> int:
        if not ids:
            return 0
        async with self._store.begin(Tx.SETTLE_DOUBT) as tx:
            return await doubts.confirm_all(tx, ids, now)
