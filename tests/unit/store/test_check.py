"""``store check``: a store in the middle of its work is good, and each thing that is broken by hand is named with its rows."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from remediator.errors import ConfigError
from remediator.runs import machine
from remediator.runs.cursor import Phase
from remediator.runs.undo import reverse
from remediator.store import clock_steps, ledger, locks, outbox
from remediator.store.check import findings
from remediator.store.database import Connection, Store, Tx
from remediator.store.invariants import Finding, begun_again_without_a_look
from remediator.store.reading import open_for_reading
from remediator.targets import Target
from tests.support import incidents as rows
from tests.support.clock import T0

SOON = T0 + timedelta(minutes=5)
DEPLOYMENT = Target.parse(rows.CHECKOUT)
OTHER = Target.kubernetes("prod", "shop", "deployment", "cart")
CHANGED = machine.start(0, T0).to_json() | {"phase": Phase.VERIFY, "changed": True}


@dataclass
class Ids:
    """Rows of a store in the middle of its work."""

    store: Store
    url: str
    incident: str
    alert: str
    running: str
    ended: str
    waiting: str
    reverse: str

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("sqlite:///"))

    async def findings(self) -> list[Finding]:
        async with open_for_reading(self.url) as connection:
            return [one async for one in findings(connection, now=SOON, watchdog="Watchdog")]

    def break_by_hand(self, statement: str) -> None:
        """Without foreign keys, and without the indexes that would refuse it."""
        with closing(sqlite3.connect(self.path)) as database, database:
            for name in ("uq_runs_active", "uq_locks_exclusive", "uq_outbox_cause", "uq_episodes_latest"):
                database.execute(f"DROP INDEX IF EXISTS {name}")
            assert database.execute(self.filled(statement)).rowcount > 0, statement

    def filled(self, statement: str) -> str:
        """With these rows' ids."""
        return statement.format(**self.__dict__)


@pytest.fixture
async def working(tmp_path: Path) -> AsyncIterator[Ids]:
    """In a SQLite file, where one can break anything by hand."""
    async with rows.opened(tmp_path) as store:
        yield await filled(store, f"sqlite:///{tmp_path}/remediator.sqlite")


async def filled(store: Store, url: str) -> Ids:
    async with store.begin(Tx.OPERATE) as tx:
        incident = await rows.join(tx)
        alert = await rows.fire(tx, incident)
        await rows.answer(tx, incident, alert, "run")
        ended = await _run(tx, incident, alert, "ended", at=T0 - timedelta(hours=2))
        running = await _run(tx, incident, alert, "running")
        request = await rows.join(tx, target=str(OTHER))
        asked = await rows.fire(tx, request)
        waiting = await _run(tx, request, asked, "approval", target=str(OTHER))
        await rows.ask_approval(tx, waiting)
        put_back = await rows.admit(
            tx,
            incident,
            alert,
            "scheduled",
            cursor=reverse(ended, 0, 0, SOON).to_json(),
            wake_at=SOON + timedelta(days=1),
            deadline_at=SOON + timedelta(days=2),
        )
        watchdog = await rows.join(tx, target=None)
        await rows.fire(tx, watchdog, severity="none")
        await rows.fire(tx, watchdog, alertname="Watchdog")
        await outbox.add(
            tx,
            incident_id=incident,
            mode="live",
            channel="pagerduty",
            action="trigger",
            dedup_key=f"{incident}/L1",
            cause="refuse",
            message={},
            now=T0,
        )
    return Ids(store, url, incident, alert, running, ended, waiting, put_back)


async def _run(tx: Connection, incident: str, alert: str, state: str, **columns: Any) -> str:
    """A run with the locks and the ledger entry that go with its state."""
    at = columns.pop("at", T0)
    assert at is T0 or state == "ended"
    given: dict[str, Any] = {"wake_at": T0, "target": rows.CHECKOUT}
    if state == "running":
        given |= {"owner": "own_1", "lease_until": SOON, "cursor": CHANGED, "changed_at": T0}
    if state == "ended":
        over = {"outcome": "verified", "ended_at": T0 - timedelta(hours=1), "wake_at": None}
        given |= {"changed_at": T0 - timedelta(hours=2), **over}
    run_id = await rows.admit(tx, incident, alert, state, **(given | columns))
    target = Target.parse(str(columns.get("target", rows.CHECKOUT)))
    await ledger.reserve(tx, run_id=run_id, mode="live", playbook="restart-it", target=target.counted, now=T0)
    if state == "running":
        await ledger.mark_changed(tx, run_id, T0)
        assert await locks.take(tx, run_id=run_id, mode="live", target=target, now=T0)
    if state == "ended":
        await ledger.close(tx, run_id, outcome="verified", changed=True)
        await rows.step(tx, run_id)
    return run_id


