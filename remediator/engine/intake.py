"""Webhook bodies into the store: one writer commits for all who wait, and nobody is answered before the commit (engine.md 1).

``take`` reads the body and hands its alerts to the writer; ``run`` is the writer. It takes all that waits, up to 500 alerts, into
one transaction, so that the price of a durable commit is shared by concurrent requests. A body with more alerts goes through in
several transactions, one after the other: when a later one fails, its sender is told so and sends again, and S2 makes that harmless.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TypeAlias

import structlog

from remediator.alerts.payload import Alert, Envelope, Rejected, parse_alerts, parse_envelope
from remediator.alerts.severity import Severity, severity_of
from remediator.clock import Clock
from remediator.errors import StoreUnavailableError
from remediator.ids import new_id
from remediator.metrics import ALERT_RESULTS, Metrics
from remediator.settings import BUILT_IN_SOURCES
from remediator.store import inbox
from remediator.store.database import Store, Tx
from remediator.store.fold import Arrival, Taken

Counts: TypeAlias = dict[str, int]
"""What the webhook answers: ``alerts`` and each of ``metrics.ALERT_RESULTS``."""

ROWS_PER_TRANSACTION = 500
"""More in one commit stalls the disk for everybody (engine.md 11)."""

_SLICE = 250
"""Alerts of one body that are read and stored in one go: about 3 ms of the loop."""

_IN_A_THREAD = 256 * 1024
"""Bodies above this many bytes are read and compressed in a thread."""

_FEW = 8
"""Up to this many webhooks in one commit get a log line each; a storm gets one line a commit."""

log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _Waiting:
    arrival: Arrival
    answer: "asyncio.Future[Taken]"


class Intake:
    """The door's writer. Give ``run`` to a task group; ``stop`` ends it once all that waits is answered."""

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
        self._queue_limit = queue
        self._commit_timeout_s = commit_timeout.total_seconds()
        self._waiting: deque[_Waiting] = deque()
        self._inside = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._trouble: str | None = None
        self._results = {result: metrics.alerts.labels(result=result) for result in ALERT_RESULTS}
        self._depth = metrics.queue_depth.labels(queue="intake")

    async def take(self, source: str, body: bytes) -> Counts:
        """Store a webhook's alerts; returns after the commit, so that its answer may be 200. Safe to repeat.

        Raises:
            NotAlertmanagerError: the body is not JSON or has no ``alerts``.
            StoreUnavailableError: nothing is promised about this body; it has to be sent again.
        """
        if source in BUILT_IN_SOURCES:
            raise ValueError(f"source {source!r} is built in and takes no webhooks")
        if self._inside >= self._queue_limit:
            raise StoreUnavailableError(f"queue full: {self._inside} webhooks wait for the store")
        self._inside += 1
        self._depth.set(self._inside)
        try:
            return await self._take(source, body)
        finally:
            self._inside -= 1
            self._depth.set(self._inside)

    async def take_fetched(self, source: str, receiver: str, alerts: Sequence[Alert]) -> Counts:
        """Store firing alerts that Alertmanager's API showed, as if they had been delivered.

        Raises:
            StoreUnavailableError: not all are stored; fetch again later.
        """
        envelope = Envelope(receiver=receiver, group_key="", external_url="", truncated=0, raw_alerts=())
        counts = dict.fromkeys(("alerts", *ALERT_RESULTS), 0)
        for at in range(0, len(alerts), _SLICE):
            part = self._arrival(source, envelope, alerts[at : at + _SLICE], delivery_id=None, packed=None)
            self._add(counts, await self._submit(part))
        return counts

    async def too_large(self, source: str, size: int | None, limit: int, receiver: str) -> None:
        """Remember a body that was not read: people see a dead letter, the reconciler fetches what was in it (S3).

        Raises:
            StoreUnavailableError: it could not be remembered.
        """
        given = "unknown size" if size is None else f"{size} bytes"
        error = f"body of {given} is over the limit of {limit} (settings: max_body); refused with 413"
        async with self._store.begin(Tx.INTAKE) as connection:
            await inbox.owe(connection, source, self._clock.now(), receiver, error)
        self._metrics.dead_letters.inc()
        self._on_stored()
        self._on_owed()

    async def trouble(self) -> str | None:
        """Why alerts cannot be taken now; None when they can. After a failure it tries a small commit to find out."""
        if self._stopping:
            return "stopping"
        if self._inside >= self._queue_limit:
            return f"queue full: {self._inside} webhooks wait for the store"
        if self._trouble is not None:
            try:
                async with asyncio.timeout(self._commit_timeout_s), self._store.begin(Tx.INTAKE) as connection:
                    await inbox.touch(connection, self._clock.now())
                self._trouble = None
            except StoreUnavailableError as error:
                self._trouble = error.reason
            except TimeoutError:
                self._trouble = self._too_slow()
        return self._trouble

    async def run(self) -> None:
        """Commit what waits until ``stop``. Cancelled, it answers all who still wait with an error: their senders try again."""
        try:
            while self._waiting or not self._stopping:
                if not self._waiting:
                    self._wake.clear()
                    await self._wake.wait()
                    await self._clock.sleep(0)  # requests that came in the same turn of the loop join this transaction
                    continue
                await self._commit(self._next_batch())
        finally:
            self._stopping = True
            self._refuse([*self._waiting], StoreUnavailableError("stopping"))
            self._waiting.clear()

    def stop(self) -> None:
        """Take nothing new, finish what waits, then let ``run`` return. Stop the web server first."""
        self._stopping = True
        self._wake.set()

    async def _take(self, source: str, body: bytes) -> Counts:
        packed: Callable[[], bytes] | None = partial(inbox.pack, body)
        if len(body) <= _IN_A_THREAD:
            envelope = parse_envelope(body)
        else:
            envelope = await asyncio.to_thread(parse_envelope, body)
            packed = partial(bytes, await asyncio.to_thread(inbox.pack, body))
        counts = dict.fromkeys(("alerts", *ALERT_RESULTS), 0)
        delivery_id = new_id("dlv")
        raw = envelope.raw_alerts
        for at in range(0, max(1, len(raw)), _SLICE):
            alerts = parse_alerts(raw[at : at + _SLICE])
            taken = await self._submit(self._arrival(source, envelope, alerts, delivery_id=delivery_id, packed=packed))
            if taken.stored:
                packed = None
            self._add(counts, taken)
        if envelope.truncated:
            self._metrics.truncated_groups.inc()
            self._on_owed()
        return counts

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

    def _add(self, counts: Counts, taken: Taken) -> None:
        for effect, times in taken.effects.items():
            counts[effect] += times
            counts["alerts"] += times
            self._results[effect].inc(times)
        if rejected := taken.effects.get("rejected"):
            self._metrics.dead_letters.inc(rejected)

    async def _submit(self, arrival: Arrival) -> Taken:
        if self._stopping:
            raise StoreUnavailableError("stopping")
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(arrival, answer))
        self._wake.set()
        try:
            async with asyncio.timeout(self._commit_timeout_s):
                return await answer  # cancelled by the time-out while it still waits, it is left out of the next batch
        except TimeoutError:
            self._trouble = self._too_slow()
            raise StoreUnavailableError(self._trouble) from None

    def _too_slow(self) -> str:
        return f"commit slower than {self._commit_timeout_s:g} s"

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting and (not batch or rows + len(self._waiting[0].arrival.alerts) <= ROWS_PER_TRANSACTION):
            waiting = self._waiting.popleft()
            if not waiting.answer.done():
                batch.append(waiting)
                rows += len(waiting.arrival.alerts)
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        try:
            answers = await self._store_all([waiting.arrival for waiting in batch])
        except StoreUnavailableError as error:
            self._trouble = error.reason
            log.warning("intake_refused", webhooks=len(batch), reason=error.reason)
            self._refuse(batch, error)
        except Exception as error:  # whatever one body did to the transaction, it must not do to its neighbours (S3)
            log.warning("intake_batch_failed", webhooks=len(batch), error=error)
            for waiting in batch:
                await self._commit_singly(waiting)
        except asyncio.CancelledError:
            self._refuse(batch, StoreUnavailableError("stopping"))
            raise
        else:
            self._trouble = None
            for waiting, taken in zip(batch, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(taken)
            self._note(batch, answers)

    async def _commit_singly(self, waiting: _Waiting) -> None:
        """Alert by alert; one that fails alone is kept as a dead letter."""
        whole = Taken()
        arrival = waiting.arrival
        try:
            for alert in arrival.alerts:
                try:
                    [taken] = await self._store_all([replace(arrival, alerts=[alert])])
                except StoreUnavailableError:
                    raise
                except Exception as error:
                    log.exception("alert_cannot_be_stored", source=arrival.source, group_key=arrival.group_key)
                    letter = Rejected(
                        repr(alert).encode("utf-8", "backslashreplace"), f"cannot be stored: {type(error).__name__}"
                    )
                    [taken] = await self._store_all([replace(arrival, alerts=[letter])])
                if taken.stored:
                    arrival = replace(arrival, packed=None)
                whole.add(taken)
        except StoreUnavailableError as error:
            self._refuse([waiting], error)
        except Exception as error:
            log.exception("webhook_cannot_be_stored", source=arrival.source, group_key=arrival.group_key)
            self._refuse([waiting], StoreUnavailableError(f"cannot be stored: {type(error).__name__}"))
        else:
            if not waiting.answer.done():
                waiting.answer.set_result(whole)
            self._note([waiting], [whole])

    async def _store_all(self, arrivals: Sequence[Arrival]) -> list[Taken]:
        began = self._clock.boottime()
        async with self._store.begin(Tx.INTAKE) as connection:
            answers = await inbox.take_in(connection, arrivals, self._severity_of)
        self._metrics.commit_duration.observe(self._clock.boottime() - began)
        return answers

    def _severity_of(self, labels: Mapping[str, str]) -> Severity:
        return severity_of(labels, self._severities)

    def _note(self, batch: Sequence[_Waiting], answers: Sequence[Taken]) -> None:
        """Tell the log and the decider what was stored."""
        if any(taken.effects.keys() - {"repeats"} for taken in answers):
            self._on_stored()
        if len(batch) <= _FEW:
            for waiting, taken in zip(batch, answers, strict=True):
                log.info(
                    "webhook_stored",
                    source=waiting.arrival.source,
                    group_key=waiting.arrival.group_key,
                    **taken.effects,
                )
        else:
            whole = Taken()
            for taken in answers:
                whole.add(taken)
            sources = sorted({waiting.arrival.source for waiting in batch})
            log.info("webhooks_stored", webhooks=len(batch), sources=sources, **whole.effects)
        if self._watchdog is not None:
            self._look_for_watchdog(batch)

    def _look_for_watchdog(self, batch: Sequence[_Waiting]) -> None:
        for waiting in batch:
            for alert in waiting.arrival.alerts:
                if isinstance(alert, Alert) and alert.firing and alert.labels.get("alertname") == self._watchdog:
                    self._metrics.watchdog_last_seen_at.set(waiting.arrival.received_at.timestamp())

    @staticmethod
    def _refuse(batch: Sequence[_Waiting], error: StoreUnavailableError) -> None:
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
