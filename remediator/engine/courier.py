"""The courier: sends what stands in the outbox until it is taken, at least once, in order per dedup key (S33).

A message is settled in the store after its answer; a crash in between sends it again, which its dedup key makes harmless.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal

import structlog

from remediator.channels.base import Channel, Message, Sent
from remediator.clock import Clock
from remediator.engine.door import Door
from remediator.engine.duty import LostDutyError
from remediator.engine.reach import Reach
from remediator.engine.wakeup import Wakeup
from remediator.errors import OutcomeUnknownError, PermanentError, StoreUnavailableError, TransientError
from remediator.metrics import Metrics
from remediator.store import outbox
from remediator.store.database import Connection, Tx
from remediator.store.outbox import MessageRow

log = structlog.get_logger(__name__)

FIRST_BACK_OFF_S = 2.0
LONGEST_BACK_OFF_S = 300.0
_SHORTEST_S = 0.5
_AT_ONCE = 8
_POLL_S = 5.0
"""The slow poll is the truth; wake-ups are hints (engine.md 7)."""
_STORE_FAILED_S = 1.0
_WINDOW_S = 60.0


class Courier:
    """One per process, in live mode only: nothing of another mode is ever sent (S21, S30)."""

    def __init__(
        self,
        *,
        store: Door,
        clock: Clock,
        channels: Mapping[str, Channel],
        metrics: Metrics,
        wakeup: Wakeup,
        events_per_minute: int,
        jitter: Callable[[], float],
        may_send: Callable[[], bool],
        reach: Reach,
    ) -> None:
        """``jitter`` gives numbers from 0 to below 1, evenly spread. ``events_per_minute`` holds for each channel's other side.

        ``may_send`` is asked before each send: no, when somebody else may be sending by now (S20). ``reach`` is told whether the
        other side answered.
        """
        self._store = store
        self._clock = clock
        self._channels = channels
        self._metrics = metrics
        self._wakeup = wakeup
        self._events_per_minute = events_per_minute
        self._jitter = jitter
        self._may_send = may_send
        self._reach = reach
        self._sent_at: deque[float] = deque()
        self._accepted: dict[str, Sent] = {}
        """Taken by the other side and not yet settled, because the store failed: not to be sent again by this process."""

    async def run(self) -> None:
        """Send until cancelled. What was refused for good gets another chance first: the settings may have been corrected."""
        refused_asked = False
        while True:
            try:
                if not refused_asked:
                    await self._retry_refused()
                    refused_asked = True
                ahead_s = await self._round()
            except StoreUnavailableError as error:
                log.warning("courier_store_unavailable", reason=error.reason)
                ahead_s = _STORE_FAILED_S
            await self._wakeup.wait(self._clock, ahead_s)

    async def send_due(self) -> int:
        """Send what is due now, as far as the rate cap allows; different keys side by side. Returns how many were tried."""
        async with self._store.read() as connection:
            due = await outbox.due(connection, self._clock.now(), min(_AT_ONCE, self._allowed()))
        failures: list[StoreUnavailableError] = []
        async with asyncio.TaskGroup() as group:
            for row in due:
                group.create_task(self._deliver(row, failures))
        if failures:
            raise failures[0]
        return len(due)

    async def _round(self) -> float:
        """One round; returns seconds until the next."""
        if not self._allowed():
            return self._sent_at[0] + _WINDOW_S - self._clock.boottime()
        tried = await self.send_due()
        async with self._store.read() as connection:
            await self._measure(connection)
            due_at = await outbox.next_due_at(connection)
        if tried:
            return 0.0
        ahead_s = _POLL_S if due_at is None else (due_at - self._clock.now()).total_seconds()
        return min(max(ahead_s, 0.0), _POLL_S)

    async def _deliver(self, row: MessageRow, failures: list[StoreUnavailableError]) -> None:
        try:
            result = await self._send(row)
        except StoreUnavailableError as error:
            failures.append(error)
        else:
            self._metrics.pages.labels(channel=row.channel, result=result).inc()

    async def _send(self, row: MessageRow) -> str:
        """Returns what came of it, as the metric calls it."""
        bound = log.bind(dedup_key=row.dedup_key, incident_id=row.incident_id, action=row.action, reason=row.cause)
        try:
            sent = self._accepted.get(row.id) or await self._hand_over(row)
        except PermanentError as error:
            bound.error("message_refused", error=str(error))
            self._reach.open()
            await self._settle(row, "refused", str(error))
            return "refused"
        except (TransientError, OutcomeUnknownError) as error:
            bound.warning("message_not_sent", error=str(error), attempt=row.attempts + 1)
            asked_to_wait_s: float | None = getattr(error, "retry_after_s", None)
            if asked_to_wait_s is None:
                self._reach.closed()
            else:
                self._reach.open()
            await self._postpone(row, str(error), asked_to_wait_s or 0.0)
            return "unknown" if isinstance(error, OutcomeUnknownError) else "failed"
        except StoreUnavailableError:
            raise
        except Exception as error:
            bound.exception("message_not_sent_after_defect", attempt=row.attempts + 1)
            await self._postpone(row, type(error).__name__, 0.0)
            return "failed"
        self._reach.open()
        self._accepted[row.id] = sent
        await self._settle(row, "sent", None if sent.reduced is None else f"without details: {sent.reduced}")
        del self._accepted[row.id]
        bound.info("message_sent", attempt=row.attempts + 1, reduced=sent.reduced)
        return "sent" if sent.reduced is None else "reduced"

    async def _hand_over(self, row: MessageRow) -> Sent:
        channel = self._channels.get(row.channel)
        if channel is None:
            raise PermanentError(f"there is no channel {row.channel!r}; have: {', '.join(self._channels) or 'none'}")
        if not self._may_send():
            raise LostDutyError("another replica may be sending by now")
        self._sent_at.append(self._clock.boottime())
        action: Literal["trigger", "resolve"] = "resolve" if row.action == "resolve" else "trigger"
        return await channel.send(Message(row.dedup_key, action, row.message))

    async def _settle(self, row: MessageRow, state: str, error: str | None) -> None:
        async with self._store.begin(Tx.SETTLE_MESSAGE) as tx:
            await outbox.settle(tx, row.id, state=state, now=self._clock.now(), error=error)

    async def _postpone(self, row: MessageRow, error: str, at_least_s: float) -> None:
        """Exponential back-off with full jitter, for ever."""
        ceiling_s = min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2.0 ** min(row.attempts, 20))
        wait_s = max(ceiling_s * self._jitter(), _SHORTEST_S, at_least_s)
        async with self._store.begin(Tx.SETTLE_MESSAGE) as tx:
            await outbox.postpone(tx, row.id, next_at=self._clock.now() + timedelta(seconds=wait_s), error=error)

    async def _retry_refused(self) -> None:
        async with self._store.begin(Tx.SETTLE_MESSAGE) as tx:
            given = await outbox.retry_refused(tx, self._clock.now())
        if given:
            log.info("refused_messages_tried_again", messages=given)

    async def _measure(self, connection: Connection) -> None:
        oldest_at = await outbox.oldest_waiting_at(connection)
        age_s = 0.0 if oldest_at is None else (self._clock.now() - oldest_at).total_seconds()
        self._metrics.outbox_age.set(max(age_s, 0.0))
        for state, count in (await outbox.count_unsent(connection)).items():
            self._metrics.outbox_rows.labels(state=state).set(count)

    def _allowed(self) -> int:
        """How many may be sent now."""
        now_s = self._clock.boottime()
        while self._sent_at and self._sent_at[0] <= now_s - _WINDOW_S:
            self._sent_at.popleft()
        return max(self._events_per_minute - len(self._sent_at), 0)
