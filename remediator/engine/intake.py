"""Webhook bodies into the store: read, fold by S2, commit; only then is anybody answered (engine.md 1).

A body with many alerts goes through in several transactions, one after the other, and others get their turn between them. When a
later one fails, its sender is told so and sends again, and S2 makes that harmless.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

import structlog

from remediator.alerts.payload import Alert, Envelope, Rejected, parse_alerts, parse_envelope
from remediator.alerts.severity import Severity, severity_of
from remediator.clock import Clock
from remediator.engine.group_commit import GroupCommit
from remediator.errors import StoreUnavailableError
from remediator.ids import new_id
from remediator.metrics import ALERT_RESULTS, Metrics
from remediator.settings import BUILT_IN_SOURCES
from remediator.store import inbox
from remediator.store.database import Store, Tx
from remediator.store.fold import Arrival, Taken

Counts: TypeAlias = dict[str, int]
"""What the webhook answers: ``alerts`` and each of ``metrics.ALERT_RESULTS``."""

_SLICE = 500
"""Alerts of one body that are read in one go, about 3 ms of the loop, and stored by one commit."""

_IN_A_THREAD = 256 * 1024
"""Bodies above this many bytes are compressed in a thread, which leaves Python's lock to the loop (reading them would not)."""

_LETTERS = 500
"""About so many alerts of one body that could not be understood are kept as dead letters; the others are only counted."""

_IN_ALL = 2
"""A body in many slices may take so many times as long as one commit; Alertmanager's peers wait 15 s before they send it again."""

_FEW = 8
"""Up to this many webhooks in one commit get a log line each; a storm gets one line a commit."""

log = structlog.get_logger()


