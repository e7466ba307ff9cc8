"""Alerts of our own about certificates that run out: source ``watcher`` (S1), for places where no rule of Prometheus tells of them.

Every pass raises what fires then anew, so that what was raised stays confirmed (S10), and ends what it has looked at and found well,
or no longer there. Of what could not be looked at nothing is ended.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from remediator.alerts.certificate_expiry import SOURCE, alerts, ended, group_of, thresholds
from remediator.alerts.payload import Alert
from remediator.clock import Clock
from remediator.engine.certificate_places import Seen
from remediator.engine.door import Door
from remediator.engine.intake import Intake
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.settings import CertificateSettings
from remediator.store.standing import standing_alerts

RECEIVER = "remediator"
_SHOWN = 20

log = structlog.get_logger()


class Places(Protocol):
    """``engine.certificate_places.CertificatePlaces``."""

    async def look(self) -> Seen:
        """At everything; raises nothing."""
        ...


class CertificateWatch:
    """``run`` is a duty: one replica does it. No Alertmanager knows these alerts, and none is asked about them."""

    def __init__(
        self,
        *,
        store: Door,
        clock: Clock,
        metrics: Metrics,
        intake: Intake,
        places: Places,
        settings: CertificateSettings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._intake = intake
        self._places = places
        self._every: timedelta = settings.every
        self._thresholds = thresholds(warn_within=settings.warn_within, urgent_within=settings.urgent_within)
        self._told: set[str] = set()
        """What could not be looked at in the pass before."""

    async def run(self) -> None:
        """Look every ``certificates.every`` until cancelled."""
        while True:
            result = "failed"
            try:
                result = "done" if await self.look() else "failed"
            except StoreUnavailableError as error:
                log.warning("certificate_look_failed", reason=str(error))
            except (
                Exception
            ) as error:  # a defect about one certificate must not end the process, and the next one's after it
                log.exception("certificate_look_failed", reason=type(error).__name__)
            self._metrics.certificate_looks.labels(result=result).inc()
            await self._clock.sleep(self._every.total_seconds())

    async def look(self) -> bool:
        """One pass. Could everything be looked at?

        Raises:
            StoreUnavailableError: not all is stored; the next pass finds it again.
        """
        seen = await self._places.look()
        self._tell(seen)
        now = self._clock.now()
        firing = [alert for held in seen.held for alert in alerts(held, self._thresholds, now)]
        found = {alert.fingerprint for alert in firing}
        unknown = [one.place.items() for one in seen.unread]
        async with self._store.read() as connection:
            standing = await standing_alerts(connection, SOURCE)
        over = [
            ended(one.labels, one.last_starts_at, now)
            for one in standing
            if one.fingerprint not in found and not any(place <= one.labels.items() for place in unknown)
        ]
        counts = await _take(self._intake, [*over, *firing])
        if counts["new"] or counts["resolved"]:
            log.info("certificates_looked_at", listed=len(seen.held), new=counts["new"], closed=counts["resolved"])
        return not seen.unread

    def _tell(self, seen: Seen) -> None:
        """Each thing once, until it could be read in between."""
        now = {" ".join(f"{name}={value}" for name, value in one.place.items()): one.why for one in seen.unread}
        for place in [place for place in now if place not in self._told][:_SHOWN]:
            log.warning("certificates_not_read", target=place, reason=now[place])
        self._told = set(now)


async def end_all(store: Door, intake: Intake, clock: Clock) -> None:
    """The watcher is switched off: what it raised is over. A store that cannot take it now must not keep the rest from starting."""
    try:
        async with store.read() as connection:
            standing = await standing_alerts(connection, SOURCE)
        now = clock.now()
        await _take(intake, [ended(one.labels, one.last_starts_at, now) for one in standing])
    except StoreUnavailableError as error:
        log.warning("certificate_look_failed", reason=str(error))


async def _take(intake: Intake, alerts: Sequence[Alert]) -> "Counter[str]":
    """Each certificate is a group of its own: where no playbook takes them, each has an incident and a page, and ends by itself."""
    groups: dict[str, list[Alert]] = {}
    for alert in alerts:
        groups.setdefault(group_of(alert.labels), []).append(alert)
    counts: Counter[str] = Counter()
    taking = (intake.take_fetched(SOURCE, RECEIVER, those, group_key=key) for key, those in groups.items())
    for taken in await asyncio.gather(*taking, return_exceptions=True):  # none is left behind when another fails
        if isinstance(taken, BaseException):
            raise taken
        counts.update(taken)
    return counts
