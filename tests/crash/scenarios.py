"""Short scenarios that together pass every point. Each is played by people and senders who repeat what was not answered, and says
at its end what must be true however often the service died in between."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.crash import stepped_clock
from tests.crash.ground import Ground
from tests.support.service import RESTART, body, firing

SCALE_OUT_AND_BACK = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: scale-out}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: scale-out
    steps: [{kubernetes.scale: {by: 1, max_replicas: 6}}]
    verify: {within: 3s, hold: 100ms, all: [{promql: {query: "error_rate", below: 0.01}}]}
    if_refuted: undo
"""


@dataclass(frozen=True)
class Scenario:
    """``play`` drives it to its end and asserts what is its own; ``verdict.check`` asserts what holds for all."""

    play: Callable[[Ground], Awaitable[None]]
    playbooks: tuple[str, ...] = (RESTART,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    fixed: bool = True
    """Nobody is to be paged at its end; otherwise somebody is."""


async def restart_cures(stage: Ground) -> None:
    """Two services crash at once; each is restarted exactly once, verified, resolved, and nobody hears of it."""
    names = ("checkout", "basket")
    for name in names:
        await _sick(stage, name)
    await stage.alert(*(_down(name) for name in names))
    runs = await stage.ended(2)
    assert [run["outcome"] for run in runs] == ["verified", "verified"], [run["reason"] for run in runs]
    assert [_restarts(stage, name) for name in names] == [1, 1]
    await stage.alert(*(_over(name) for name in names))
    await _all_closed(stage)
    assert stage.world.pagerduty.incidents() == []


async def restart_does_not_cure(stage: Ground) -> None:
    """It takes longer than people may wait, is refuted and stays triggered; when the service comes back by itself, all is resolved."""
    await _sick(stage, behaviour="never-ready")
    await stage.alert(_down())
    [run] = await stage.ended()
    assert run["outcome"] == "refuted", run["reason"]
    assert _restarts(stage) == 1
    await stage.until(stage.world.pagerduty.paging, "somebody is paged")
    await stage.alert(_over())
    await _all_closed(stage)
    assert len(stage.world.pagerduty.incidents()) == 1


async def nobody_fixes_it(stage: Ground) -> None:
    """A service is not cured, and stays so."""
    await _sick(stage, behaviour="never-ready")
    await stage.alert(_down())
    [run] = await stage.ended()
    assert run["outcome"] == "refuted", run["reason"]
    assert _restarts(stage) == 1


async def approved(stage: Ground) -> None:
    """A person is asked and says yes: done once."""
    await _sick(stage)
    await stage.alert(_down())
    run = await stage.run_in("approval")
    await stage.until(stage.world.pagerduty.paging, "the request is a page")
    assert _restarts(stage) == 0
    [request] = stage.rows("SELECT plan_hash FROM approvals WHERE run_id = ?", run["id"])
    await stage.order(f"runs/{run['id']}/approve", plan=request["plan_hash"], reason="seen")
    [run] = await stage.ended()
    assert run["outcome"] == "verified", run["reason"]
    assert _restarts(stage) == 1
    await stage.alert(_over())
    await _all_closed(stage)


async def cancelled_after_its_change(stage: Ground) -> None:
    """Somebody takes over once the change is made: it is looked at, not repeated, and the page stands."""
    await _sick(stage, behaviour="never-ready")
    await stage.alert(_down())
    await stage.until(lambda: _restarts(stage) == 1, "the restart")
    run = await stage.run_in("running", "waiting")
    await stage.order(f"runs/{run['id']}/cancel", reason="I am on it")
    [run] = await stage.ended()
    assert run["outcome"] == "cancelled", run["reason"]
    assert "at the last look" in run["reason"]
    assert _restarts(stage) == 1


async def paused_then_resumed(stage: Ground) -> None:
    """Under pause nothing begins, people hear of it; after the resume it is decided anew and done once."""
    await _sick(stage)
    await stage.order("pause", scope="all", reason="release under way")
    await stage.alert(_down())
    await stage.until(stage.world.pagerduty.paging, "people hear that it was not done")
    assert _restarts(stage) == 0
    await stage.order("resume", scope="all")
    [run] = await stage.ended()
    assert run["outcome"] == "verified", run["reason"]
    assert _restarts(stage) == 1
    await stage.alert(_over())
    await _all_closed(stage)


async def undone(stage: Ground) -> None:
    """A refuted scale-out is put back: one change there, one back.

    managedFields has whole seconds, so a change and its undo within one second could not be told apart by ``landed``, and a person
    would be asked: ``within`` keeps them apart.
    """
    await _well(stage)
    stage.world.prometheus.script("error_rate", 0.5)
    await stage.alert(_down())
    [run] = await stage.ended()
    assert run["outcome"] == "refuted", run["reason"]
    assert (_replicas(stage), _scalings(stage)) == (3, 2)


async def a_person_lets_it_undo(stage: Ground) -> None:
    """A pause stops the undo, so a person is asked; the answer is carried out once."""
    await _well(stage)
    stage.world.prometheus.script("error_rate", 0.5)
    await stage.alert(_down())
    await stage.until(lambda: _replicas(stage) == 4, "scaled out")
    await stage.order("pause", scope="namespace:sandbox/shop", reason="hands off")
    run = await stage.run_in("needs_person")
    await stage.until(stage.world.pagerduty.paging, "the person is paged")
    assert (_replicas(stage), _scalings(stage)) == (4, 1)
    await stage.order("resume", scope="namespace:sandbox/shop")
    await stage.order(f"runs/{run['id']}/answer", said="undo", reason="put it back")
    [run] = await stage.ended()
    assert run["outcome"] == "refuted", run["reason"]
    assert (_replicas(stage), _scalings(stage)) == (3, 2)


async def answer_lost(stage: Ground) -> None:
    """The API server does it and its answer is lost: found by our mark, never sent again."""
    await _sick(stage)
    stage.world.kubernetes.faults.add(match="PATCH /apis/*", kind="lose_answer", times=1)
    await stage.alert(_down())
    [run] = await stage.ended()
    assert run["outcome"] == "verified", run["reason"]
    assert _restarts(stage) == 1
    await stage.alert(_over())
    await _all_closed(stage)


async def late_copies(stage: Ground) -> None:
    """Two alerts are over and come once more with their old start: Alertmanager says that one is gone and one fires again."""
    stage.world.send_alerts_to("http://127.0.0.1:9/nobody-listens")
    began = datetime.now(UTC) - timedelta(minutes=2)

    def both(ends_at: datetime | None = None) -> list[dict[str, Any]]:
        return [firing(name, starts_at=began, ends_at=ends_at, severity="warning") for name in ("Gone", "Back")]

    await stage.alert(*both())
    await stage.until(lambda: len(_episodes(stage, "open")) == 2, "two open episodes")
    await stage.alert(*both(ends_at=datetime.now(UTC)))
    await stage.until(lambda: len(_episodes(stage, "closed")) == 2, "both closed")
    stage.world.alertmanager.push({"alertname": "Back", "severity": "warning"}, starts_at=began)
    await stage.alert(*both())
    await stage.until(
        lambda: (_episodes(stage, "open"), _episodes(stage, "closed")) == (["Back"], ["Gone"]), "the doubts are settled"
    )
    stage.world.alertmanager.resolve({"alertname": "Back", "severity": "warning"})
    await stage.alert(*both(ends_at=datetime.now(UTC)))
    await stage.until(lambda: len(_episodes(stage, "closed")) == 2, "both closed again")
    await stage.until(lambda: not stage.rows("SELECT id FROM incidents WHERE state = 'open'"), "incidents closed")


async def the_clock_is_set_back(stage: Ground) -> None:
    """While a run waits for its hold: it ends in its time, having done its change once, and people are told of the clock."""
    assert stage.clock is not None
    await _sick(stage)
    await stage.alert(_down())
    await stage.until(lambda: _restarts(stage) == 1, "it is restarted")
    stepped_clock.step(stage.clock, -7200)
    [run] = await stage.ended()
    assert run["outcome"] == "verified", run["reason"]
    assert _restarts(stage) == 1
    await stage.until(stage.world.pagerduty.paging, "somebody is told")
    await stage.alert(_over())
    closed = "SELECT id FROM incidents WHERE target IS NOT NULL AND state = 'closed'"
    await stage.until(lambda: stage.rows(closed), "the service's incident is closed")


async def nobody_knows_a_remedy(stage: Ground) -> None:
    """No playbook matches: people are told, after the time that the policy leaves, until it is over."""
    await stage.alert(firing("Puzzle"))
    await stage.until(stage.world.pagerduty.paging, "somebody is paged")
    await stage.alert(firing("Puzzle", ends_at=datetime.now(UTC)))
    await _all_closed(stage)
    assert len(stage.world.pagerduty.incidents()) == 1


async def not_understood_and_too_large(stage: Ground) -> None:
    """A body over the limit is fetched from Alertmanager, an alert that is none is kept and paged."""
    stage.world.send_alerts_to("http://127.0.0.1:9/nobody-listens")
    stage.world.alertmanager.push({"alertname": "Owed", "severity": "warning"})
    await stage.alert(firing("Known", severity="warning"))
    large = body(firing("Owed", severity="warning"))
    large["commonAnnotations"] = {"padding": "x" * 30_000}
    status = await stage.post(large)
    assert status == 413, status
    await stage.until(lambda: "Owed" in _episodes(stage, "open"), "the owed alert is fetched")
    await stage.alert({"status": "firing", "labels": {}})
    letters = "SELECT error, incident_id FROM dead_letters"
    await stage.until(
        lambda: any("413" not in row["error"] for row in stage.rows(letters)), "what nobody understands is kept"
    )
    await stage.until(lambda: all(row["incident_id"] for row in stage.rows(letters)), "people hear of all of it")
    await stage.until(stage.world.pagerduty.paging, "somebody is paged")
    owing = "SELECT id FROM deliveries WHERE truncated != 0 AND fetched_at IS NULL"
    await stage.until(lambda: not stage.rows(owing), "nothing is owed any more")


SCENARIOS: Mapping[str, Scenario] = {
    "restart_cures": Scenario(restart_cures),
    "restart_does_not_cure": Scenario(
        restart_does_not_cure,
        (RESTART.replace("within: 8s", "within: 1500ms"),),
        {"escalation__page_after": {"critical": "500ms"}},
    ),
    "nobody_fixes_it": Scenario(nobody_fixes_it, (RESTART.replace("within: 8s", "within: 500ms"),), fixed=False),
    "approved": Scenario(approved, (RESTART.replace("autonomy: act", "autonomy: approve"),)),
    "cancelled_after_its_change": Scenario(
        cancelled_after_its_change, (RESTART.replace("within: 8s", "within: 30s"),), fixed=False
    ),
    "paused_then_resumed": Scenario(paused_then_resumed),
    "undone": Scenario(undone, (SCALE_OUT_AND_BACK.replace("within: 3s", "within: 1500ms"),), fixed=False),
    "a_person_lets_it_undo": Scenario(a_person_lets_it_undo, (SCALE_OUT_AND_BACK,), fixed=False),
    "answer_lost": Scenario(answer_lost),
    "the_clock_is_set_back": Scenario(
        the_clock_is_set_back,
        (RESTART.replace("hold: 300ms", "hold: 1500ms"),),
        {"timings__takeover": "500ms", "timings__steady": "500ms"},
        fixed=False,
    ),
    "nobody_knows_a_remedy": Scenario(
        nobody_knows_a_remedy, settings={"escalation__policies": {"critical": {"levels": [{"after": "700ms"}]}}}
    ),
    "late_copies": Scenario(late_copies),
    "not_understood_and_too_large": Scenario(not_understood_and_too_large, settings={"max_body": 20_000}, fixed=False),
}


async def _well(stage: Ground, name: str = "checkout") -> None:
    stage.world.deploy("shop", name)
    await stage.world.rolled_out("shop", name)


async def _sick(stage: Ground, name: str = "checkout", behaviour: str = "crash-until-restart") -> None:
    await _well(stage, name)
    stage.world.sicken("shop", name, behaviour)


def _down(deployment: str = "checkout") -> dict[str, Any]:
    return firing(namespace="shop", deployment=deployment)


def _over(deployment: str = "checkout") -> dict[str, Any]:
    return firing(namespace="shop", deployment=deployment, ends_at=datetime.now(UTC))


def _restarts(stage: Ground, name: str = "checkout") -> int:
    return len(stage.world.kubernetes.changes("deployments", "shop", name, "spec.template"))


def _scalings(stage: Ground) -> int:
    return len(stage.world.kubernetes.changes("deployments", "shop", "checkout", "spec.replicas"))


def _replicas(stage: Ground) -> int:
    return int(stage.world.kubernetes.get("deployments", "shop", "checkout")["spec"]["replicas"])


def _episodes(stage: Ground, state: str) -> list[str]:
    query = "SELECT alertname FROM episodes WHERE state = ? ORDER BY alertname"
    return [row["alertname"] for row in stage.rows(query, state)]


async def _all_closed(stage: Ground) -> None:
    def closed() -> bool:
        states = [row["state"] for row in stage.rows("SELECT state FROM incidents")]
        return bool(states) and set(states) == {"closed"}

    await stage.until(closed, "every incident closed")