async def test_a_store_in_the_middle_of_its_work_is_good(working: Ids) -> None:
    assert await working.findings() == []


BROKEN = {
    "claim_without_lease": "UPDATE runs SET lease_until = NULL WHERE id = '{running}'",
    "ended_run_claimed": "UPDATE runs SET owner = 'own_1', lease_until = 1 WHERE id = '{ended}'",
    "lock_without_a_run": "UPDATE locks SET run_id = '{ended}' WHERE run_id = '{running}'",
    "lock_past_deadline": "UPDATE runs SET deadline_at = 1 WHERE id = '{running}'",
    "change_without_lock": "DELETE FROM locks WHERE run_id = '{running}'",
    "run_not_in_ledger": "DELETE FROM ledger WHERE run_id = '{waiting}'",
    "ledger_counts_nothing": "UPDATE runs SET changed_at = NULL WHERE id = '{ended}'",
    "ledger_differs": "UPDATE ledger SET playbook = 'another' WHERE run_id = '{running}'",
    "step_left_begun": "UPDATE journal SET state = 'begun' WHERE run_id = '{ended}'",
    "ended_run_without_outcome": "UPDATE runs SET ended_at = NULL WHERE id = '{ended}'",
    "request_without_a_run": "UPDATE approvals SET run_id = '{ended}' WHERE run_id = '{waiting}'",
    "run_in_hand_with_an_end": "UPDATE runs SET ended_at = 1 WHERE id = '{running}'",
    "asks_nothing": "UPDATE runs SET state = 'needs_person' WHERE id = '{running}'",
    "run_never_wakes": "UPDATE runs SET wake_at = NULL WHERE id = '{reverse}'",
    "run_without_request": "DELETE FROM approvals WHERE run_id = '{waiting}'",
    "two_open_episodes": "UPDATE episodes SET latest = 0 WHERE id = '{alert}'",
    "alert_of_closed_incident": "UPDATE incidents SET state = 'closed', closed_at = 1 WHERE id = '{incident}'",
    "incident_never_closes": "INSERT INTO incidents (id, key, mode, title, severity, state, opened_at, recurrences)"
    " VALUES ('inc_lost', 'k', 'live', 't', 'high', 'open', 1, 0)",
    "begun_again_blindly": "UPDATE journal SET attempts = 2 WHERE run_id = '{ended}'",
    "resolve_overtook_trigger": "INSERT INTO outbox SELECT 'msg_zzz', incident_id, mode, channel, 'resolve', dedup_key, 'over',"
    " message, 'sent', created_at, NULL, 1, 1, NULL FROM outbox",
    "message_state": "UPDATE outbox SET next_at = NULL",
    "two_runs_on_a_target": "UPDATE runs SET target = '{store_target}', state = 'ready' WHERE id = '{waiting}'",
    "exclusive_lock_shared": "INSERT INTO locks SELECT scope, '{waiting}', 0, taken_at FROM locks WHERE exclusive",
    "runs_overlap": "UPDATE runs SET ended_at = 9000000000000000 WHERE id = '{ended}'",
    "duty_without_lease": "INSERT INTO duties VALUES ('courier', 'own_1', NULL, 1)",
    "two_answers": "INSERT INTO decisions SELECT 'dec_2', episode_id, incident_id, playbook, revision, mode, verdict, kind, target,"
    " reasons, plan, answer_hash, times, decided_at, confirmed_at, decide_again_at, run_id, current FROM decisions",
}


BROKEN_ANYWHERE = {
    rule: BROKEN[rule]
    for rule in (
        "claim_without_lease",
        "change_without_lock",
        "run_not_in_ledger",
        "step_left_begun",
        "message_state",
        "duty_without_lease",
    )
} | {"alert_of_closed_incident": "UPDATE incidents SET state = 'closed', closed_at = 1 WHERE id = '{incident}'"}
"""Without breaking what the database itself refuses."""


