"""What the test bed's pods do, moment by moment."""

from typing import Any

import pytest

from tests.controlplane.api import Object
from tests.controlplane.behaviours import BACK_OFF_S, RUN_S, SLOW_START_S, START_S, Life, behaviour_of, look
from tests.controlplane.words import BEHAVIOUR, ON_RESTART, RESTARTED_AT


def pod(behaviour: str | None = None, *, restart: str = "Always", **annotations: str) -> Object:
    told = {**({BEHAVIOUR: behaviour} if behaviour else {}), **annotations}
    spec = {"restartPolicy": restart, "containers": [{"name": "app", "image": "app:1"}]}
    return {"metadata": {"uid": "0123abcd", "annotations": told}, "spec": spec}


def lived(one: Object, until_s: float) -> list[Any]:
    """What its container was seen in, in order: "running", "ready", a reason to wait, "exit N"."""
    life, now_s, seen = Life(0.0), 0.0, list[Any]()
    while now_s <= until_s:
        then = look(one, life, now_s)
        if then.status is not None:
            one["status"] = then.status
            seen.append(_word(then.status["containerStatuses"][0]))
            if then.status["phase"] in ("Succeeded", "Failed"):
                seen.append(then.status["phase"])
                break
        if then.again_s is None:
            break
        now_s += then.again_s
    return seen


def _word(container: Object) -> str:
    state = container["state"]
    if "waiting" in state:
        return str(state["waiting"]["reason"])
    if "terminated" in state:
        return f"exit {state['terminated']['exitCode']}"
    return "ready" if container["ready"] else "running"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (pod(), ["ready"]),
        (pod("a word that nobody knows"), ["ready"]),
        (pod("never-ready"), ["running"]),
        (pod("image-error"), ["ImagePullBackOff"]),
        (pod(restart="Never"), ["ready", "exit 0", "Succeeded"]),
        (pod("fail", restart="Never"), ["ready", "exit 1", "Failed"]),
        (pod("oom-killed", restart="Never"), ["ready", "exit 137", "Failed"]),
        (pod("succeed-after:2", restart="OnFailure"), ["ready", "exit 0", "Succeeded"]),
    ],
)
def test_pods_that_come_to_rest(one: Object, expected: list[str]) -> None:
    assert lived(one, 10.0) == expected


@pytest.mark.parametrize(("word", "code"), [("crash-loop", 1), ("oom-killed", 137)])
def test_a_crash_loop_goes_on_and_counts(word: str, code: int) -> None:
    one = pod(word)
    seen = lived(one, START_S + 2 * RUN_S + 2 * (RUN_S + BACK_OFF_S) + 0.01)
    assert seen == [
        "running",
        "running",
        "CrashLoopBackOff",
        "running",
        "CrashLoopBackOff",
        "running",
        "CrashLoopBackOff",
    ]
    (container,) = one["status"]["containerStatuses"]
    assert container["restartCount"] == 3
    assert container["lastState"]["terminated"]["exitCode"] == code


@pytest.mark.parametrize(("word", "start_s"), [("healthy", START_S), ("slow", SLOW_START_S), ("slow:7", 7.0)])
def test_a_start_takes_its_time(word: str, start_s: float) -> None:
    assert look(pod(word), Life(0.0), start_s - 0.01).status is None
    assert look(pod(word), Life(0.0), start_s).status is not None


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (pod("crash-loop", **{ON_RESTART: "slow:5"}), "crash-loop"),
        (pod("crash-loop", **{ON_RESTART: "slow:5", RESTARTED_AT: "now"}), "slow"),
        (pod("crash-loop", **{RESTARTED_AT: "now"}), "crash-loop"),
        (pod("crash-until-restart"), "crash-loop"),
        (pod("crash-until-restart", **{RESTARTED_AT: "now"}), "healthy"),
        (pod("crash-until-restart", **{ON_RESTART: "never-ready", RESTARTED_AT: "now"}), "never-ready"),
    ],
)
def test_a_restart_may_change_what_a_pod_does(one: Object, word: str) -> None:
    assert behaviour_of(one)[0] == word


def test_a_pod_that_is_well_may_fall_ill_and_recover() -> None:
    one, life = pod(), Life(0.0)
    look(one, life, START_S)
    one["metadata"]["annotations"][BEHAVIOUR] = "crash-loop"
    look(one, life, 10.0)
    then = look(one, life, 10.0 + RUN_S)
    assert then.status is not None
    assert _word(then.status["containerStatuses"][0]) == "CrashLoopBackOff"
    one["metadata"]["annotations"][BEHAVIOUR] = "healthy"
    then = look(one, life, 10.1 + RUN_S)
    assert then.status is not None
    assert _word(then.status["containerStatuses"][0]) == "ready"
