"""Nothing that the engine asks all the time reads a whole table: history must cost disk, not time (engine.md 11)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection

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
    runs,
)
from remediator.store.database import open_store
from remediator.targets import Target
from tests.support.clock import T0

TARGET = Target.kubernetes("prod", "shop", "deployment", "checkout")
HOUR = timedelta(hours=1)
SMALL = frozenset({"pauses", "locks", "meta", "CONSTANT"})
"""Tables that hold what stands now and nothing of the past; CONSTANT is SQLite's word for no table at all."""

QUESTIONS: dict[str, Callable[[AsyncConnection], Awaitable[Any]]] = {
    "episodes due": lambda c: episodes.due(c, T0, 64),
    "next episode due": episodes.next_due_at,
    "episodes of a target": lambda c: episodes.of_target(
        c, ["default"], ["inc_1"], T0, alertnames=["ServiceDown"], traces=['"checkout"']
    ),
    "watchdog": lambda c: episodes.last_seen(c, "Watchdog"),
    "runs due": lambda c: claims.claim_due(c, mode="live", owner="o", now=T0, lease_until=T0, limit=32),
    "next run due": lambda c: claims.next_due_at(c, "live"),
    "stale runs": lambda c: claims.stale_ready(c, mode="live", admitted_before=T0),
    "pending run": lambda c: runs.pending_of(c, episode_id="epi_1", mode="live"),
    "runs that need a person": lambda c: runs.listing(c, states=("needs_person",)),
    "in the way": lambda c: locks.in_the_way(c, mode="live", target=TARGET, without=None),
    "ledger": lambda c: ledger.facts(
        c, mode="live", playbook="p", target=str(TARGET), budget_per=HOUR, totals_per=HOUR, now=T0, without=None
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
    "dead letters": lambda c: dead_letters.untold(c, 10),
    "debts": doubts.debts,
    "pauses": pauses.standing,
}


@pytest.mark.slow
@pytest.mark.parametrize("question", sorted(QUESTIONS))
async def test_the_question_is_answered_by_an_index(question: str, tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/s.sqlite")
    asked: list[tuple[str, Any]] = []
    try:
        async with store.read() as connection:

            def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, _many: bool) -> None:
                if statement.lstrip().upper().startswith("SELECT"):
                    asked.append((statement, parameters))

            listened = connection.sync_connection
            assert listened is not None
            event.listen(listened, "before_cursor_execute", note)
            await QUESTIONS[question](connection)
            event.remove(listened, "before_cursor_execute", note)
            assert asked
            for statement, parameters in asked:
                plan = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)).all()
                for row in plan:
                    table = row.detail.removeprefix("SCAN ").split(" ")[0]
                    whole = row.detail.startswith("SCAN ") and " USING " not in row.detail
                    assert not whole or table in SMALL, f"{row.detail}: {statement}"
            await connection.execute(text("SELECT 1"))
    finally:
        await store.close()