class Intake:
    """The door. Give ``run`` to a task group; ``stop`` ends it once all that waits is answered."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        on_stored: Callable[[], None],
        on_owed: Callable[[], None],
        severities: Mapping[str, Severity],
        watchdog: str | None = None,
        queue: int = 2_000,
        commit_timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        """``on_stored`` is called after every commit that may have given the decider something to do; ``on_owed`` when
        alerts are missing that the reconciler has to fetch. Neither may block.

        ``severities`` is the whole map from label values (S4); ``watchdog`` the name of the alert that always fires (S30).
        """
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._on_stored = on_stored
        self._on_owed = on_owed
        self._severities = severities
        self._watchdog = watchdog
        self._queue = queue
        self._within_s = _IN_ALL * commit_timeout.total_seconds()
        self._inside = 0
        self._writer = GroupCommit(
            store=store,
            clock=clock,
            severity_of=partial(severity_of, values=severities),
            timeout_s=commit_timeout.total_seconds(),
            on_stored=self._stored,
        )
        metrics.queue_depth.labels(queue="intake").set_function(lambda: self._inside)

    async def take(self, source: str, body: bytes) -> Counts:
        """Store a webhook's alerts; returns after the commit, so that its answer may be 200. Safe to repeat.

        Raises:
            NotAlertmanagerError: the body is not JSON or has no ``alerts``.
            TooManyAlertsError: it is to be treated as too large.
            StoreUnavailableError: nothing is promised about this body; it has to be sent again.
        """
        if source in BUILT_IN_SOURCES:
            raise ValueError(f"source {source!r} is built in and takes no webhooks")
        if self._inside >= self._queue:
            raise StoreUnavailableError(self._full)
        self._inside += 1
        try:
            return await self._take(source, body)
        finally:
            self._inside -= 1

    async def take_fetched(
        self,
        source: str,
        receiver: str,
        alerts: Sequence[Alert],
        *,
        watch_until: datetime | None = None,
        group_key: str = "",
    ) -> Counts:
        """Store alerts that Alertmanager's API showed, or showed to be over, as if they had been delivered.

        With ``watch_until`` what they open is only watched until then, unless a delivery or the API shows it again (S29).

        Raises:
            StoreUnavailableError: not all are stored; fetch again later.
        """
        envelope = Envelope(receiver=receiver, group_key=group_key, external_url="", truncated=0, raw_alerts=())
        counts = _zero()
        for at in range(0, len(alerts), _SLICE):
            part = self._arrival(source, envelope, alerts[at : at + _SLICE], delivery_id=None, packed=None)
            _add(counts, await self._writer.store(part._replace(watch_until=watch_until)))
        return counts

    async def too_large(self, source: str, error: str, receiver: str) -> None:
        """Remember a body that was not read, and why: people see a dead letter, the reconciler fetches what was in it (S3).

        Raises:
            StoreUnavailableError: it could not be remembered.
        """
        async with self._store.begin_lean(Tx.INTAKE) as writer:
            await inbox.owe(writer, source, self._clock.now(), receiver, error)
        self._metrics.dead_letters.inc()
        self._on_stored()
        self._on_owed()

    async def trouble(self) -> str | None:
        """Why alerts cannot be taken now; None when they can. After a failure it tries a small commit to find out."""
        if self._writer.stopping:
            return "stopping"
        if self._inside >= self._queue:
            return self._full
        await self._writer.probe()
        return self._writer.trouble

    async def run(self) -> None:
        """Commit what waits until ``stop``. Cancelled, it refuses all who still wait: their senders try again."""
        await self._writer.run()

    def stop(self) -> None:
        """Take nothing new, commit what waits, then let ``run`` return. Stop the web server first."""
        self._writer.stop()

    @property
    def _full(self) -> str:
        return f"queue full: {self._inside} webhooks wait for the store"

    async def _take(self, source: str, body: bytes) -> Counts:
        envelope = parse_envelope(body)
        packed: Callable[[], bytes] | None = partial(inbox.pack, body)
        if len(body) > _IN_A_THREAD:
            packed = partial(bytes, await asyncio.to_thread(inbox.pack, body))
        counts = _zero()
        delivery_id = new_id("dlv")
        raw = envelope.raw_alerts
        until = self._clock.boottime() + self._within_s
        for at in range(0, max(1, len(raw)), _SLICE):
            if self._clock.boottime() > until:
                raise StoreUnavailableError(f"only {at} of {len(raw)} alerts are stored after {self._within_s:g} s")
            alerts = parse_alerts(raw[at : at + _SLICE])
            if counts["rejected"] >= _LETTERS:
                whole = [alert for alert in alerts if isinstance(alert, Alert)]
                self._only_counted(counts, len(alerts) - len(whole))
                if not whole:
                    await self._clock.sleep(0)
                    continue
                alerts = list(whole)
            part = self._arrival(source, envelope, alerts, delivery_id=delivery_id, packed=packed)
            taken = await self._writer.store(part)
            if taken.stored:
                packed = None
            _add(counts, taken)
        if envelope.truncated:
            self._metrics.truncated_groups.inc()
            self._on_owed()
        return counts

    def _only_counted(self, counts: Counts, rejected: int) -> None:
        counts["rejected"] += rejected
        counts["alerts"] += rejected
        self._metrics.alerts.labels(result="rejected").inc(rejected)
        self._metrics.dead_letters.inc(rejected)

    def _arrival(
        self,
        source: str,
        envelope: Envelope,
        alerts: Sequence[Alert | Rejected],
        *,
        delivery_id: str | None,
        packed: Callable[[], bytes] | None,
    ) -> Arrival:
        return Arrival(
            source=source,
            received_at=self._clock.now(),
            receiver=envelope.receiver,
            group_key=envelope.group_key,
            external_url=envelope.external_url,
            truncated=envelope.truncated,
            total=len(envelope.raw_alerts),
            alerts=alerts,
            delivery_id=delivery_id,
            packed=packed,
        )

    def _stored(self, committed: Sequence[tuple[Arrival, Taken]]) -> None:
        """Tell metrics, the log and the decider what was stored."""
        whole = Taken()
        for _, taken in committed:
            whole.add(taken)
        for effect, times in whole.effects.items():
            self._metrics.alerts.labels(result=effect).inc(times)
        self._metrics.dead_letters.inc(whole.effects.get("rejected", 0))
        if whole.effects.keys() - {"repeats"}:
            self._on_stored()
        if len(committed) <= _FEW:
            for arrival, taken in committed:
                log.info("webhook_stored", source=arrival.source, group_key=arrival.group_key, **taken.effects)
        else:
            sources = sorted({arrival.source for arrival, _ in committed})
            log.info("webhooks_stored", webhooks=len(committed), sources=sources, **whole.effects)
        if self._watchdog is not None:
            for arrival, _ in committed:
                if any(_is_heartbeat(alert, self._watchdog) for alert in arrival.alerts):
                    self._metrics.watchdog_last_seen_at.set(arrival.received_at.timestamp())


def _zero() -> Counts:
    return dict.fromkeys(("alerts", *ALERT_RESULTS), 0)


def _add(counts: Counts, taken: Taken) -> None:
    for effect, times in taken.effects.items():
        counts[effect] += times
        counts["alerts"] += times


def _is_heartbeat(alert: Alert | Rejected, watchdog: str) -> bool:
    return isinstance(alert, Alert) and alert.firing and alert.labels.get("alertname") == watchdog
