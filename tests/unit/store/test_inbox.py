"""What stands in the file is what the pure fold says (S2), whatever the order, the batches and the repetitions."""

import asyncio
import sqlite3
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remediator.alerts.episode import Sighting, State, Timeline, take
from remediator.alerts.payload import Alert, Rejected
from remediator.alerts.severity import severity_of
from remediator.errors import StoreUnavailableError
from remediator.store import inbox
from remediator.store.columns import instant
from remediator.store.database import Store, Tx, open_store
from remediator.store.fold import Arrival, Taken
from tests.support import intake_connection

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


def rows(path: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(statement, values).fetchall()
    finally:
        database.close()


def timelines(path: Path) -> dict[tuple[str, str], Timeline]:
    """The newest episodes in the file."""
    found = rows(
        path,
        "SELECT source, fingerprint, state, starts_at, last_starts_at, ended_at, flaps, repeats FROM episodes WHERE latest = 1",
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
@settings(max_examples=20)  # each opens and migrates a file
async def test_the_file_says_what_the_pure_fold_says(
    tmp_path_factory: pytest.TempPathFactory, batches: Sequence[Sequence[tuple[str, Sequence[Alert]]]]
) -> None:
    path = tmp_path_factory.mktemp("fold") / "r.sqlite"
    store = await open_store(f"sqlite:///{path}")
    expected: dict[tuple[str, str], Timeline] = {}
    episodes = 0
    received = 100.0
    try:
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
            assert timelines(path) == expected
        assert rows(path, "SELECT count(*) FROM episodes") == [(episodes,)]
        assert rows(path, "SELECT count(*) FROM episodes WHERE latest = 0 AND state != 'closed'") == [(0,)]
        assert rows(path, "SELECT count(*) FROM episodes WHERE delivery_id IS NULL") == [(0,)]
        assert rows(path, "PRAGMA foreign_key_check") == []
    finally:
        await store.close()


@pytest.fixture
async def file(tmp_path: Path) -> Any:
    store = await open_store(f"sqlite:///{tmp_path}/r.sqlite")
    yield store, tmp_path / "r.sqlite"
    await store.close()


def due_at(path: Path) -> datetime | None:
    due: int | None
    [(due,)] = rows(path, "SELECT decide_again_at FROM episodes WHERE latest = 1")
    return instant(due)


async def settle(store: Store, decide_again_at: datetime | None) -> None:
    """What the decider does once it has looked."""
    async with store.begin_lean(Tx.DECIDE) as writer:
        value = None if decide_again_at is None else int(decide_again_at.timestamp() * 1_000_000)
        await writer.run(lambda execute: execute("UPDATE episodes SET decide_again_at = ?", (value,)))


async def test_new_closed_and_doubtful_episodes_are_due_at_once(file: tuple[Store, Path]) -> None:
    store, path = file
    await store_all(store, an_arrival(an_alert("a", 1), received=10))
    assert due_at(path) == at(10)
    await settle(store, None)
    await store_all(store, an_arrival(an_alert("a", 1, 5), received=11))
    assert due_at(path) == at(11)
    await settle(store, None)
    await store_all(store, an_arrival(an_alert("a", 1), received=12))
    assert due_at(path) == at(12)
    await settle(store, at(500))
    await store_all(store, an_arrival(an_alert("a", 1), received=13))
    assert due_at(path) == at(13)


async def test_a_mere_repeat_is_decided_again_only_if_it_was_waited_for(file: tuple[Store, Path]) -> None:
    store, path = file
    await store_all(store, an_arrival(an_alert("a", 1), received=10))
    await settle(store, None)
    await store_all(store, an_arrival(an_alert("a", 1), received=100))
    assert due_at(path) is None
    await settle(store, at(300))
    await store_all(store, an_arrival(an_alert("a", 1), received=101))
    assert due_at(path) == at(300), "confirmed a minute ago already"
    await store_all(store, an_arrival(an_alert("a", 1), received=200))
    assert due_at(path) == at(200), "a denial for want of confirmation can pass now (S10)"


async def test_a_tombstone_needs_no_decision(file: tuple[Store, Path]) -> None:
    store, path = file
    [taken] = await store_all(store, an_arrival(an_alert("a", 1, 5)))
    assert taken.effects == {"late": 1}
    assert due_at(path) is None


async def test_the_incident_of_a_closed_episode_is_looked_at(file: tuple[Store, Path]) -> None:
    store, path = file
    await store_all(store, an_arrival(an_alert("a", 1), received=10))
    async with store.begin_lean(Tx.DECIDE) as writer:
        columns = "id, key, mode, title, severity, state, opened_at, recurrences"
        insert = f"INSERT INTO incidents ({columns}) VALUES ('inc_1', 'k', 'live', 't', 'high', 'open', 0, 0)"
        await writer.run(lambda execute: execute(insert, ()))
        await writer.run(lambda execute: execute("UPDATE episodes SET incident_id = 'inc_1'", ()))
    await store_all(store, an_arrival(an_alert("a", 1), received=11))
    assert rows(path, "SELECT look_again_at FROM incidents") == [(None,)]
    await store_all(store, an_arrival(an_alert("a", 1, 9), received=12))
    [(look_again_at,)] = rows(path, "SELECT look_again_at FROM incidents")
    assert instant(look_again_at) == at(12)


async def test_a_possible_late_copy_does_not_confirm(file: tuple[Store, Path]) -> None:
    store, path = file
    await store_all(store, an_arrival(an_alert("a", 1), received=2), an_arrival(an_alert("a", 1, 5), received=6))
    async with store.begin_lean(Tx.SETTLE_DOUBT) as writer:  # reopened for want of an answer
        reopen = "UPDATE episodes SET state = 'open', confirmed_at = NULL"
        await writer.run(lambda execute: execute(reopen, ()))
    await store_all(store, an_arrival(an_alert("a", 1), received=7))
    assert rows(path, "SELECT confirmed_at FROM episodes") == [(None,)]
    await store_all(store, an_arrival(an_alert("a", 6), received=8))
    [(confirmed_at,)] = rows(path, "SELECT confirmed_at FROM episodes")
    assert instant(confirmed_at) == at(8)


async def test_severity_is_mapped_when_an_episode_opens_s4(file: tuple[Store, Path]) -> None:
    store, path = file
    labels = [
        ("a", {"severity": "PAGE"}),
        ("b", {"severity": "warning"}),
        ("c", {"x": "y"}),
        ("d", {"severity": "none"}),
    ]
    await store_all(store, an_arrival(*(an_alert(name, 1, labels=given) for name, given in labels)))
    found = rows(path, "SELECT fingerprint, severity, rank FROM episodes ORDER BY fingerprint")
    assert found == [("a", "critical", 0), ("b", "medium", 2), ("c", "unknown", 1), ("d", "none", 4)]


async def test_one_fingerprint_of_two_sources_is_two_episodes_s1(file: tuple[Store, Path]) -> None:
    store, path = file
    await store_all(store, an_arrival(an_alert("a", 1), source="prod"), an_arrival(an_alert("a", 1), source="staging"))
    assert rows(path, "SELECT count(*) FROM episodes WHERE state = 'open'") == [(2,)]


async def test_a_failed_transaction_leaves_nothing(file: tuple[Store, Path]) -> None:
    store, path = file

    async def failing() -> None:
        async with store.begin_lean(Tx.INTAKE) as writer:
            await inbox.take_in(writer, [an_arrival(an_alert("a", 1))], severity_of, breathe)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await failing()
    assert rows(path, "SELECT count(*) FROM episodes") == [(0,)]
    await store_all(store, an_arrival(an_alert("a", 1)))
    assert rows(path, "SELECT count(*) FROM episodes") == [(1,)]


async def test_a_store_that_cannot_be_written_says_so(file: tuple[Store, Path]) -> None:
    store, _ = file
    intake_connection.of(store).execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailableError, match="readonly"):
        await store_all(store, an_arrival(an_alert("a", 1)))


async def test_both_ways_of_writing_take_turns(file: tuple[Store, Path]) -> None:
    store, path = file
    async with store.begin(Tx.MARK) as connection:
        await connection.exec_driver_sql("INSERT INTO meta (key, value) VALUES ('a', '1')")
    await store_all(store, an_arrival(an_alert("a", 1)))
    async with store.begin(Tx.MARK) as connection:
        await connection.exec_driver_sql("INSERT INTO meta (key, value) VALUES ('b', '1')")
    assert rows(path, "SELECT count(*) FROM meta WHERE key IN ('a', 'b')") == [(2,)]


async def test_the_question_for_the_newest_episode_uses_its_index(file: tuple[Store, Path]) -> None:
    _, path = file
    where = "latest = 1 AND source = 'a' AND fingerprint IN ('b', 'c')"
    [(*_, plan)] = rows(path, f"EXPLAIN QUERY PLAN SELECT id FROM episodes WHERE {where}")
    assert "uq_episodes_latest" in plan


@pytest.mark.parametrize("size", [0, 1, 1_000, 4_095, 4_096, 70_000])
def test_a_packed_body_is_zlib(size: int) -> None:
    body = bytes(number % 251 for number in range(size))
    assert zlib.decompress(inbox.pack(body)) == body
