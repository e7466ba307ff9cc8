"""What replicas leave that never come back: their rows, and alarms that nobody else would clear (S36)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remediator.channels.base import Message, Sent
from remediator.engine.alarm import Alarm
from remediator.engine.gone_replicas import GoneReplicas
from remediator.engine.wakeup import Wakeup
from remediator.errors import TransientError
from remediator.store import replicas
from remediator.store.database import Store, Tx
from remediator.store.replicas import Card
from tests.support import incidents as rows
from tests.support import runs as made
from tests.support.clock import ManualClock

HOUR_S = 3600.0


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


class Sink:
    """Who is paged. ``down``: it takes nothing."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.down = False

    async def send(self, message: Message) -> Sent:
        if self.down:
            raise TransientError("down")
        (self.open.add if message.action == "trigger" else self.open.discard)(message.dedup_key)
        return Sent()


async def beat(store: Store, clock: ManualClock, replica_id: str, name: str) -> None:
    card = Card(id=replica_id, name=name, mode="live", node=None, set_hash=None, knows=())
    async with store.begin(Tx.HEARTBEAT) as tx:
        await replicas.beat(tx, card, now=clock.now(), lease_until=clock.now() + made.LEASE)


async def rows_left(store: Store, clock: ManualClock) -> list[str]:
    async with store.read() as connection:
        return [one for one, _ in await replicas.gone(connection, seen_before=clock.now() + made.LEASE)]


async def test_the_alarm_of_a_replica_that_never_came_back_is_cleared_once_its_row_is_old(
    store: Store, clock: ManualClock
) -> None:
    sink = Sink()
    lost = Alarm(channel=sink, clock=clock, wakeup=Wakeup(), replica="pod-1")
    lost.store_failed("disk full", [])
    await clock.advance(60)
    await lost.look()
    assert sink.open == {"remediator/pod-1/store"}

    mine = Alarm(channel=sink, clock=clock, wakeup=Wakeup(), replica="pod-2")
    gone = GoneReplicas(store=store, clock=clock, clear_alarm=mine.clear)
    await beat(store, clock, "own_1", "pod-1")
    await clock.advance(HOUR_S - 1)
    await gone.look()
    assert sink.open, "it may come back"
    await clock.advance(2)
    await beat(store, clock, "own_2", "pod-2")
    sink.down = True
    await gone.look()
    assert await rows_left(store, clock) == ["own_1", "own_2"], "tried again at the next look"
    sink.down = False
    await gone.look()
    assert sink.open == set()
    assert await rows_left(store, clock) == ["own_2"]


async def test_a_name_that_lives_again_keeps_its_alarm(store: Store, clock: ManualClock) -> None:
    sink = Sink()
    sink.open.add("remediator/host/store")
    await beat(store, clock, "own_before", "host")
    await clock.advance(HOUR_S + 1)
    await beat(store, clock, "own_after", "host")
    mine = Alarm(channel=sink, clock=clock, wakeup=Wakeup(), replica="other")
    await GoneReplicas(store=store, clock=clock, clear_alarm=mine.clear).look()
    assert sink.open == {"remediator/host/store"}
    assert await rows_left(store, clock) == ["own_after"]
