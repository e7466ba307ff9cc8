"""A small Alertmanager: takes alerts, groups them, POSTs them to webhooks, answers the v2 API."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

from remediator.sandbox import alertmanager_api
from remediator.sandbox.alert_groups import Dispatcher, Group, Route
from remediator.sandbox.alerts import Alert, AlertPool
from remediator.sandbox.background import Background
from remediator.sandbox.faults import Faults
from remediator.sandbox.journal import Journal, Received
from remediator.sandbox.listener import Listener
from remediator.sandbox.matchers import parse_matchers
from remediator.sandbox.signals import Signal
from remediator.sandbox.timekeeping import Pace
from remediator.sandbox.webhook_delivery import Attempt, Delivery, Webhook


class Alertmanager:
    """One Alertmanager with one route and as many webhooks as are added before `start`.

    `cluster_status`: what `/api/v2/status` says (ready, settling, disabled); `up_for_s`: how long it claims to run already.
    """

    def __init__(
        self,
        *,
        pace: Pace | None = None,
        route: Route | None = None,
        resolve_timeout_s: float = 300.0,
        external_url: str = "http://alertmanager.example.net",
        cluster_status: str = "ready",
        up_for_s: float = 0.0,
    ) -> None:
        self.pace = pace or Pace()
        self.route = route or Route()
        self.cluster_status = cluster_status
        self.started_at = self.pace.now() - timedelta(seconds=up_for_s)
        self.pool = AlertPool(self.pace, resolve_timeout_s)
        self._external_url = external_url
        self._changed = Signal()
        self._deliveries: list[Delivery] = []
        self._background = Background()
        self._session: aiohttp.ClientSession | None = None
        self._listener = Listener(self._answer, error_body=_failure, pace=self.pace)
        self._dispatcher = Dispatcher(
            self.pool, self.route, self.pace, self._background, self._deliveries, self._open_session, self._changed
        )

    @property
    def url(self) -> str:
        return self._listener.url

    @property
    def requests(self) -> Journal:
        return self._listener.requests

    @property
    def faults(self) -> Faults:
        return self._listener.faults

    @property
    def attempts(self) -> list[Attempt]:
        """Every webhook request that has ended, in the order sent."""
        ended = (attempt for delivery in self._deliveries for attempt in delivery.attempts)
        return sorted(ended, key=lambda attempt: attempt.sent_at)

    @property
    def receivers(self) -> list[str]:
        return [delivery.webhook.receiver for delivery in self._deliveries]

    def add_webhook(self, webhook: Webhook) -> None:
        """Send every group to this webhook too, from its next flush on."""
        self._deliveries.append(
            Delivery(
                webhook,
                self.pace,
                repeat_interval_s=self.route.repeat_interval_s,
                backoff_s=self.route.backoff_s,
                external_url=self._external_url,
                changed=self._changed,
            )
        )

    async def start(self, port: int = 0) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        await self._listener.start(port)

    async def stop(self) -> None:
        """Stop listening and sending; requests in flight are cut."""
        await self._listener.stop()
        await self._background.stop()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def push(
        self,
        labels: Mapping[str, str],
        annotations: Mapping[str, str] | None = None,
        *,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        generator_url: str = "",
    ) -> str | None:
        """Take an alert as from `POST /api/v2/alerts`; its fingerprint, or None when it had ended before it came."""
        alert = self.pool.push(labels, annotations, starts_at=starts_at, ends_at=ends_at, generator_url=generator_url)
        if alert is None:
            return None
        self._dispatcher.add(alert)
        self._changed.tell()
        return alert.fingerprint

    def resolve(self, labels: Mapping[str, str]) -> None:
        """End the alert with exactly these labels, if it fires."""
        for alert in self.pool.firing():
            if dict(alert.labels) == {name: value for name, value in labels.items() if value != ""}:
                self.push(
                    alert.labels,
                    alert.annotations,
                    starts_at=alert.starts_at,
                    ends_at=self.pace.now(),
                    generator_url=alert.generator_url,
                )

    def firing(self) -> list[Alert]:
        return self.pool.firing()

    def groups(self) -> list[Group]:
        return self._dispatcher.groups()

    async def until(self, holds: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
        """Wait for a state of alerts, attempts and groups, looked at after each; TimeoutError after real seconds."""
        await self._changed.until(holds, timeout_s)

    def silence(self, matchers: str) -> str:
        """Silence what these matchers take (`alertname="X"`), until `expire(id)`; returns the id."""
        silence_id = str(uuid.uuid4())
        self.pool.silence(silence_id, parse_matchers(matchers))
        return silence_id

    def expire(self, silence_id: str) -> None:
        self.pool.expire(silence_id)

    def forget_notifications(self) -> None:
        """Lose the notification log, as by `kill -9`: groups that fire are sent again at their next flush."""
        for delivery in self._deliveries:
            delivery.forget_everything()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the Alertmanager is not started")
        return self._session

    async def _answer(self, received: Received) -> web.Response:
        try:
            return alertmanager_api.answer(self, received)
        except alertmanager_api.RefusedError as refused:
            return web.json_response(refused.body, status=refused.code)


def _failure(code: int) -> web.Response:
    body: Any = "the sandbox was told to fail"
    return web.json_response(body, status=code)
