"""One writer commits for all who wait, so that concurrent requests share the price of a durable commit (engine.md 1).

Nobody is answered before the commit. What fails as a batch is tried singly, so that one poisonous alert fails alone (S3).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from remediator.alerts.payload import Rejected
from remediator.alerts.severity import Severity
from remediator.clock import Clock
from remediator.errors import StoreUnavailableError
from remediator.store import inbox
from remediator.store.database import Store, Tx
from remediator.store.fold import Arrival, Taken

ROWS_PER_TRANSACTION = 500
"""More in one commit stalls the disk for everybody (engine.md 11)."""

log = structlog.get_logger()

Stored = Callable[[Sequence[tuple[Arrival, Taken]]], None]


@dataclass(eq=False, slots=True)
class _Waiting:
    arrival: Arrival
    answer: "asyncio.Future[Taken]"
    until: float
    """By the loop's clock: refused when it still waits then."""


class GroupCommit:
    """The writer's queue. ``store`` may be awaited by many; ``run`` is the writer."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        severity_of: Callable[[Mapping[str, str]], Severity],
        timeout_s: float,
        on_stored: Stored,
    ) -> None:
        """``on_stored`` hears of every commit; it must not block."""
        self._store = store
        self._clock = clock
        self._severity_of = severity_of
        self._timeout_s = timeout_s
        self._on_stored = on_stored
        self._waiting: deque[_Waiting] = deque()
        self._committing: Sequence[_Waiting] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self.stopping = False
        self.trouble: str | None = None
        """Why the last commit failed; None after one that did not."""

    async def store(self, arrival: Arrival) -> Taken:
        """Returns once it is durable.

        Raises:
            StoreUnavailableError: it may or may not be stored; S2 makes sending it again harmless.
        """
        if self.stopping:
            raise StoreUnavailableError("stopping")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrival, loop.create_future(), loop.time() + self._timeout_s)
        self._waiting.append(waiting)
        self._wake.set()
        return await waiting.answer

    async def run(self) -> None:
        """Commit what waits until ``stop``. Cancelled, it refuses all who still wait: their senders try again."""
        try:
            while self._waiting or not self.stopping:
                if self._waiting:
                    await self._commit(self._next_batch())
                else:
                    self._wake.clear()
                    await self._wake.wait()
                    await self._clock.sleep(0)  # requests that came in the same turn of the loop join this transaction
        finally:
            self.stopping = True
            self._refuse((*self._committing, *self._waiting), "stopping")
            self._waiting.clear()

    def stop(self) -> None:
        """Take nothing new, commit what waits, then let ``run`` return."""
        self.stopping = True
        self._wake.set()

    async def probe(self) -> None:
        """After a failure: find out by a small commit whether the store takes writes again."""
        if self.trouble is None:
            return
        try:
            async with asyncio.timeout(self._timeout_s), self._store.begin_lean(Tx.INTAKE) as writer:
                await inbox.touch(writer, self._clock.now())
            self.trouble = None
        except StoreUnavailableError as error:
            self.trouble = error.reason
        except TimeoutError:
            self.trouble = self._too_slow

    @property
    def _too_slow(self) -> str:
        return f"commit slower than {self._timeout_s:g} s"

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
        self._committing = batch
        # One timer for all of them: one for each request costs as much as reading its body.
        self._timer = asyncio.get_running_loop().call_at(batch[0].until, self._expire)
        try:
            await self._store_all(batch)
        except StoreUnavailableError as error:
            self._fail(batch, error.reason)
        except Exception as error:
            log.warning("intake_batch_failed", webhooks=len(batch), error=error)
            for waiting in batch:
                await self._store_singly(waiting)
        finally:
            self._timer.cancel()
        self._committing = ()

    def _expire(self) -> None:
        """Refuse whoever has waited too long. Their rows may be committed yet: harmless."""
        loop = asyncio.get_running_loop()
        expired = [waiting for waiting in (*self._committing, *self._waiting) if waiting.until <= loop.time()]
        if any(not waiting.answer.done() for waiting in expired):
            self._fail(expired, self._too_slow)
        self._timer = loop.call_later(self._timeout_s / 8, self._expire)

    async def _store_all(self, batch: Sequence[_Waiting]) -> None:
        arrivals = [waiting.arrival for waiting in batch]
        answers = await self._transaction(arrivals)
        self.trouble = None
        for waiting, taken in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(taken)
        self._on_stored(list(zip(arrivals, answers, strict=True)))

    async def _store_singly(self, waiting: _Waiting) -> None:
        """Alert by alert; one that fails alone is kept as a dead letter."""
        arrival = waiting.arrival
        whole = Taken()
        try:
            for alert in arrival.alerts:
                try:
                    [taken] = await self._transaction([arrival._replace(alerts=[alert])])
                except StoreUnavailableError:
                    raise
                except Exception as error:
                    log.exception("alert_not_storable", source=arrival.source, group_key=arrival.group_key)
                    letter = Rejected(repr(alert).encode("utf-8", "backslashreplace"), f"not storable: {error!r}"[:500])
                    [taken] = await self._transaction([arrival._replace(alerts=[letter])])
                if taken.stored:
                    arrival = arrival._replace(packed=None)
                whole.add(taken)
        except StoreUnavailableError as error:
            self._fail([waiting], error.reason)
        except Exception as error:
            log.exception("webhook_not_storable", source=arrival.source, group_key=arrival.group_key)
            self._fail([waiting], f"not storable: {type(error).__name__}")
        else:
            if not waiting.answer.done():
                waiting.answer.set_result(whole)
            self._on_stored([(arrival, whole)])

    async def _transaction(self, arrivals: Sequence[Arrival]) -> list[Taken]:
        async with self._store.begin_lean(Tx.INTAKE) as writer:
            return await inbox.take_in(writer, arrivals, self._severity_of, self._breathe)

    async def _breathe(self) -> None:
        await self._clock.sleep(0)

    def _fail(self, refused: Sequence[_Waiting], reason: str) -> None:
        self.trouble = reason
        log.warning("intake_refused", webhooks=len(refused), reason=reason)
        self._refuse(refused, reason)

    @staticmethod
    def _refuse(refused: Iterable[_Waiting], reason: str) -> None:
        for waiting in refused:
            if not waiting.answer.done():
                waiting.answer.set_exception(StoreUnavailableError(reason))
