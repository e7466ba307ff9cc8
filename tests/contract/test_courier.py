"""The courier between a real store and the simulated PagerDuty: at least once, in order per key, never lost (S33)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select

from remediator.channels.base import Message, Sent
from remediator.channels.pagerduty import PagerDuty
from remediator.engine.courier import FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S, Courier
from remediator.engine.fitness import fit
from remediator.engine.reach import Reach
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.sandbox.pagerduty import PagerDuty as Sink
from remediator.store import outbox
from remediator.store.database import Connection, Store, Tx
from remediator.store.schema import outbox as outbox_table
from tests.support import incidents as rows
from tests.support.clock import T0, ManualClock

KEY = "0123456789abcdef0123456789abcdef"
LONG_S = 24 * 3600.0


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    running = Sink()
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def courier_of(
    store: Store,
    clock: ManualClock,
    sink: Sink,
    *,
    per_minute: int = 10_000,
    jitter: Callable[[], float] = lambda: 0.5,
    metrics: Metrics | None = None,
    probe: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Courier]:
    async with aiohttp.ClientSession() as session:
        channel = PagerDuty(session=session, routing_key=KEY, url=f"{sink.url}/v2/enqueue", probe=probe)
        yield Courier(
            store=store,
            clock=clock,
            channels={"pagerduty": channel},
            metrics=metrics or Metrics(),
            wakeup=Wakeup(),
            events_per_minute=per_minute,
            jitter=jitter,
            may_send=lambda: True,
            reach=Reach(clock=clock, replica="own_1", unfit=fit),
        )


async def write(
    store: Store, action: str = "trigger", *, key: str = "inc_1/L1", cause: str = "unfixed", mode: str = "live"
) -> bool:
    async with store.begin(Tx.JUDGE_INCIDENT) as tx:
        return await add(tx, action, key=key, cause=cause, mode=mode)


async def add(tx: Connection, action: str, *, key: str = "inc_1/L1", cause: str, mode: str = "live") -> bool:
    return await outbox.add(
        tx,
        incident_id=None,
        mode=mode,
        channel="pagerduty",
        action=action,
        dedup_key=key,
        cause=cause,
        message={"summary": f"{key} {cause}", "source": "remediator", "severity": "critical"},
        now=T0,
    )


async def states(store: Store) -> list[tuple[str, str, int]]:
    async with store.read() as connection:
        found = await connection.execute(select(outbox_table).order_by(outbox_table.c.id))
        return [(row.action, row.state, row.attempts) for row in found]


async def drain(courier: Courier, clock: ManualClock, *, within_s: float = LONG_S) -> None:
    """As ``run`` does, with time that passes by itself."""
    for _ in range(int(within_s // 30)):
        while await courier.send_due():
            pass
        await clock.advance(30)


async def test_a_page_is_sent_and_settled(store: Store, clock: ManualClock, sink: Sink) -> None:
    await write(store)
    async with courier_of(store, clock, sink) as courier:
        assert await courier.send_due() == 1
        assert await courier.send_due() == 0
    assert [incident.dedup_key for incident in sink.paging()] == ["inc_1/L1"]
    assert await states(store) == [("trigger", "sent", 1)]


async def test_judged_twice_is_written_once(store: Store) -> None:
    assert await write(store)
    assert not await write(store)
    assert await write(store, cause="failed:run_1")


@pytest.mark.parametrize("mode", ["dry-run", "drill"])
async def test_nothing_of_another_mode_is_sent(store: Store, clock: ManualClock, sink: Sink, mode: str) -> None:
    await write(store, mode=mode)
    async with courier_of(store, clock, sink) as courier:
        await drain(courier, clock, within_s=600)
    assert len(sink.requests) == 0


@pytest.mark.parametrize("kind", ["status 429", "status 500", "status 503", "drop", "reset", "lose_answer"])
async def test_whatever_goes_wrong_for_a_while_the_page_arrives_once(
    store: Store, clock: ManualClock, sink: Sink, kind: str
) -> None:
    await write(store)
    sink.faults.add(kind=kind, times=4)
    async with courier_of(store, clock, sink) as courier:
        await drain(courier, clock, within_s=1800)
    (incident,) = sink.incidents()
    assert incident.status == "triggered"
    assert sum(entry.paged for entry in incident.log) == 1
    assert await states(store) == [("trigger", "sent", 5)]


async def test_a_resolve_never_overtakes_its_trigger(store: Store, clock: ManualClock, sink: Sink) -> None:
    await write(store)
    await write(store, "resolve", cause="over+0")
    await write(store, cause="unfixed+1")
    sink.faults.add(kind="status 500", times=2)
    async with courier_of(store, clock, sink) as courier:
        await drain(courier, clock, within_s=600)
    assert [incident.status for incident in sink.incidents()] == ["resolved", "triggered"]
    assert sink.dropped == []


async def test_messages_written_in_one_millisecond_or_after_the_clock_was_set_back_keep_their_order(
    store: Store, clock: ManualClock, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    milliseconds = iter([5] * 20 + [3] * 10 + [4] * 10)
    monkeypatch.setattr(time, "time_ns", lambda: next(milliseconds) * 1_000_000)
    async with store.begin(Tx.JUDGE_INCIDENT) as tx:
        for number in range(20):
            await add(tx, "trigger", cause=f"unfixed+{number}")
            await add(tx, "resolve", cause=f"over+{number}")
    async with courier_of(store, clock, sink) as courier:
        await drain(courier, clock, within_s=60)
    assert [incident.status for incident in sink.incidents()] == ["resolved"] * 20
    assert sink.dropped == []


async def test_one_key_that_fails_does_not_hold_up_the_others(store: Store, clock: ManualClock, sink: Sink) -> None:
    await write(store, key="inc_1/L1")
    await write(store, key="inc_2/L1")
    sink.faults.add(match=lambda request: b"inc_1" in request.body, kind="status 500", times=None)
    async with courier_of(store, clock, sink) as courier:
        await drain(courier, clock, within_s=60)
    assert [incident.dedup_key for incident in sink.paging()] == ["inc_2/L1"]


async def test_back_off_doubles_with_full_jitter_up_to_five_minutes_and_never_ends(
    store: Store, clock: ManualClock, sink: Sink
) -> None:
    await write(store)
    sink.faults.add(kind="status 500", times=None)
    waits: list[float] = []
    async with courier_of(store, clock, sink, jitter=lambda: 1.0) as courier:
        for _ in range(14):
            await courier.send_due()
            async with store.read() as connection:
                next_at = await outbox.next_due_at(connection)
            assert next_at is not None
            waits.append((next_at - clock.now()).total_seconds())
            await clock.advance(waits[-1])
    assert waits[:8] == [FIRST_BACK_OFF_S * 2**n for n in range(8)]
    assert waits[8:] == [LONGEST_BACK_OFF_S] * 6
    assert (await states(store))[0][1] == "waiting"


async def test_jitter_spreads_the_attempts(store: Store, clock: ManualClock, sink: Sink) -> None:
    await write(store)
    sink.faults.add(kind="status 500", times=None)
    async with courier_of(store, clock, sink, jitter=lambda: 0.25) as courier:
        for _ in range(3):
            await courier.send_due()
            await clock.advance(60)
    async with store.read() as connection:
        (row,) = await outbox.due(connection, clock.now(), 10)
    assert row.next_at == clock.now() - timedelta(seconds=60) + timedelta(seconds=2)


async def test_the_rate_cap_spreads_a_storm_and_loses_nothing(store: Store, clock: ManualClock, sink: Sink) -> None:
    for number in range(25):
        await write(store, key=f"inc_{number}/L1")
    async with courier_of(store, clock, sink, per_minute=10) as courier:
        sent = []
        for _ in range(3):
            while await courier.send_due():
                pass
            sent.append(len(sink.incidents()))
            await clock.advance(61)
    assert sent == [10, 20, 25]


async def test_under_a_rate_cap_people_hear_of_trouble_before_all_clears(
    store: Store, clock: ManualClock, sink: Sink
) -> None:
    for number in range(5):
        await write(store, "resolve", key=f"inc_{number}/L1", cause="over+0")
    await write(store, key="inc_9/L1")
    async with courier_of(store, clock, sink, per_minute=1) as courier:
        await courier.send_due()
    assert [incident.dedup_key for incident in sink.paging()] == ["inc_9/L1"]


class Killed(BaseException):
    """Ends the courier where a kill -9 would."""


@pytest.mark.parametrize("point", ["send.pagerduty.before", "send.pagerduty.after"])
async def test_killed_in_the_middle_the_next_start_pages_exactly_one_incident(
    tmp_path: Path, clock: ManualClock, sink: Sink, point: str
) -> None:
    def kill(reached: str) -> None:
        if reached == point:
            raise Killed

    async with rows.opened(tmp_path) as first:
        await write(first)
        await write(first, "resolve", cause="over+0")
        await write(first, cause="failed:run_1")
        async with courier_of(first, clock, sink, probe=kill) as courier:
            with pytest.raises(BaseExceptionGroup) as died:
                await courier.send_due()
            assert died.group_contains(Killed)
        assert [state for _, state, _ in await states(first)] == ["waiting"] * 3
    async with rows.opened(tmp_path) as second:
        async with courier_of(second, clock, sink) as courier:
            await drain(courier, clock, within_s=60)
        assert [state for _, state, _ in await states(second)] == ["sent"] * 3
    assert [incident.status for incident in sink.incidents()] == ["resolved", "triggered"]


async def test_refused_for_good_is_recorded_and_counted(store: Store, clock: ManualClock, sink: Sink) -> None:
    await write(store)
    sink.faults.add(kind="status 400", times=None)
    metrics = Metrics()
    async with courier_of(store, clock, sink, metrics=metrics) as courier:
        await drain(courier, clock, within_s=600)
    assert await states(store) == [("trigger", "refused", 1)]
    assert metrics.pages.labels(channel="pagerduty", result="refused")._value.get() == 1
    assert len(sink.requests) == 2


async def test_what_was_refused_is_tried_again_by_the_next_start_while_its_incident_is_open(
    store: Store, clock: ManualClock, sink: Sink
) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        for cause, state in (("unfixed", "refused"), ("failed:run_1", "sent")):
            await outbox.add(
                tx,
                incident_id=incident_id,
                mode="live",
                channel="pagerduty",
                action="trigger",
                dedup_key=f"{incident_id}/L1",
                cause=cause,
                message={"summary": cause, "source": "remediator", "severity": "critical"},
                now=T0,
            )
            (row,) = await outbox.due(tx, T0, 10)
            await outbox.settle(tx, row.id, state=state, now=T0)
    async with courier_of(store, clock, sink) as courier, asyncio.TaskGroup() as group:
        task = group.create_task(courier.run())
        await clock.until_sleeping()
        task.cancel()
    assert [incident.summary for incident in sink.paging()] == ["unfixed"]


async def test_a_store_that_fails_after_the_send_does_not_page_again_and_again(
    store: Store, clock: ManualClock, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(store)
    settle = outbox.settle

    async def full(*_: object, **__: object) -> None:
        raise StoreUnavailableError("disk is full")

    async with courier_of(store, clock, sink) as courier:
        monkeypatch.setattr(outbox, "settle", full)
        for _ in range(5):
            with pytest.raises(StoreUnavailableError):
                await courier.send_due()
        monkeypatch.setattr(outbox, "settle", settle)
        await courier.send_due()
    assert len(sink.requests) == 1
    assert await states(store) == [("trigger", "sent", 1)]


async def test_a_defect_in_a_channel_is_tried_again(store: Store, clock: ManualClock, sink: Sink) -> None:
    class Broken:
        async def send(self, message: Message) -> Sent:
            raise KeyError(message.dedup_key)

    await write(store)
    courier = Courier(
        store=store,
        clock=clock,
        channels={"pagerduty": Broken()},
        metrics=Metrics(),
        wakeup=Wakeup(),
        events_per_minute=60,
        jitter=lambda: 0.5,
        may_send=lambda: True,
        reach=Reach(clock=clock, replica="own_1", unfit=fit),
    )
    await courier.send_due()
    assert await states(store) == [("trigger", "waiting", 1)]


async def test_the_loop_sends_what_is_written_while_it_waits_and_shows_the_outbox(
    store: Store, clock: ManualClock, sink: Sink
) -> None:
    metrics = Metrics()
    async with courier_of(store, clock, sink, metrics=metrics) as courier, asyncio.TaskGroup() as group:
        task = group.create_task(courier.run())
        await clock.until_sleeping()
        await write(store)
        sink.faults.add(kind="status 500", times=1)
        await clock.advance(5)  # the slow poll: nobody has woken it
        await clock.until_sleeping()
        assert metrics.outbox_age._value.get() == 5
        assert metrics.outbox_rows.labels(state="waiting")._value.get() == 1
        await clock.advance(5)
        await clock.until_sleeping()
        assert metrics.outbox_age._value.get() == 0
        task.cancel()
    assert len(sink.paging()) == 1
