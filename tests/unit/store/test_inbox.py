"""What stands in the store is what the pure fold says (S2), whatever the order, the batches and the repetitions."""

import asyncio
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from remediator.alerts.episode import Sighting, State, Timeline, take
from remediator.alerts.payload import Alert, Rejected
from remediator.alerts.severity import severity_of
from remediator.errors import StoreUnavailableError
from remediator.store import inbox
from remediator.store.columns import instant
from remediator.store.database import Store, Tx
from remediator.store.fold import Arrival, Taken
from remediator.store.lean import Execute
from tests.support import intake_connection
from tests.support.incidents import opened
from tests.support.new_store import NewStore

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def an_alert(fingerprint: str, starts: int, ends: int | None = None, **changes: Any) -> Alert:
    firing = Alert(
        firing=ends is None,
        labels={"alertname": "Down", "severity": "critical", "instance": fingerprint},
        annotations={},
        starts_at=at(starts),
        ends_at=None if ends is None else at(ends),
        generator_url="",
        fingerprint=fingerprint,
    )
    return firing._replace(**changes)


def an_arrival(*alerts: Alert | Rejected, received: float = 100, source: str = "prod", **changes: Any) -> Arrival:
    arrival = Arrival(
        source=source,
        received_at=at(received),
        receiver="remediator",
        group_key="{}:{}",
        external_url="",
        truncated=0,
        total=len(alerts),
        alerts=alerts,
        delivery_id=f"dlv_{received}_{source}",
        packed=partial(inbox.pack, b"body"),
    )
    return arrival._replace(**changes)


async def breathe() -> None:
    await asyncio.sleep(0)


async def store_all(store: Store, *arrivals: Arrival) -> list[Taken]:
    async with store.begin_lean(Tx.INTAKE) as writer:
        return await inbox.take_in(writer, arrivals, severity_of, breathe)


async def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    """What another connection sees: only what is committed."""
    async with store.read() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def timelines(store: Store) -> dict[tuple[str, str], Timeline]:
    """The newest episodes in the store."""
    found = await rows(
        store,
        "SELECT source, fingerprint, state, starts_at, last_starts_at, ended_at, flaps, repeats FROM episodes WHERE latest",
    )
    return {
        (source, fingerprint): Timeline(State(state), instant(starts), instant(last), instant(ended), flaps, repeats)
        for source, fingerprint, state, starts, last, ended, flaps, repeats in found
    }


@st.composite
def some_alerts(draw: st.DrawFn) -> Alert:
    starts = draw(st.integers(0, 6))
    ends = draw(st.none() | st.integers(starts, 8))
    return an_alert(draw(st.sampled_from("abc")), starts, ends)


@pytest.mark.slow
@given(
    batches=st.lists(
        st.lists(st.tuples(st.sampled_from(["x", "y"]), st.lists(some_alerts(), max_size=4)), max_size=4), max_size=6
    )
)
@settings(max_examples=20)  # each has a store of its own
async def test_the_store_says_what_the_pure_fold_says(
    make_store: NewStore, batches: Sequence[Sequence[tuple[str, Sequence[Alert]]]]
) -> None:
    expected: dict[tuple[str, str], Timeline] = {}
    episodes = 0
    received = 100.0
    async with make_store() as store:
        for batch in batches:
            arrivals = []
            for source, alerts in batch:
                received += 1
                arrivals.append(an_arrival(*alerts, source=source, received=received))
                for one in alerts:
                    step = take(expected.get((source, one.fingerprint)), Sighting(one.starts_at, one.ends_at))
                    expected[source, one.fingerprint] = step.timeline
                    episodes += step.opens
            await store_all(store, *arrivals)
            assert await timelines(store) == expected
        assert await rows(store, "SELECT count(*) FROM episodes") == [(episodes,)]
        assert await rows(store, "SELECT count(*) FROM episodes WHERE NOT latest AND state != 'closed'") == [(0,)]
        unknown = "delivery_id IS NULL OR delivery_id NOT IN (SELECT id FROM deliveries)"
        assert await rows(store, f"SELECT count(*) FROM episodes WHERE {unknown}") == [(0,)]


async def due_at(store: Store) -> datetime | None:
    due: int | None
    [(due,)] = await rows(store, "SELECT decide_again_at FROM episodes WHERE latest")
    return instant(due)


async def settle(store: Store, decide_again_at: datetime | None) -> None:
    """What the decider does once it has looked."""
    async with store.begin_lean(Tx.DECIDE) as writer:
        value = None if decide_again_at is None else int(decide_again_at.timestamp() * 1_000_000)
        await writer.run(lambda execute: execute("UPDATE episodes SET decide_again_at = ?", (value,)))


async def test_new_closed_and_doubtful_episodes_are_due_at_once(store: Store) -> None:
    await store_all(store, an_arrival(an_alert("a", 1), received=10))
    assert await due_at(store) == at(10)
    await settle(store, None)
    await store_all(store, an_arrival(an_alert("a", 1, 5), received=11))
    assert await due_at(store) == at(11)
    await settle(store, None)
    await store_all(store, an_arrival(an_alert("a", 1), received=12))
    assert await due_at(store) == at(12)
    await settle(store, at(500))
    await store_all(store, an_arrival(an_alert("a", 1), received=13))
    assert await due_at(store) == at(13)


async def test_a_mere_repeat_is_decided_again_only_if_it_was_waited_for(store: Store) -> None:
    await store_all(store, an_arrival(an_alert("a", 1), received=10))
    await settle(store, None)
    await store_all(store, an_arrival(an_alert("a", 1), received=100))
    assert await due_at(store) is None
    await settle(store, at(300))
    await store_all(store, an_arrival(an_alert("a", 1), received=101))
    assert await due_at(store) == at(300), "confirmed a minute ago already"
    await store_all(store, an_arrival(an_alert("a", 1), received=200))
    assert await due_at(store) == at(200), "a denial for want of confirmation can pass now (S10)"


