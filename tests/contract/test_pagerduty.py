"""Our PagerDuty channel against the simulated one, over HTTP: who would be paged, whatever the network does."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from remediator.channels import pagerduty as channel
from remediator.channels.base import Message
from remediator.channels.pagerduty import PagerDuty
from remediator.errors import OutcomeUnknownError, PermanentError, TransientError
from remediator.escalation import messages
from remediator.sandbox.pagerduty import PagerDuty as Sink
from tests.support.situations import page, run, situation

KEY = "0123456789abcdef0123456789abcdef"
WORDS = messages.page(situation(runs=(run(),)), page("refuted", "run_1"))
TRIGGER = Message("inc_1/L1", "trigger", WORDS)
RESOLVE = Message("inc_1/L1", "resolve", {"summary": "over"})


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    running = Sink()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def sender(sink: Sink) -> AsyncIterator[PagerDuty]:
    async with aiohttp.ClientSession() as session:
        yield PagerDuty(
            session=session, routing_key=KEY, url=f"{sink.url}/v2/enqueue", client_url="https://remediator.example"
        )


async def test_a_trigger_pages_with_everything_that_was_said(sink: Sink, sender: PagerDuty) -> None:
    assert (await sender.send(TRIGGER)).reduced is None
    (incident,) = sink.paging()
    assert incident.routing_key == KEY
    assert incident.dedup_key == "inc_1/L1"
    assert incident.summary == WORDS["summary"]
    assert incident.severity == "critical"
    assert incident.details == WORDS["custom_details"]
    assert incident.links == WORDS["links"]


async def test_a_resolve_ends_it_and_is_harmless_when_repeated(sink: Sink, sender: PagerDuty) -> None:
    for message in (TRIGGER, RESOLVE, RESOLVE):
        await sender.send(message)
    assert sink.open() == []
    assert len(sink.incidents()) == 1


async def test_a_trigger_sent_twice_is_one_incident_and_one_page(sink: Sink, sender: PagerDuty) -> None:
    await sender.send(TRIGGER)
    await sender.send(TRIGGER)
    (incident,) = sink.incidents()
    assert [entry.paged for entry in incident.log] == [True, False]


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504])
async def test_a_busy_or_broken_pagerduty_is_asked_again_later(sink: Sink, sender: PagerDuty, code: int) -> None:
    sink.faults.add(kind=f"status {code}")
    with pytest.raises(TransientError, match=str(code)):
        await sender.send(TRIGGER)
    assert sink.incidents() == []
    await sender.send(TRIGGER)
    assert len(sink.paging()) == 1


@pytest.mark.parametrize("kind", ["lose_answer", "drop", "reset"])
async def test_a_lost_answer_is_said_to_be_lost_and_the_repeat_pages_nobody_twice(
    sink: Sink, sender: PagerDuty, kind: str
) -> None:
    sink.faults.add(kind=kind)
    with pytest.raises(OutcomeUnknownError):
        await sender.send(TRIGGER)
    await sender.send(TRIGGER)
    (incident,) = sink.incidents()
    assert sum(entry.paged for entry in incident.log) == 1


async def test_a_pagerduty_that_does_not_answer_is_given_up_on(
    sink: Sink, sender: PagerDuty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "TIMEOUT_S", 0.2)
    sink.faults.add(kind="hang")
    with pytest.raises(OutcomeUnknownError):
        await sender.send(TRIGGER)


async def test_a_pagerduty_that_is_gone_is_asked_again_later(sink: Sink, sender: PagerDuty) -> None:
    await sink.stop()
    with pytest.raises(TransientError):
        await sender.send(TRIGGER)


async def test_a_refused_message_is_sent_without_its_details_so_that_a_person_is_told(
    sink: Sink, sender: PagerDuty
) -> None:
    sink.faults.add(kind="status 400", body=b'{"status":"invalid event","errors":["payload.summary is odd"]}')
    sent = await sender.send(TRIGGER)
    assert sent.reduced == "answered 400: payload.summary is odd"
    (incident,) = sink.paging()
    assert incident.dedup_key == "inc_1/L1"
    assert incident.summary.startswith("HighErrorRate on shop/checkout")
    assert incident.details == {}


async def test_a_message_that_is_too_large_is_sent_without_its_details(sink: Sink, sender: PagerDuty) -> None:
    huge = dict(WORDS) | {"custom_details": {"fired": "x" * 600_000}}
    assert (await sender.send(Message("inc_1/L1", "trigger", huge))).reduced is not None
    assert len(sink.paging()) == 1
    assert len(sink.requests) == 1


async def test_a_message_that_is_malformed_in_itself_still_reaches_a_person(sink: Sink, sender: PagerDuty) -> None:
    odd = {"summary": "s" * 2_000, "source": "", "severity": "page", "custom_details": [], "links": [{}]}
    assert (await sender.send(Message("inc_1/L1", "trigger", odd))).reduced is not None
    assert len(sink.paging()) == 1


async def test_refused_twice_is_refused_for_good_and_not_tried_further(sink: Sink, sender: PagerDuty) -> None:
    sink.faults.add(kind="status 400", times=None)
    with pytest.raises(PermanentError):
        await sender.send(TRIGGER)
    assert len(sink.requests) == 2
    with pytest.raises(PermanentError):
        await sender.send(RESOLVE)
    assert len(sink.requests) == 3


async def test_a_redirect_is_not_followed_with_the_key(sink: Sink, sender: PagerDuty) -> None:
    sink.faults.add(kind="status 307", headers={"Location": f"{sink.url}/elsewhere"}, times=None)
    with pytest.raises(PermanentError, match="307"):
        await sender.send(TRIGGER)
    assert {str(request) for request in sink.requests} == {"POST /v2/enqueue"}


@pytest.mark.parametrize("kind", ["status 400", "status 503", "drop"])
async def test_the_key_is_in_no_error(sink: Sink, sender: PagerDuty, kind: str) -> None:
    body = f'{{"errors":["no service has the key {KEY}"]}}'.encode() if kind.startswith("status") else None
    sink.faults.add(kind=kind, times=None, body=body)
    with pytest.raises((TransientError, PermanentError, OutcomeUnknownError)) as caught:
        await sender.send(TRIGGER)
    assert KEY not in repr(caught.value) + str(caught.value) + repr(caught.value.__cause__) + repr(sender)
    assert KEY not in repr(sender.__dict__.get("_session"))


async def test_probe_points_stand_before_and_after_the_request(sink: Sink) -> None:
    seen: list[tuple[str, int]] = []
    async with aiohttp.ClientSession() as session:
        sender = PagerDuty(
            session=session,
            routing_key=KEY,
            url=f"{sink.url}/v2/enqueue",
            probe=lambda point: seen.append((point, len(sink.incidents()))),
        )
        await sender.send(TRIGGER)
    assert seen == [("send.pagerduty.before", 0), ("send.pagerduty.after", 1)]


def test_the_channel_has_no_way_to_acknowledge() -> None:
    assert Message.__dataclass_fields__["action"].type.__args__ == ("trigger", "resolve")  # type: ignore[union-attr]
