"""Webhook receivers: when a flush is worth a request, and how it is sent, retried and given up."""

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp

from remediator.sandbox.signals import Signal
from remediator.sandbox.timekeeping import Pace
from remediator.sandbox.webhook_body import USER_AGENT, Flush, render


@dataclass(frozen=True, slots=True)
class Webhook:
    """One receiver. `bearer_token` goes out as Authorization; `max_alerts` 0 means all."""

    url: str
    receiver: str = "remediator"
    bearer_token: str | None = None
    send_resolved: bool = True
    max_alerts: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and what came of it; `status` None: no answer."""

    sent_at: datetime
    receiver: str
    group: str
    status: int | None
    body: bytes


@dataclass(frozen=True, slots=True)
class _Notified:
    """The notification log's entry of one group and receiver."""

    firing: frozenset[str]
    resolved: frozenset[str]
    at: datetime


class Delivery:
    """Sends flushes to one webhook, with the notification log that keeps repeats away."""

    def __init__(
        self,
        webhook: Webhook,
        pace: Pace,
        *,
        repeat_interval_s: float,
        backoff_s: float,
        external_url: str,
        changed: Signal,
    ) -> None:
        self.webhook = webhook
        self.attempts: list[Attempt] = []
        self._pace = pace
        self._repeat_interval_s = repeat_interval_s
        self._backoff_s = backoff_s
        self._external_url = external_url
        self._changed = changed
        self._log: dict[str, _Notified] = {}

    async def notify(self, session: aiohttp.ClientSession, group: str, flush: Flush, deadline_s: float) -> bool:
        """Deliver what is news. False when it was not taken: by a 4xx, or until `deadline_s` had passed."""
        reason = self._reason(group, flush)
        if reason is None:
            return True
        if not self.webhook.send_resolved and not flush.firing:
            return True
        body = render(
            flush if self.webhook.send_resolved else self._only_firing(flush),
            receiver=self.webhook.receiver,
            reason=reason,
            external_url=self._external_url,
            max_alerts=self.webhook.max_alerts,
        )
        try:
            async with asyncio.timeout(deadline_s / self._pace.speed):
                taken = await self._until_answered(session, group, body)
        except TimeoutError:
            return False
        if taken:
            self._log[group] = _Notified(flush.firing, flush.resolved, flush.at)
        return taken

    def forget_everything(self) -> None:
        """Lose the notification log, as by `kill -9` of an Alertmanager: all that fires is sent again."""
        self._log.clear()

    def _reason(self, group: str, flush: Flush) -> str | None:
        last = self._log.get(group)
        if last is None:
            return "first notification" if flush.firing else None
        if not flush.firing <= last.firing:
            return "new alerts added"
        if not flush.firing:
            return "all alerts resolved" if last.firing else None
        if self.webhook.send_resolved and not flush.resolved <= last.resolved:
            return "some alerts resolved"
        repeat = timedelta(seconds=self._repeat_interval_s / self._pace.speed)
        return "repeat interval elapsed" if last.at <= flush.at - repeat else None

    def _only_firing(self, flush: Flush) -> Flush:
        return Flush(flush.group_labels, [a for a in flush.alerts if not a.resolved_at(flush.at)], flush.at)

    async def _until_answered(self, session: aiohttp.ClientSession, group: str, body: bytes) -> bool:
        """2xx: taken. 5xx or no answer: again after a growing pause. Anything else: not taken, not retried."""
        pause_s = self._backoff_s
        while True:
            sent_at = self._pace.now()
            status = await self._post(session, body)
            self.attempts.append(Attempt(sent_at, self.webhook.receiver, group, status, body))
            self._changed.tell()
            if status is not None and status < 500:
                return 200 <= status < 300
            await self._pace.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, as the real one has
            pause_s = min(pause_s * 1.5, 60.0)

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> int | None:
        headers = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        if self.webhook.bearer_token is not None:
            headers["Authorization"] = f"Bearer {self.webhook.bearer_token}"
        try:
            async with session.post(self.webhook.url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, OSError):
            return None
