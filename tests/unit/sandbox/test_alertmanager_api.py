"""The small Alertmanager's API: what it lists, and what it takes."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from remediator.sandbox.alert_groups import Route
from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.webhook_delivery import Webhook

DOWN = {"alertname": "ServiceDown", "namespace": "shop", "deployment": "checkout"}
OTHER = {**DOWN, "deployment": "payments"}


@pytest.fixture
async def alertmanager() -> AsyncIterator[Alertmanager]:
    """One whose groups never get as far as being sent."""
    server = Alertmanager(route=Route(group_wait_s=3600))
    server.add_webhook(Webhook("http://127.0.0.1:9/hook"))
    await server.start()
    yield server
    await server.stop()


async def get(alertmanager: Alertmanager, path: str, *params: tuple[str, str]) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(alertmanager.url + path, params=params) as answer:
        return answer.status, await answer.json()


async def post(alertmanager: Alertmanager, body: Any) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{alertmanager.url}/api/v2/alerts", json=body) as answer,
    ):
        return answer.status


async def test_updates_of_one_firing_keep_the_earliest_start_and_a_later_firing_has_its_own(
    alertmanager: Alertmanager,
) -> None:
    now = datetime.now(UTC)
    early, late = now - timedelta(minutes=5), now - timedelta(minutes=2)
    alertmanager.push(DOWN, starts_at=late)
    alertmanager.push(DOWN, starts_at=early)
    alertmanager.push(DOWN, starts_at=late)
    assert [alert.starts_at for alert in alertmanager.firing()] == [early]
    alertmanager.resolve(DOWN)
    assert alertmanager.firing() == []
    again = datetime.now(UTC) + timedelta(seconds=1)
    alertmanager.push(DOWN, starts_at=again)
    assert [alert.starts_at for alert in alertmanager.firing()] == [again]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], {"checkout", "payments"}),
        (['deployment="checkout"'], {"checkout"}),
        (['deployment!="checkout"'], {"payments"}),
        (['deployment=~"check.*|x"'], {"checkout"}),
        (['deployment=~"check"'], set()),
        (['deployment!~"pay.*"'], {"checkout"}),
        (['namespace="shop"', 'deployment="payments"'], {"payments"}),
        (['team=""'], {"checkout", "payments"}),
        (["deployment=checkout"], {"checkout"}),
    ],
)
async def test_alerts_are_filtered_by_matchers(alertmanager: Alertmanager, filters: list[str], found: set[str]) -> None:
    alertmanager.push(DOWN)
    alertmanager.push(OTHER)
    _, listed = await get(alertmanager, "/api/v2/alerts", *(("filter", text) for text in filters))
    assert {alert["labels"]["deployment"] for alert in listed} == found


@pytest.mark.parametrize("text", ["nonsense", '{a="b"', 'a=~"("'])
async def test_a_bad_matcher_is_400_with_a_string(alertmanager: Alertmanager, text: str) -> None:
    status, body = await get(alertmanager, "/api/v2/alerts", ("filter", text))
    assert status == 400
    assert isinstance(body, str)


async def test_suppressed_alerts_are_listed_unless_asked_otherwise(alertmanager: Alertmanager) -> None:
    alertmanager.push(DOWN)
    alertmanager.push(OTHER)
    silence = alertmanager.silence('deployment="checkout"')
    _, listed = await get(alertmanager, "/api/v2/alerts")
    states = {alert["labels"]["deployment"]: alert["status"] for alert in listed}
    assert states["checkout"]["state"] == "suppressed"
    assert states["checkout"]["silencedBy"] == [silence]
    assert states["payments"]["state"] == "active"
    _, active = await get(alertmanager, "/api/v2/alerts", ("silenced", "false"))
    assert [alert["labels"]["deployment"] for alert in active] == ["payments"]
    _, silenced = await get(alertmanager, "/api/v2/alerts", ("active", "false"))
    assert [alert["labels"]["deployment"] for alert in silenced] == ["checkout"]
    alertmanager.expire(silence)
    assert len((await get(alertmanager, "/api/v2/alerts", ("silenced", "false")))[1]) == 2


async def test_a_listed_alert_ends_in_the_future_and_a_resolved_one_is_not_listed(alertmanager: Alertmanager) -> None:
    fingerprint = alertmanager.push(DOWN)
    _, (alert,) = await get(alertmanager, "/api/v2/alerts")
    assert datetime.fromisoformat(alert["endsAt"]) > datetime.now(UTC)
    assert alert["fingerprint"] == fingerprint
    assert alert["receivers"] == [{"name": "remediator"}]
    alertmanager.resolve(DOWN)
    assert (await get(alertmanager, "/api/v2/alerts"))[1] == []


async def test_groups_are_listed_by_receiver(alertmanager: Alertmanager) -> None:
    alertmanager.push(DOWN)
    _, (group,) = await get(alertmanager, "/api/v2/alerts/groups", ("receiver", "remediator"))
    assert group["labels"] == {"alertname": "ServiceDown"}
    assert group["receiver"] == {"name": "remediator"}
    assert [alert["labels"] for alert in group["alerts"]] == [DOWN]
    assert (await get(alertmanager, "/api/v2/alerts/groups", ("receiver", "other")))[1] == []


async def test_the_status_tells_uptime_version_and_cluster(alertmanager: Alertmanager) -> None:
    _, status = await get(alertmanager, "/api/v2/status")
    assert status["cluster"]["status"] == "ready"
    assert datetime.fromisoformat(status["uptime"]) <= datetime.now(UTC)
    assert status["versionInfo"]["version"] == "0.33.1"
    async with aiohttp.ClientSession() as session:
        for path in ("/-/healthy", "/-/ready"):
            async with session.get(alertmanager.url + path) as answer:
                assert answer.status == 200


@pytest.mark.parametrize("body", [{}, [{}], [{"labels": {}}], [{"labels": {"a": ""}}]])
async def test_pushes_without_labels_are_refused(alertmanager: Alertmanager, body: Any) -> None:
    assert await post(alertmanager, body) == 400


async def test_empty_labels_are_dropped_and_ended_alerts_ignored(alertmanager: Alertmanager) -> None:
    await post(alertmanager, [{"labels": {**DOWN, "empty": ""}}])
    assert [dict(alert.labels) for alert in alertmanager.firing()] == [DOWN]
    ended = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    await post(alertmanager, [{"labels": OTHER, "endsAt": ended}])
    assert len(alertmanager.firing()) == 1
    assert json.loads(alertmanager.requests[-1].body)[0]["labels"] == OTHER
