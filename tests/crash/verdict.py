"""What holds after every scenario, wherever the process died: rules S2, S15, S18, S19, S32, S33 as questions to store and world."""

import itertools
from collections.abc import Mapping
from typing import Any

from tests.crash.stage import Stage


async def check(stage: Stage, *, fixed: bool) -> None:
    """Call it while the service still runs; ``check_stopped`` after it has ended."""
    waiting = "SELECT dedup_key, action, cause, error FROM outbox WHERE state = 'waiting'"
    await stage.until(lambda: not stage.rows(waiting), "the outbox is empty")
    undecided = "SELECT id, labels FROM episodes WHERE state != 'closed' AND incident_id IS NULL"
    await stage.until(lambda: not stage.rows(undecided), "every open alert is decided")
    _nothing_acknowledged_is_missing(stage)
    _no_second_begin_without_a_look(stage)
    _nothing_is_left_behind(stage)
    _one_run_a_target(stage)
    _the_sink_is_right(stage, fixed=fixed)


def check_stopped(stage: Stage) -> None:
    """The store is whole, and the last process went as it should."""
    stage.database.check_whole()
    last = stage.victims[-1]
    assert last.status == 0, f"after SIGTERM it ended with {last.status}:\n{last.last_words()}"
    critical = [line for line in last.log.read_text().splitlines() if '"level":"critical"' in line or "defect" in line]
    assert not critical, critical


def _nothing_acknowledged_is_missing(stage: Stage) -> None:
    """Every alert that was answered 200 has its episode, and the last word about it stands (S2)."""
    last_word: dict[str, Mapping[str, Any]] = {
        alert["fingerprint"]: alert for alert in stage.acknowledged if "fingerprint" in alert
    }
    for fingerprint, alert in last_word.items():
        episodes = stage.rows("SELECT * FROM episodes WHERE fingerprint = ?", fingerprint)
        assert episodes, f"acknowledged and not stored: {alert}"
        assert len(episodes) == 1, f"one firing, several episodes: {episodes}"
        expected = "open" if alert["status"] == "firing" else "closed"
        assert episodes[0]["state"] == expected, f"{alert} is stored as {episodes[0]['state']}"
        assert expected == "closed" or episodes[0]["incident_id"], f"never decided: {alert}"


def _no_second_begin_without_a_look(stage: Stage) -> None:
    """A step is begun again only after a look that said no, or an answer that proves that nothing was done (S15)."""
    for run in stage.rows("SELECT id FROM runs"):
        told = stage.rows("SELECT event, text FROM timeline WHERE run_id = ? ORDER BY id", run["id"])
        excused = True
        for row in told:
            if row["event"] == "step_begun":
                assert excused or "(attempt" not in row["text"], f"begun again without a look: {told}"
                excused = False
            elif row["event"] == "step_failed" or (row["event"] == "step_looked_at" and "? no:" in row["text"]):
                excused = True
        for step in stage.rows("SELECT * FROM journal WHERE run_id = ?", run["id"]):
            begun = sum(row["event"] == "step_begun" for row in told)
            assert begun >= step["attempts"], f"{step} has more attempts than the timeline tells: {told}"


def _nothing_is_left_behind(stage: Stage) -> None:
    assert stage.rows("SELECT id, state, reason FROM runs WHERE state != 'ended'") == []
    assert stage.rows("SELECT id FROM runs WHERE owner IS NOT NULL OR lease_until IS NOT NULL") == []
    assert stage.rows("SELECT * FROM locks") == []
    assert stage.rows("SELECT * FROM ledger WHERE changed_at IS NULL OR outcome IS NULL") == []
    assert stage.rows("SELECT * FROM journal WHERE state IN ('begun', 'unsettled')") == []
    assert stage.rows("SELECT * FROM approvals WHERE answer IS NULL") == []


def _one_run_a_target(stage: Stage) -> None:
    """From its first effect to its end a run has its target alone (S17, S18)."""
    changed = stage.rows("SELECT * FROM runs WHERE changed_at IS NOT NULL ORDER BY target, changed_at")
    for before, after in itertools.pairwise(changed):
        assert before["target"] != after["target"] or before["ended_at"] <= after["changed_at"], (before, after)


def _the_sink_is_right(stage: Stage, *, fixed: bool) -> None:
    """What is not fixed is triggered, and acknowledged by nobody; what is fixed is resolved or was never triggered (S32, S33)."""
    pagerduty = stage.world.pagerduty
    shown = [incident.as_json() for incident in pagerduty.incidents()]
    assert all(entry.action != "acknowledge" for incident in pagerduty.incidents() for entry in incident.log), shown
    keys = [incident.dedup_key for incident in pagerduty.open()]
    assert len(keys) == len(set(keys)), shown
    if fixed:
        assert keys == [], shown
    else:
        assert len(pagerduty.paging()) == 1, shown
    for incident in pagerduty.incidents():
        assert sum(entry.paged for entry in incident.log) == 1, shown
    assert len({incident.dedup_key for incident in pagerduty.incidents()}) == len(shown), shown
