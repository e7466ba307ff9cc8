"""The small Alertmanager: when and what it delivers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from remediator.sandbox.alert_groups import Route
from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.webhook_delivery import Webhook

FAST = Route(group_wait_s=0.02, group_interval_s=0.1, backoff_s=0.02)
DOWN = {"alertname": "ServiceDown", "namespace": "shop", "deployment": "checkout"}
OTHER = {**DOWN, "deployment": "payments"}


class Receiver:
    """A webhook that answers by script, then 200; `bodies` are those that it took."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.requests: list[web.Request] = []
        self.bodies: list[dict[str, Any]] = []
        self._news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(request)
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.bodies.append(body)
        self._news.set()
        return web.Response(status=status)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                await self._news.wait()
                self._news.clear()


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def url(receiver: Receiver) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    await runner.cleanup()


@pytest.fixture
async def alertmanager(url: str) -> AsyncIterator[Alertmanager]:
    server = Alertmanager(route=FAST)
    server.add_webhook(Webhook(url, bearer_token="s3cret"))
    await server.start()
    yield server
    await server.stop()


async def post(alertmanager: Alertmanager, body: Any) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{alertmanager.url}/api/v2/alerts", json=body) as answer,
    ):
        return answer.status


def fingerprints(body: dict[str, Any], status: str) -> list[str]:
    return [alert["labels"]["deployment"] for alert in body["alerts"] if alert["status"] == status]


