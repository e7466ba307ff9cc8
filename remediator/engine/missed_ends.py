"""Open episodes that Alertmanager no longer lists for us: over, their resolution lost, or only not listed? S26 says which."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from remediator.alerts.episode import State
from remediator.alerts.payload import Alert
from remediator.answers import Answer
from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.prometheus import PrometheusClient
from remediator.clock import Clock
from remediator.conditions.alert_resolved import look_for_the_end
from remediator.conditions.base import EpisodeView, Known, Look
from remediator.engine.door import Door
from remediator.engine.intake import Intake
from remediator.store import doubts, incidents
from remediator.store.database import Tx
from remediator.store.doubts import Questioned

_AT_ONCE = 50
"""Episodes that are asked about in one pass, a few requests each; those not asked about for longest come first."""
_NEVER = -1.0
_MICROSECOND = timedelta(microseconds=1)

PrometheusOf = Callable[[str, Mapping[str, str]], PrometheusClient | None]
"""The Prometheus that evaluates the rules of a source's alert with these labels, where one is configured."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Absence:
    """An episode that no look has found since."""

    since: datetime
    last_received_at: datetime
    """A delivery after it makes what was looked at before old."""


class MissedEnds:
    """Of one source. What the looks before have shown is remembered in the process: after a start two looks are needed again."""

    def __init__(
        self,
        source: str,
        *,
        store: Door,
        clock: Clock,
        intake: Intake,
        alertmanager: AlertmanagerPeers,
        prometheus: PrometheusOf,
    ) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._intake = intake
        self._alertmanager = alertmanager
        self._prometheus = prometheus
        self._absent: dict[str, _Absence] = {}
        self._asked_at: dict[str, float] = {}

    async def look(self, unlisted: Sequence[str]) -> int:
        """Ask once about these open episodes, or some of them when they are many. Returns how many were over and are closed now.

        Raises:
            StoreUnavailableError: not all were asked about.
        """
        present = set(unlisted)
        self._absent = {one: absence for one, absence in self._absent.items() if one in present}
        self._asked_at = {one: at for one, at in self._asked_at.items() if one in present}
        closed = 0
        for episode_id in sorted(present, key=lambda one: (self._asked_at.get(one, _NEVER), one))[:_AT_ONCE]:
            self._asked_at[episode_id] = self._clock.boottime()
            closed += await self._look_at(episode_id)
        return closed

    async def _look_at(self, episode_id: str) -> bool:
        seen = await self._open(episode_id)
        if seen is None:
            return False
        before = self._absent.pop(episode_id, None)
        if before is not None and before.last_received_at != seen.last_received_at:
            before = None
        now = self._clock.now()
        view = EpisodeView(seen.fingerprint, seen.labels, True, seen.timeline.starts_at, None)
        known = Known(
            now=now,
            labels=seen.labels,
            episodes=(view,),
            absent_since=None if before is None else before.since,
            concerns=lambda labels: labels == seen.labels,
        )
        look = await look_for_the_end(self._prometheus(self._source, seen.labels), self._alertmanager, known)
        if look.absent:
            self._absent[episode_id] = before or _Absence(now, seen.last_received_at)
        if look.answer is not Answer.YES:
            return False
        return await self._close(seen, self._absent[episode_id].since, look)

    async def _close(self, seen: Questioned, since: datetime, look: Look) -> bool:
        """As if the resolution had been delivered, unless a delivery came during the look. One that comes in this very moment, firing,
        is not lost: the next pass finds the alert listed and closed, and takes it in again."""
        present = await self._open(seen.id)
        if present is None or present.last_received_at != seen.last_received_at:
            return False
        timeline = present.timeline
        bounds = [since, timeline.last_starts_at]
        if timeline.ended_at is not None:
            bounds.append(timeline.ended_at + _MICROSECOND)
        over = Alert(
            firing=False,
            labels=dict(seen.labels),
            annotations={},
            starts_at=timeline.last_starts_at,
            ends_at=max(bounds),  # when it really ended nobody has told; Prometheus's clock may be ahead of ours
            generator_url="",
            fingerprint=seen.fingerprint,
        )
        await self._intake.take_fetched(self._source, "", [over])
        log.info(
            "missed_end_found", episode_id=seen.id, fingerprint=seen.fingerprint, source=self._source, seen=look.seen
        )
        if seen.incident_id is not None:
            told = f"{seen.labels.get('alertname', 'alert')} is over, though no resolution was delivered: {look.seen}"
            async with self._store.begin(Tx.MARK) as tx:
                detail = {"episode_id": seen.id}
                await incidents.add_event(tx, seen.incident_id, None, self._clock.now(), "found_over", told, detail)
        return True

    async def _open(self, episode_id: str) -> Questioned | None:
        async with self._store.read() as connection:
            found = await doubts.questioned(connection, episode_id)
        return found if found is not None and found.timeline.state is State.OPEN else None
