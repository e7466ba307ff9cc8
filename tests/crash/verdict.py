"""What holds after every play, wherever a process died, stood still or was cut off: rules S2, S15, S18, S19, S32, S33 as questions to
store, world and pager. What always holds of a store by itself is asked of ``remediator store check``."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.crash.ground import WITHIN_S, Ground
from tests.crash.stage import Stage
from tests.support.whole_store import broken_rules


async def check(ground: Ground, *, fixed: bool | None, within_s: float = WITHIN_S) -> None:
    """Call it while the service still runs; ``check_stopped`` after it has ended.

    ``fixed``: nobody is to be paged; False: somebody is; None: it depends on how it went, and people may be asked.
    """
    waiting = "SELECT dedup_key, action, cause, error FROM outbox WHERE state = 'waiting'"
    await ground.until(lambda: not ground.rows(waiting), "the outbox is empty", within_s=within_s)
    undecided = "SELECT id, labels FROM episodes WHERE state != 'closed' AND incident_id IS NULL"
    await ground.until(lambda: not ground.rows(undecided), "every open alert is decided", within_s=within_s)
    ground.database.check_whole()
    assert not (broken := await broken_rules(ground.database.url)), broken
    _nothing_acknowledged_is_missing(ground)
    _every_begin_is_told(ground)
    _nothing_is_left_behind(ground, asks=fixed is None)
    _each_change_was_made_once(ground)
    _the_sink_is_right(ground)
    if fixed is not None:
        paging = ground.world.pagerduty.open()
        assert len(paging) == (0 if fixed else 1), [incident.as_json() for incident in paging]


def check_stopped(stage: Stage) -> None:
    """The store is whole, and the last process went as it should."""
    stage.database.check_whole()
    last = stage.victims[-1]
    assert last.status == 0, f"after SIGTERM it ended with {last.status}:\n{last.last_words()}"
    assert not (wrong := defects(last.log.read_text())), wrong


def defects(log: str) -> list[str]:
    """Lines of a log that no trouble of the outside explains."""
    return [line for line in log.splitlines() if '"level":"critical"' in line or "defect" in line]


def unsettled(ground: Ground) -> list[dict[str, Any]]:
    """Runs that neither have ended nor wait for a person; one that ended unknown may keep looking (S24)."""
    rows = ground.rows("SELECT id, target, state, outcome, reason FROM runs WHERE state != 'ended'")
    return [run for run in rows if run["state"] != "needs_person" and run["outcome"] != "unknown"]


def _nothing_acknowledged_is_missing(ground: Ground) -> None:
    """Every alert that was answered 200 has its episode, and the last word about it stands (S2)."""
    last_word: dict[str, Mapping[str, Any]] = {
        alert["fingerprint"]: alert for alert in ground.acknowledged if "fingerprint" in alert
    }
    for fingerprint, alert in last_word.items():
        episodes = ground.rows("SELECT * FROM episodes WHERE fingerprint = ?", fingerprint)
        assert episodes, f"acknowledged and not stored: {alert}"
        assert len(episodes) == 1, f"one firing, several episodes: {episodes}"
        expected = "open" if alert["status"] == "firing" else "closed"
        assert episodes[0]["state"] == expected, f"{alert} is stored as {episodes[0]['state']}"
        assert expected == "closed" or episodes[0]["incident_id"], f"never decided: {alert}"


def _every_begin_is_told(ground: Ground) -> None:
    """No step has more attempts than its run's story tells: ``store check`` judges by the story (S15)."""
    for step in ground.rows("SELECT * FROM journal"):
        told = ground.rows("SELECT text FROM timeline WHERE run_id = ? AND event = 'step_begun'", step["run_id"])
        assert len(told) >= step["attempts"], f"{step} has more attempts than the timeline tells: {told}"


def _nothing_is_left_behind(ground: Ground, *, asks: bool) -> None:
    assert unsettled(ground) == []
    assert (
        ground.rows("SELECT id FROM runs WHERE state = 'ended' AND (owner IS NOT NULL OR lease_until IS NOT NULL)")
        == []
    )
    if asks:
        return
    assert ground.rows("SELECT id, state, reason FROM runs WHERE state != 'ended'") == []
    assert ground.rows("SELECT * FROM locks") == []
    assert ground.rows("SELECT * FROM ledger WHERE changed_at IS NULL OR outcome IS NULL") == []
    assert ground.rows("SELECT * FROM journal WHERE state IN ('begun', 'unsettled')") == []
    assert ground.rows("SELECT * FROM approvals WHERE answer IS NULL") == []


_FIELDS = {"kubernetes.rollout_restart": "spec.template", "kubernetes.scale": "spec.replicas"}
"""What the steps of these plays change."""


def changes(ground: Ground) -> Counter[tuple[str, str, str]]:
    """What the world counts: namespace, name, field."""
    return Counter(
        (change.namespace, change.name, field)
        for change in ground.world.kubernetes.store.changes
        for field in _FIELDS.values()
        if field in change.fields
    )


def _each_change_was_made_once(ground: Ground) -> None:
    """The world counts its changes: as many as there are steps that were done, one for each intent (S15)."""
    counted = changes(ground)
    done: Counter[tuple[str, str, str]] = Counter()
    doubtful: Counter[tuple[str, str, str]] = Counter()
    steps = ground.rows(
        "SELECT journal.action, journal.state, runs.target FROM journal JOIN runs ON runs.id = journal.run_id"
    )
    for step in steps:
        *_, namespace, _kind, name = step["target"].split("/")
        if (field := _FIELDS.get(step["action"])) is not None:
            done[namespace, name, field] += step["state"] == "done"
            doubtful[namespace, name, field] += step["state"] in ("begun", "unsettled")
    for at in counted | done:
        assert done[at] <= counted[at] <= done[at] + doubtful[at], (at, counted[at], steps)


def _the_sink_is_right(ground: Ground) -> None:
    """The pager shows what the last message for each key said, once, and acknowledged by nobody (S32, S33)."""
    pagerduty = ground.world.pagerduty
    shown = [incident.as_json() for incident in pagerduty.incidents()]
    assert all(entry.action != "acknowledge" for incident in pagerduty.incidents() for entry in incident.log), shown
    for incident in pagerduty.incidents():
        assert sum(entry.paged for entry in incident.log) == 1, shown
    keys = [incident.dedup_key for incident in pagerduty.open()]
    assert len(keys) == len(set(keys)), shown
    messages = ground.rows("SELECT dedup_key, action, state, cause FROM outbox ORDER BY id")
    assert all(message["state"] == "sent" for message in messages), messages
    last_word = {message["dedup_key"]: message["action"] for message in messages}
    expected = {key for key, action in last_word.items() if action == "trigger"}
    assert set(keys) == expected, f"{json.dumps(messages)}\n{shown}"
    closed = ground.rows("SELECT id FROM incidents WHERE state = 'closed'")
    assert not [key for key in keys for incident in closed if key.startswith(f"{incident['id']}/")], shown
