"""Nothing that the engine asks all the time reads a whole table: history must cost disk, not time (engine.md 11)."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.decision.facts import Limits
from remediator.playbooks.rules import Budget
from remediator.store import (
    claims,
    dead_letters,
    decisions,
    doubts,
    episodes,
    incidents,
    journal,
    ledger,
    locks,
    outbox,
    pauses,
    retention,
    runs,
)
from remediator.store.database import open_store
from remediator.store.schema import metadata
from remediator.targets import Target
from tests.support import past
from tests.support.clock import T0

TARGET = Target.kubernetes("prod", "shop", "deployment", "checkout")
HOUR = timedelta(hours=1)
LIMITS = Limits(total=1, total_per_playbook=1, per=HOUR)
SMALL = frozenset({"pauses", "locks", "meta", "CONSTANT"})
"""Tables that hold what stands now and nothing of the past; CONSTANT is SQLite's word for no table at all."""
PARTIAL = frozenset(
    str(index.name)
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_kwargs["postgresql_where"] is not None
)
"""Indexes that hold what stands now: to read one whole costs nothing of the past."""
ROWS = 5_000
COST = 60.0
"""In the planner's unit; reading one whole table of so many rows costs more than 100."""

QUESTIONS: dict[str, Callable[[AsyncConnection], Awaitable[Any]]] = {
    "episodes due": lambda c: episodes.due(c, T0, 64),
    "next episode due": episodes.next_due_at,
    "episodes of a target": lambda c: episodes.of_target(
        c, ["default"], ["inc_1"], T0, alertnames=["ServiceDown"], traces=['"checkout"']
    ),
    "watchdog": lambda c: episodes.last_seen(c, "Watchdog"),
    "runs due": lambda c: claims.claim_due(c, mode="live", owner="o", now=T0, lease_until=T0, limit=32),
    "next run due": lambda c: claims.next_due_at(c, "live"),
    "runs that nobody claims": lambda c: claims.unclaimed(c, mode="live", due_before=T0),
    "formats of due runs": lambda c: claims.needs_due(c, mode="live", now=T0),
    "stale runs": lambda c: claims.stale_ready(c, mode="live", admitted_before=T0),
    "pending run": lambda c: runs.pending_of(c, episode_id="epi_1", mode="live"),
    "runs that need a person": lambda c: runs.listing(c, states=("needs_person",)),
    "in the way": lambda c: locks.in_the_way(c, mode="live", target=TARGET, without=None),
    "ledger": lambda c: ledger.facts(
        c,
        mode="live",
        playbook="p",
        target=str(TARGET),
        budget=Budget(runs=1, per=HOUR),
        limits=LIMITS,
        now=T0,
        without=None,
    ),
    "journal": lambda c: journal.of_run(c, "run_1"),
    "messages due": lambda c: outbox.due(c, T0, 50),
    "next message due": outbox.next_due_at,
    "oldest message": outbox.oldest_waiting_at,
    "incidents due": lambda c: incidents.due(c, T0, 50, mode="live"),
    "next incident due": lambda c: incidents.next_due_at(c, mode="live"),
    "decisions of an episode": lambda c: decisions.record(
        c, episode_id="epi_1", incident_id="inc_1", mode="live", answers=(), now=T0
    ),
    "unsent messages": outbox.count_unsent,
    "newest incidents": lambda c: incidents.listing(c),
    "open incidents": lambda c: incidents.listing(c, states=("open",)),
    "incidents of long ago": lambda c: retention.over(c, before=T0, after=None, limit=100),
    "dead letters": lambda c: dead_letters.untold(c, 10),
    "debts": doubts.debts,
    "pauses": pauses.standing,
}


@pytest.mark.slow
@pytest.mark.parametrize("question", sorted(QUESTIONS))
async def test_the_question_is_answered_by_an_index_of_sqlite(question: str, tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/s.sqlite")
    try:
        async with store.read() as connection:
            for statement, parameters in await statements_of(connection, question):
                plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all()
                for row in plan:
                    table = row.detail.removeprefix("SCAN ").split(" ")[0]
                    whole = row.detail.startswith("SCAN ") and " USING " not in row.detail
                    assert not whole or table in SMALL, f"{row.detail}: {statement}"
    finally:
        await store.close()


@pytest.mark.slow
async def test_the_questions_are_answered_by_indexes_of_postgresql(database_url: str) -> None:
    """Its planner weighs: so it is given a history, and asked what it would do."""
    await past.fill(database_url, rows=ROWS)
    store = await open_store(database_url)
    too_much = []
    try:
        for question in sorted(QUESTIONS):
            async with store.read() as connection:
                for statement, parameters in await statements_of(connection, question):
                    explain = f"EXPLAIN (FORMAT JSON) {statement}"
                    [[plan]] = (await connection.exec_driver_sql(explain, parameters)).all()
                    [found] = plan
                    read = list(whole_tables(found["Plan"]))
                    if read or found["Plan"]["Total Cost"] > COST:
                        too_much.append((question, read, found["Plan"]["Total Cost"], statement))
    finally:
        await store.close()
    assert too_much == [], "\n".join(str(one) for one in too_much)


def whole_tables(node: dict[str, Any], *, few: bool = False) -> Iterator[str]:
    """Tables of which every row, or every entry of an index, would be read. ``few``: the first ones in the index's order are enough."""
    bounded = "Index Cond" in node or "Recheck Cond" in node or (few and node["Node Type"].startswith("Index"))
    if "Relation Name" in node and not bounded and node["Relation Name"] not in SMALL:
        partial = node.get("Index Name", "") in PARTIAL
        if not partial:
            yield f"{node['Node Type']} {node['Relation Name']} {node.get('Index Name', '')}"
    for inner in node.get("Plans", ()):
        yield from whole_tables(inner, few=node["Node Type"] == "Limit")


async def statements_of(connection: AsyncConnection, question: str) -> list[tuple[str, Any]]:
    """What is asked of the database for it."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            asked.append((statement, parameters))

    listened = connection.sync_connection
    assert listened is not None
    event.listen(listened, "before_cursor_execute", note)
    await QUESTIONS[question](connection)
    event.remove(listened, "before_cursor_execute", note)
    assert asked
    return asked
