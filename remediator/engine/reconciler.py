"""Asks Alertmanager what really fires: about doubtful and old episodes (S2, S10), and for alerts that no body held (S3).

It only ever adds what fires. Absence closes nothing, save an episode that was doubtful to begin with.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Protocol

import structlog

from remediator.alerts.episode import State, judge
from remediator.answers import Answer
from remediator.clients.alertmanager import ActiveAlert, Listing, matcher_text
from remediator.clock import Clock
from remediator.engine.intake import Intake
from remediator.engine.wakeup import Wakeup
from remediator.errors import FactsMissingError, StoreUnavailableError
from remediator.metrics import Metrics
from remediator.store import doubts, episodes
from remediator.store.database import Store, Tx
from remediator.store.doubts import Debt, Questioned
from remediator.store.episodes import EpisodeRow

POLL_S = 30.0
"""How often what is owed is looked for, beside being woken; also the pause after a fetch that failed."""

log = structlog.get_logger()


class Peers(Protocol):
    """One source's Alertmanager (``clients.alertmanager.AlertmanagerPeers``)."""

    async def listing(self, matchers: Sequence[str] = (), *, receiver: str | None = None) -> Listing:
        """Raises FactsMissingError when no peer can be asked."""
        ...


class Reconciler:
    """``run`` fetches what is owed; ``settle_doubt`` and ``confirm`` answer the decider's questions."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        intake: Intake,
        peers: Mapping[str, Peers],
        receivers: Mapping[str, Sequence[str]],
        on_settled: Callable[[], None],
    ) -> None:
        """``peers`` and ``receivers`` by source; a source without an Alertmanager API has none. ``on_settled`` wakes the decider; it
        must not block.
        """
        self._store = store
        self._clock = clock
        self._intake = intake
        self._peers = peers
        self._receivers = receivers
        self._on_settled = on_settled
        self._late = metrics.alerts.labels(result="late")
        self._wakeup = Wakeup()

    async def settle_doubt(self, episode: EpisodeRow) -> None:
        """Ask about a doubtful episode and store what becomes of it (S2): open again, or closed as a late copy. Safe to repeat.

        Nothing happens when it is no longer doubtful, or when a delivery came while the question was under way.

        Raises:
            StoreUnavailableError: ask again later.
        """
        async with self._store.read() as connection:
            seen = await doubts.questioned(connection, episode.id)
        if seen is None or seen.timeline.state is not State.DOUBTFUL:
            return
        answer, alert = await self._ask(seen)
        active = {Answer.YES: True, Answer.NO: False, Answer.UNKNOWN: None}[answer]
        judged = judge(seen.timeline, active=active, starts_at=None if alert is None else alert.starts_at)
        async with self._store.begin(Tx.SETTLE_DOUBT) as connection:
            now = self._clock.now()
            confirmed_at = {Answer.YES: now, Answer.NO: seen.confirmed_at, Answer.UNKNOWN: None}[answer]
            stored = await doubts.settle(connection, seen, judged, confirmed_at=confirmed_at, now=now)
        if stored:
            self._settled(seen, answer)

    async def confirm(self, episode: EpisodeRow) -> EpisodeRow:
        """Ask whether an open episode still fires; gives it back as it is then. A yes confirms it, so that it may be acted on (S10).

        A no closes it only if it was reopened for want of an answer: the question of S2, answered late. Safe to repeat.

        Raises:
            StoreUnavailableError: ask again later.
        """
        async with self._store.read() as connection:
            seen = await doubts.questioned(connection, episode.id)
        if seen is None or seen.timeline.state is not State.OPEN:
            return await self._fresh(episode)
        answer, _ = await self._ask(seen)
        if answer is Answer.YES:
            async with self._store.begin(Tx.SETTLE_DOUBT) as connection:
                await doubts.confirm(connection, seen, self._clock.now())
        elif answer is Answer.NO and seen.confirmed_at is None:
            async with self._store.begin(Tx.SETTLE_DOUBT) as connection:
                closed = judge(seen.timeline, active=False)
                stored = await doubts.settle(connection, seen, closed, confirmed_at=None, now=self._clock.now())
            if stored:
                self._settled(seen, answer)
        return await self._fresh(episode)

    async def _fresh(self, episode: EpisodeRow) -> EpisodeRow:
        async with self._store.read() as connection:
            return await episodes.episode(connection, episode.id) or episode

    def wake(self) -> None:
        """Something is owed since now: fetch it without waiting for the next poll."""
        self._wakeup()

    async def run(self) -> None:
        """Fetch what is owed until cancelled."""
        while True:
            try:
                await self.fetch_owed()
            except StoreUnavailableError as error:
                log.warning("fetch_of_owed_alerts_failed", reason=error.reason)
            except (
                Exception
            ) as error:  # a defect about what one source says must not end the process, and the next one's after it
                log.exception("fetch_of_owed_alerts_failed", reason=type(error).__name__)
            await self._wakeup.wait(self._clock, POLL_S)

    async def fetch_owed(self) -> None:
        """One round: everything that max_alerts or our size limit kept from us, as far as Alertmanager can be asked now.

        Raises:
            StoreUnavailableError: what is owed stays owed.
        """
        async with self._store.read() as connection:
            owed = await doubts.debts(connection)
        owed.sort(key=lambda debt: (debt.source, debt.receiver))
        for (source, receiver), group in groupby(owed, key=lambda debt: (debt.source, debt.receiver)):
            await self._fetch(source, receiver, list(group))

    async def _fetch(self, source: str, receiver: str, owed: Sequence[Debt]) -> None:
        peers = self._peers.get(source)
        if peers is None:
            why = f"they cannot be fetched, since sources.{source}.alertmanager is not set"
            log.warning("alerts_lost", source=source, receiver=receiver, deliveries=len(owed))
            async with self._store.begin(Tx.MARK) as connection:
                await doubts.give_up(connection, owed, why, self._clock.now())
            self._on_settled()
            return
        # Of a body that was not read the receiver may be unknown: then it is one of ours, never anybody else's (S29).
        receivers = [receiver] if receiver else self._receivers[source]
        latest = max(debt.received_at for debt in owed)
        try:
            for name in receivers:
                listing = await peers.listing(receiver=name)
                due = [one.delivered for one in listing.alerts if one.state == "active" and one.starts_at <= latest]
                counts = await self._intake.take_fetched(source, name, due)
                log.info("owed_alerts_fetched", source=source, receiver=name, **counts)
        except FactsMissingError as error:
            log.warning("owed_alerts_not_fetched", source=source, receiver=receiver, reason=str(error))
            return
        async with self._store.begin(Tx.MARK) as connection:
            await doubts.pay(connection, owed, self._clock.now())

    async def _ask(self, seen: Questioned) -> tuple[Answer, ActiveAlert | None]:
        """Suppressed is firing too: a silence is no reason to believe that an alert is over."""
        peers = self._peers.get(seen.source)
        if peers is None:
            return Answer.UNKNOWN, None
        try:
            listing = await peers.listing([matcher_text(name, value) for name, value in seen.labels.items()])
        except FactsMissingError as error:
            log.warning("doubt_not_answered", episode_id=seen.id, fingerprint=seen.fingerprint, reason=str(error))
            return Answer.UNKNOWN, None
        for alert in listing.alerts:
            if alert.fingerprint == seen.fingerprint:
                return Answer.YES, alert
        return (Answer.NO if listing.absence_doubt is None else Answer.UNKNOWN), None

    def _settled(self, seen: Questioned, answer: Answer) -> None:
        if answer is Answer.NO:
            self._late.inc()
        log.info(
            "doubt_settled", episode_id=seen.id, fingerprint=seen.fingerprint, source=seen.source, firing=answer.value
        )
        self._on_settled()