@pytest.mark.parametrize("rule", sorted(BROKEN))
async def test_what_is_broken_by_hand_is_named(working: Ids, rule: str) -> None:
    if rule == "begun_again_blindly":
        for number, word in enumerate(("restart", "restart (attempt 2)")):
            event = f"('evt_{number}', '{{incident}}', '{{ended}}', 1, 'step_begun', 'apply: {word}', NULL)"
            working.break_by_hand(f"INSERT INTO timeline VALUES {event}")
    working.break_by_hand(BROKEN[rule].replace("{store_target}", rows.CHECKOUT))
    found = await working.findings()
    assert rule in {one.rule for one in found}
    [named] = [one for one in found if one.rule == rule][:1]
    assert named.rows and all(row in named.text for row in named.rows[:1]), named
    assert named.remedy


@pytest.mark.parametrize("rule", [*sorted(BROKEN_ANYWHERE), "good"])
async def test_the_same_on_every_database(store: Store, store_url: str, rule: str) -> None:
    working = await filled(store, store_url)
    if rule in BROKEN_ANYWHERE:
        async with store.begin(Tx.OPERATE) as tx:
            await tx.execute(text(working.filled(BROKEN_ANYWHERE[rule])))
    assert [one.rule for one in await working.findings()] == ([rule] if rule in BROKEN_ANYWHERE else [])


async def test_after_a_step_of_the_clock_nobody_can_say_who_was_first(working: Ids) -> None:
    """Ends of runs are records of the time as it was then (S28)."""
    working.break_by_hand(BROKEN["runs_overlap"])
    assert [one.rule for one in await working.findings()] == ["runs_overlap"]
    async with working.store.begin(Tx.MOVE_CLOCK) as tx:
        await clock_steps.remember(tx, timedelta(hours=-3), at=T0)
    assert await working.findings() == []


async def test_an_alert_that_nobody_will_look_at_again_is_named(working: Ids) -> None:
    working.break_by_hand("DELETE FROM outbox")
    assert await working.findings() == []  # its run is under way
    working.break_by_hand("DELETE FROM locks WHERE run_id = '{running}'")
    working.break_by_hand(
        "UPDATE runs SET state = 'ended', outcome = 'failed', owner = NULL, lease_until = NULL, ended_at = 9 WHERE id = '{running}'"
    )
    forgotten = [one for one in await working.findings() if one.rule == "alert_forgotten"]
    assert [one.rows for one in forgotten] == [(working.alert, working.incident)]


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE runs SET incident_id = 'inc_gone' WHERE id = '{ended}'", "incidents inc_gone"),
        ("UPDATE decisions SET run_id = 'run_gone'", "runs run_gone"),
        ("UPDATE outbox SET incident_id = 'inc_gone'", "incidents inc_gone"),
    ],
)
async def test_a_row_of_something_that_is_not_there_is_named(working: Ids, statement: str, table: str) -> None:
    working.break_by_hand(statement)
    orphans = [one for one in await working.findings() if one.rule == "orphan"]
    assert len(orphans) == 1 and table in orphans[0].text


async def test_a_damaged_file_is_named(working: Ids) -> None:
    await working.store.close()
    content = bytearray(working.path.read_bytes())
    with closing(sqlite3.connect(working.path)) as database:
        [(page,)] = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_runs_target'")
        [(size,)] = database.execute("PRAGMA page_size")
    content[page * size - 200 : page * size] = b"\xff" * 200
    working.path.write_bytes(content)
    assert "file_damaged" in {one.rule for one in await working.findings()}


async def test_nothing_is_written_and_the_services_lock_is_not_asked(working: Ids) -> None:
    """``store`` holds the file's lock all the while, and has a write transaction open."""
    async with working.store.begin(Tx.OPERATE) as tx:
        await rows.join(tx, target=None, title="not committed")
        assert await working.findings() == []
    async with open_for_reading(working.url) as connection:
        with pytest.raises(Exception, match="readonly"):
            await connection.exec_driver_sql("DELETE FROM outbox")


async def test_what_is_no_store_is_refused_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing.sqlite"
    with pytest.raises(ConfigError, match="there is no store here"):
        async with open_for_reading(f"sqlite:///{path}"):
            pass
    assert not path.exists()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE notes (text)")
    with pytest.raises(ConfigError, match="its tables are of version none"):
        async with open_for_reading(f"sqlite:///{path}"):
            pass


LOOKS = st.sampled_from(["? no: nothing there", "? yes: ours", "? unknown: cannot read"])


@given(st.lists(LOOKS, max_size=5))
def test_only_a_look_that_says_no_allows_a_second_attempt(looks: list[str]) -> None:
    story = [("step_begun", "apply: x"), *(("step_looked_at", f"did x happen{look}") for look in looks)]
    again = [*story, ("step_begun", "apply: x (attempt 2)")]
    assert begun_again_without_a_look(again) is not any(look.startswith("? no:") for look in looks)