async def test_a_firing_alert_is_delivered_with_its_credential_and_its_end_later(
    alertmanager: Alertmanager, receiver: Receiver
) -> None:
    assert await post(alertmanager, [{"labels": DOWN, "annotations": {"summary": "down"}}]) == 200
    await receiver.until(lambda: len(receiver.bodies) == 1)
    (request, body) = receiver.requests[0], receiver.bodies[0]
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert request.headers["User-Agent"] == "Alertmanager/0.33.1"
    assert (body["status"], body["notification_reason"]) == ("firing", "first notification")
    assert body["groupKey"] == '{}:{alertname="ServiceDown"}'
    assert body["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z"
    alertmanager.resolve(DOWN)
    await receiver.until(lambda: len(receiver.bodies) == 2)
    body = receiver.bodies[1]
    assert (body["status"], body["notification_reason"]) == ("resolved", "all alerts resolved")
    assert body["alerts"][0]["endsAt"] > body["alerts"][0]["startsAt"]


async def test_a_second_alert_joins_the_group_and_a_resolved_one_is_told_once(
    alertmanager: Alertmanager, receiver: Receiver
) -> None:
    alertmanager.push(DOWN)
    await receiver.until(lambda: len(receiver.bodies) == 1)
    alertmanager.push(OTHER)
    await receiver.until(lambda: len(receiver.bodies) == 2)
    assert receiver.bodies[1]["notification_reason"] == "new alerts added"
    assert fingerprints(receiver.bodies[1], "firing") == ["checkout", "payments"]
    alertmanager.resolve(DOWN)
    await receiver.until(lambda: len(receiver.bodies) == 3)
    assert fingerprints(receiver.bodies[2], "resolved") == ["checkout"]
    alertmanager.resolve(OTHER)
    await receiver.until(lambda: len(receiver.bodies) == 4)
    assert [alert["labels"]["deployment"] for alert in receiver.bodies[3]["alerts"]] == ["payments"]


async def test_what_resolves_before_it_was_told_is_never_told(alertmanager: Alertmanager, receiver: Receiver) -> None:
    alertmanager.push(DOWN)
    alertmanager.resolve(DOWN)
    alertmanager.push({**DOWN, "alertname": "Other"})
    await alertmanager.until(lambda: len(alertmanager.attempts) == 1)
    assert receiver.bodies[0]["groupLabels"] == {"alertname": "Other"}
    assert alertmanager.attempts[0].group == '{}:{alertname="Other"}'


async def test_a_5xx_is_retried_at_once_and_unchanged_until_it_is_taken(url: str, receiver: Receiver) -> None:
    alertmanager = Alertmanager(route=Route(group_wait_s=0.02, group_interval_s=3600, backoff_s=0.02))
    alertmanager.add_webhook(Webhook(url))
    await alertmanager.start()
    try:
        receiver.answers = [503, 500, 502]
        alertmanager.push(DOWN)
        await alertmanager.until(lambda: len(alertmanager.attempts) == 4)
    finally:
        await alertmanager.stop()
    assert [attempt.status for attempt in alertmanager.attempts] == [503, 500, 502, 200]
    assert len({attempt.body for attempt in alertmanager.attempts}) == 1


@pytest.mark.parametrize("code", [400, 429])
async def test_a_4xx_is_not_retried_before_the_next_group_interval(
    alertmanager: Alertmanager, receiver: Receiver, code: int
) -> None:
    receiver.answers = [code]
    alertmanager.push(DOWN)
    await alertmanager.until(lambda: len(alertmanager.attempts) == 2)
    refused, taken = alertmanager.attempts
    assert taken.sent_at - refused.sent_at >= timedelta(
        seconds=FAST.group_interval_s / 2
    )  # back-off would be 0.03 at most
    assert receiver.bodies[0]["notification_reason"] == "first notification"


async def test_a_receiver_that_is_down_gets_it_when_it_is_back() -> None:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    await site.stop()
    alertmanager = Alertmanager(route=FAST)
    alertmanager.add_webhook(Webhook(f"http://127.0.0.1:{port}/hook"))
    await alertmanager.start()
    try:
        alertmanager.push(DOWN)
        await alertmanager.until(lambda: bool(alertmanager.attempts))
        assert alertmanager.attempts[0].status is None
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await receiver.until(lambda: len(receiver.bodies) == 1)
    finally:
        await alertmanager.stop()
        await runner.cleanup()


async def test_unchanged_alerts_are_repeated_after_the_repeat_interval_only(url: str, receiver: Receiver) -> None:
    alertmanager = Alertmanager(route=Route(group_wait_s=0, group_interval_s=0.05, repeat_interval_s=0.2))
    alertmanager.add_webhook(Webhook(url))
    await alertmanager.start()
    try:
        alertmanager.push(DOWN)
        await alertmanager.until(lambda: len(alertmanager.attempts) == 2)
    finally:
        await alertmanager.stop()
    assert receiver.bodies[1]["notification_reason"] == "repeat interval elapsed"
    assert alertmanager.attempts[1].sent_at - alertmanager.attempts[0].sent_at >= timedelta(seconds=0.15)


async def test_without_send_resolved_only_firing_is_told(url: str, receiver: Receiver) -> None:
    alertmanager = Alertmanager(route=FAST)
    alertmanager.add_webhook(Webhook(url, send_resolved=False))
    await alertmanager.start()
    try:
        alertmanager.push(DOWN)
        await receiver.until(lambda: len(receiver.bodies) == 1)
        alertmanager.resolve(DOWN)
        await alertmanager.until(lambda: not alertmanager.groups())
        alertmanager.push(OTHER)
        await receiver.until(lambda: len(receiver.bodies) == 2)
    finally:
        await alertmanager.stop()
    assert [fingerprints(body, "resolved") for body in receiver.bodies] == [[], []]


async def test_max_alerts_truncates(url: str, receiver: Receiver) -> None:
    alertmanager = Alertmanager(route=FAST)
    alertmanager.add_webhook(Webhook(url, max_alerts=2))
    await alertmanager.start()
    try:
        for number in range(5):
            alertmanager.push({**DOWN, "deployment": f"d{number}"})
        await receiver.until(lambda: len(receiver.bodies) == 1)
    finally:
        await alertmanager.stop()
    assert (len(receiver.bodies[0]["alerts"]), receiver.bodies[0]["truncatedAlerts"]) == (2, 3)


async def test_an_alert_that_resolves_under_a_silence_is_never_told_as_resolved(
    alertmanager: Alertmanager, receiver: Receiver
) -> None:
    alertmanager.push(DOWN)
    await receiver.until(lambda: len(receiver.bodies) == 1)
    alertmanager.silence('deployment="checkout"')
    alertmanager.resolve(DOWN)
    alertmanager.push(OTHER)
    await receiver.until(lambda: len(receiver.bodies) == 2)
    assert fingerprints(receiver.bodies[1], "resolved") == []


async def test_a_lost_notification_log_sends_again(alertmanager: Alertmanager, receiver: Receiver) -> None:
    alertmanager.push(DOWN)
    await alertmanager.until(lambda: len(alertmanager.attempts) == 1)
    alertmanager.forget_notifications()
    await receiver.until(lambda: len(receiver.bodies) == 2)
    assert [body["notification_reason"] for body in receiver.bodies] == ["first notification"] * 2


async def test_an_alert_without_an_end_resolves_by_itself(url: str, receiver: Receiver) -> None:
    alertmanager = Alertmanager(route=FAST, resolve_timeout_s=0.15)
    alertmanager.add_webhook(Webhook(url))
    await alertmanager.start()
    try:
        alertmanager.push(DOWN)
        await receiver.until(lambda: len(receiver.bodies) == 2)
    finally:
        await alertmanager.stop()
    assert receiver.bodies[1]["status"] == "resolved"
