"""S36: people hear of a store that cannot be used, without the store."""

import asyncio

import pytest

from remediator.channels.base import Message, Sent
from remediator.engine.alarm import REPEAT_S, RETRY_S, UNUSABLE_S, Alarm
from remediator.engine.wakeup import Wakeup
from remediator.errors import TransientError
from remediator.sandbox.pagerduty import PagerDuty as Sink
from remediator.sandbox.pagerduty_events import Event
from tests.support.clock import ManualClock

RUNS = ("run_1 (restart-it on kubernetes/prod/shop/deployment/checkout)",)


class Pager:
    """A channel into the simulated PagerDuty, without the network. ``broken`` makes it fail."""

    def __init__(self, clock: ManualClock) -> None:
        self.sink = Sink()
        self.sent: list[Message] = []
        self.broken: Exception | None = None
        self._clock = clock

    async def send(self, message: Message) -> Sent:
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)
        payload = dict(message.content)
        self.sink.take(Event("k" * 32, message.action, message.dedup_key, payload, [], [], "", "", self._clock.now()))
        return Sent()


@pytest.fixture
def pager(clock: ManualClock) -> Pager:
    return Pager(clock)


@pytest.fixture
def alarm(clock: ManualClock, pager: Pager) -> Alarm:
    return Alarm(channel=pager, clock=clock, wakeup=Wakeup(), replica="remediator-0")


async def healthy(alarm: Alarm, pager: Pager) -> None:
    """As after a good start: what a former process left is cleared."""
    alarm.store_works()
    await alarm.look()
    pager.sent.clear()


async def test_a_minute_of_trouble_pages_once_and_names_the_runs_in_hand(
    alarm: Alarm, pager: Pager, clock: ManualClock
) -> None:
    await healthy(alarm, pager)
    alarm.store_failed("disk is full", RUNS)
    await clock.advance(UNUSABLE_S - 1)
    await alarm.look()
    assert pager.sent == []
    await clock.advance(1)
    await alarm.look()
    (incident,) = pager.sink.paging()
    assert incident.dedup_key == "remediator/remediator-0/store"
    assert incident.summary == "remediator remediator-0 cannot use its store since 1m, 1 runs in hand: disk is full"
    assert incident.details["runs_in_hand"] == list(RUNS)
    assert incident.severity == "critical"


async def test_it_is_repeated_at_most_every_five_minutes_on_one_key(
    alarm: Alarm, pager: Pager, clock: ManualClock
) -> None:
    alarm.store_failed("down", ())
    for _ in range(15 * 60):
        alarm.store_failed("down", ())
        await alarm.look()
        await clock.advance(1)
    assert len(pager.sent) == 3
    assert len(pager.sink.incidents()) == 1


async def test_recovery_resolves_it(alarm: Alarm, pager: Pager, clock: ManualClock) -> None:
    alarm.store_failed("down", ())
    await clock.advance(UNUSABLE_S)
    await alarm.look()
    alarm.store_works()
    await alarm.look()
    await alarm.look()
    assert pager.sink.open() == []
    assert [message.action for message in pager.sent] == ["trigger", "resolve"]


async def test_a_short_trouble_is_ridden_out(alarm: Alarm, pager: Pager, clock: ManualClock) -> None:
    await healthy(alarm, pager)
    for _ in range(5):
        alarm.store_failed("locked", ())
        await clock.advance(UNUSABLE_S - 1)
        await alarm.look()
        alarm.store_works()
        await alarm.look()
    assert pager.sent == []


async def test_a_new_trouble_after_a_recovery_waits_its_own_minute_and_pages_anew(
    alarm: Alarm, pager: Pager, clock: ManualClock
) -> None:
    for _ in range(2):
        alarm.store_failed("down", ())
        await clock.advance(UNUSABLE_S)
        await alarm.look()
        alarm.store_works()
        await alarm.look()
    assert [incident.status for incident in pager.sink.incidents()] == ["resolved", "resolved"]


@pytest.mark.parametrize("failure", [TransientError("503"), RuntimeError("session is closed")])
async def test_a_channel_that_fails_is_tried_again_soon(
    alarm: Alarm, pager: Pager, clock: ManualClock, failure: Exception
) -> None:
    alarm.store_failed("down", ())
    await clock.advance(UNUSABLE_S)
    pager.broken = failure
    assert await alarm.look() == RETRY_S
    pager.broken = None
    await clock.advance(RETRY_S)
    assert await alarm.look() == REPEAT_S
    assert len(pager.sink.paging()) == 1
    pager.broken = failure
    alarm.store_works()
    assert await alarm.look() == RETRY_S
    pager.broken = None
    await alarm.look()
    assert pager.sink.open() == []


async def test_what_a_former_process_left_is_resolved_by_the_first_commit(
    alarm: Alarm, pager: Pager, clock: ManualClock
) -> None:
    alarm.store_failed("down", ())
    await clock.advance(UNUSABLE_S)
    await alarm.look()
    restarted = Alarm(channel=pager, clock=clock, wakeup=Wakeup(), replica="remediator-0")
    await restarted.look()
    assert len(pager.sink.open()) == 1, "nothing is known of the store yet"
    restarted.store_works()
    await restarted.look()
    assert pager.sink.open() == []


async def test_the_loop_tells_by_itself(alarm: Alarm, pager: Pager, clock: ManualClock) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(alarm.run())
        await clock.until_sleeping()
        alarm.store_failed("down", RUNS)
        await clock.advance(UNUSABLE_S)
        await clock.advance(0)
        assert len(pager.sink.paging()) == 1
        alarm.store_works()
        await clock.advance(0)
        assert pager.sink.open() == []
        task.cancel()
