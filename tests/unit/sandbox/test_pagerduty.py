"""The PagerDuty sink: what it refuses, and the incidents that it keeps."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from remediator.sandbox.pagerduty import PagerDuty

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def pagerduty() -> AsyncIterator[PagerDuty]:
    server = PagerDuty()
    await server.start()
    yield server
    await server.stop()


def event(action: str = "trigger", dedup_key: str | None = "shop/checkout", **payload: Any) -> dict[str, Any]:
    sent: dict[str, Any] = {"routing_key": KEY, "event_action": action}
    if dedup_key is not None:
        sent["dedup_key"] = dedup_key
    if action == "trigger":
        sent["payload"] = {"summary": "down", "source": "remediator", "severity": "critical", **payload}
    return sent


async def send(pagerduty: PagerDuty, body: Any) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{pagerduty.url}/v2/enqueue", data=data, headers={"Content-Type": "application/json"}) as answer,
    ):
        return answer.status, await answer.json()


async def test_a_trigger_opens_an_incident_and_pages_once(pagerduty: PagerDuty) -> None:
    status, answer = await send(pagerduty, event())
    assert (status, answer) == (
        202,
        {"status": "success", "message": "Event processed", "dedup_key": "shop/checkout"},
    )
    await send(pagerduty, event(summary="still down", severity="info"))
    (incident,) = pagerduty.open()
    assert (incident.status, incident.summary, incident.severity) == ("triggered", "down", "critical")
    assert [(entry.summary, entry.paged) for entry in incident.log] == [("down", True), ("still down", False)]


async def test_acknowledge_and_resolve_need_an_open_incident_of_the_same_routing_key(pagerduty: PagerDuty) -> None:
    await send(pagerduty, event())
    await send(pagerduty, {**event("acknowledge"), "routing_key": "x" * 32})
    assert [incident.status for incident in pagerduty.incidents()] == ["triggered"]
    await send(pagerduty, event("acknowledge"))
    assert pagerduty.paging() == []
    assert [incident.status for incident in pagerduty.open()] == ["acknowledged"]
    await send(pagerduty, event("resolve"))
    assert pagerduty.open() == []


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
async def test_what_is_unknown_is_taken_and_dropped_silently(pagerduty: PagerDuty, action: str) -> None:
    assert (await send(pagerduty, event(action)))[0] == 202
    assert pagerduty.incidents() == []
    assert [dropped.action for dropped in pagerduty.dropped] == [action]


async def test_an_acknowledged_incident_is_not_paged_again_by_a_trigger(pagerduty: PagerDuty) -> None:
    for action in ("trigger", "acknowledge", "trigger"):
        await send(pagerduty, event(action))
    (incident,) = pagerduty.incidents()
    assert incident.status == "acknowledged"
    assert [entry.paged for entry in incident.log] == [True, False, False]


async def test_a_trigger_after_a_resolve_is_a_new_incident(pagerduty: PagerDuty) -> None:
    for action in ("trigger", "resolve", "trigger"):
        await send(pagerduty, event(action))
    assert [incident.status for incident in pagerduty.incidents("shop/checkout")] == ["resolved", "triggered"]


async def test_without_a_dedup_key_every_trigger_is_an_incident_of_its_own(pagerduty: PagerDuty) -> None:
    keys = {(await send(pagerduty, event(dedup_key=None)))[1]["dedup_key"] for _ in range(2)}
    assert len(keys) == len(pagerduty.open()) == 2


BAD: dict[str, Any] = {
    "not JSON": b"{",
    "not an object": [],
    "short routing key": {**event(), "routing_key": "short"},
    "no routing key": {name: value for name, value in event().items() if name != "routing_key"},
    "unknown action": {**event(), "event_action": "explode"},
    "long dedup key": event(dedup_key="k" * 256),
    "resolve without a key": event("resolve", dedup_key=None),
    "no payload": {**event(), "payload": None},
    "long summary": event(summary="s" * 1025),
    "empty summary": event(summary=""),
    "no source": event(source=None),
    "upper-case severity": event(severity="Critical"),
    "severity of another vocabulary": event(severity="high"),
    "details that are no object": event(custom_details="text"),
    "bad timestamp": event(timestamp="yesterday"),
    "link without href": {**event(), "links": [{"text": "x"}]},
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_events_are_refused_with_reasons(pagerduty: PagerDuty, name: str) -> None:
    status, answer = await send(pagerduty, BAD[name])
    assert status == 400
    assert answer["errors"]
    assert pagerduty.incidents() == []


async def test_limits_are_inclusive(pagerduty: PagerDuty) -> None:
    assert (await send(pagerduty, event(dedup_key="k" * 255, summary="s" * 1024)))[0] == 202


async def test_more_than_512_kilobytes_are_refused(pagerduty: PagerDuty) -> None:
    status, _ = await send(pagerduty, event(custom_details={"text": "x" * 512 * 1024}))
    assert status == 413
    assert pagerduty.incidents() == []


async def test_the_rate_limit_is_per_routing_key() -> None:
    pagerduty = PagerDuty(limit_per_minute=2)
    await pagerduty.start()
    try:
        statuses = [(await send(pagerduty, event()))[0] for _ in range(3)]
        other = (await send(pagerduty, {**event(), "routing_key": "x" * 32}))[0]
    finally:
        await pagerduty.stop()
    assert (statuses, other) == ([202, 202, 429], 202)


async def test_events_for_an_unknown_integration_page_nobody() -> None:
    pagerduty = PagerDuty(routing_keys={"x" * 32})
    await pagerduty.start()
    try:
        assert (await send(pagerduty, event()))[0] == 202
    finally:
        await pagerduty.stop()
    assert pagerduty.incidents() == []


@pytest.mark.parametrize(("kind", "incidents"), [("lose_answer", 1), ("drop", 0), ("reset", 0)])
async def test_after_a_fault_the_state_says_whether_somebody_was_paged(
    pagerduty: PagerDuty, kind: str, incidents: int
) -> None:
    pagerduty.faults.add(kind=kind)
    with pytest.raises(aiohttp.ClientError):
        await send(pagerduty, event())
    assert len(pagerduty.open()) == incidents
    await send(pagerduty, event())
    assert len(pagerduty.open()) == 1


async def test_status_faults_strike_the_next_answers(pagerduty: PagerDuty) -> None:
    pagerduty.faults.add(kind="status 500", times=2)
    pagerduty.faults.add(kind="status 429")
    statuses = [(await send(pagerduty, event()))[0] for _ in range(4)]
    assert statuses == [500, 500, 429, 202]
    assert len(pagerduty.requests) == 4


async def test_a_test_can_wait_for_a_page(pagerduty: PagerDuty) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(pagerduty.until(lambda: bool(pagerduty.open()), timeout_s=5))
        group.create_task(send(pagerduty, event()))
    with pytest.raises(TimeoutError):
        await pagerduty.until(lambda: not pagerduty.open(), timeout_s=0.05)


async def test_incidents_can_be_read_over_http(pagerduty: PagerDuty) -> None:
    await send(pagerduty, event(custom_details={"run": "r1"}))
    async with aiohttp.ClientSession() as session, session.get(f"{pagerduty.url}/sandbox/incidents") as answer:
        (incident,) = (await answer.json())["incidents"]
    assert (incident["dedup_key"], incident["status"]) == ("shop/checkout", "triggered")
    assert incident["custom_details"] == {"run": "r1"}