async def test_a_tombstone_needs_no_decision(store: Store) -> None:
    [taken] = await store_all(store, an_arrival(an_alert("a", 1, 5)))
    assert taken.effects == {"late": 1}
    assert await due_at(store) is None


async def test_the_incident_of_a_closed_episode_is_looked_at(store: Store) -> None:
    await store_all(store, an_arrival(an_alert("a", 1), received=10))
    async with store.begin_lean(Tx.DECIDE) as writer:
        columns = "id, key, mode, title, severity, state, opened_at, recurrences"
        insert = f"INSERT INTO incidents ({columns}) VALUES ('inc_1', 'k', 'live', 't', 'high', 'open', 0, 0)"
        await writer.run(lambda execute: execute(insert, ()))
        await writer.run(lambda execute: execute("UPDATE episodes SET incident_id = 'inc_1'", ()))
    await store_all(store, an_arrival(an_alert("a", 1), received=11))
    assert await rows(store, "SELECT look_again_at FROM incidents") == [(None,)]
    await store_all(store, an_arrival(an_alert("a", 1, 9), received=12))
    [(look_again_at,)] = await rows(store, "SELECT look_again_at FROM incidents")
    assert instant(look_again_at) == at(12)


async def test_a_possible_late_copy_does_not_confirm(store: Store) -> None:
    await store_all(store, an_arrival(an_alert("a", 1), received=2), an_arrival(an_alert("a", 1, 5), received=6))
    async with store.begin_lean(Tx.SETTLE_DOUBT) as writer:  # reopened for want of an answer
        reopen = "UPDATE episodes SET state = 'open', confirmed_at = NULL"
        await writer.run(lambda execute: execute(reopen, ()))
    await store_all(store, an_arrival(an_alert("a", 1), received=7))
    assert await rows(store, "SELECT confirmed_at FROM episodes") == [(None,)]
    await store_all(store, an_arrival(an_alert("a", 6), received=8))
    [(confirmed_at,)] = await rows(store, "SELECT confirmed_at FROM episodes")
    assert instant(confirmed_at) == at(8)


async def test_severity_is_mapped_when_an_episode_opens_s4(store: Store) -> None:
    labels = [
        ("a", {"severity": "PAGE"}),
        ("b", {"severity": "warning"}),
        ("c", {"x": "y"}),
        ("d", {"severity": "none"}),
    ]
    await store_all(store, an_arrival(*(an_alert(name, 1, labels=given) for name, given in labels)))
    found = await rows(store, "SELECT fingerprint, severity, rank FROM episodes ORDER BY fingerprint")
    assert found == [("a", "critical", 0), ("b", "medium", 2), ("c", "unknown", 1), ("d", "none", 4)]


async def test_one_fingerprint_of_two_sources_is_two_episodes_s1(store: Store) -> None:
    await store_all(store, an_arrival(an_alert("a", 1), source="prod"), an_arrival(an_alert("a", 1), source="staging"))
    assert await rows(store, "SELECT count(*) FROM episodes WHERE state = 'open'") == [(2,)]


async def test_a_failed_transaction_leaves_nothing(store: Store) -> None:

    async def failing() -> None:
        async with store.begin_lean(Tx.INTAKE) as writer:
            await inbox.take_in(writer, [an_arrival(an_alert("a", 1))], severity_of, breathe)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await failing()
    assert await rows(store, "SELECT count(*) FROM episodes") == [(0,)]
    await store_all(store, an_arrival(an_alert("a", 1)))
    assert await rows(store, "SELECT count(*) FROM episodes") == [(1,)]


async def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        intake_connection.of(store).execute("PRAGMA query_only = ON")
        with pytest.raises(StoreUnavailableError, match="readonly"):
            await store_all(store, an_arrival(an_alert("a", 1)))


async def test_both_ways_of_writing_take_turns(store: Store) -> None:
    async with store.begin(Tx.MARK) as connection:
        await connection.exec_driver_sql("INSERT INTO meta (key, value) VALUES ('a', '1')")
    await store_all(store, an_arrival(an_alert("a", 1)))
    async with store.begin(Tx.MARK) as connection:
        await connection.exec_driver_sql("INSERT INTO meta (key, value) VALUES ('b', '1')")
    assert await rows(store, "SELECT count(*) FROM meta WHERE key IN ('a', 'b')") == [(2,)]


async def test_the_question_for_the_newest_episode_uses_its_index(store: Store) -> None:
    async with store.begin_lean(Tx.INTAKE) as writer:
        plan = await writer.run(lambda execute: _plan(execute, shared=store.shared))
    assert "uq_episodes_latest" in plan


def _plan(execute: Execute, *, shared: bool) -> str:
    """How the database would find it: of the very statement that is sent."""
    sent: list[tuple[str, Sequence[object]]] = []

    class Noting(type(execute)):  # type: ignore[misc]
        def __call__(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
            sent.append((statement, values))
            return []

    noting = object.__new__(Noting)
    noting.select_in(("id",), "episodes", flag="latest", where=("source", "a"), member="fingerprint", of=["b", "c"])
    [(statement, values)] = sent
    if shared:
        execute("SET LOCAL enable_seqscan = off", ())  # an empty table is read whole otherwise
    return str(execute(f"EXPLAIN {'' if shared else 'QUERY PLAN '}{statement}", values))


@pytest.mark.parametrize("size", [0, 1, 1_000, 4_095, 4_096, 70_000])
def test_a_packed_body_is_zlib(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    assert zlib.decompress(inbox.pack(body)) == body
