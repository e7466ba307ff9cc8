from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from remediator.actions.evidence.logs import Params as LookParams
from remediator.playbooks import checks
from tests.support.playbooks import playbook, remedy


class ScaleParams(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: int = Field(ge=-20, le=20)


ACTIONS = {"kubernetes.scale": ScaleParams}


def test_parameters_are_checked_by_the_class_of_their_action() -> None:
    steps = [{"kubernetes.scale": {"by": 1}}, {"kubernetes.scale": {"by": 99}}, {"kubernetes.scale": {"bye": 1}}]
    found = list(checks.parameters(playbook(remedies=[remedy(steps=steps)]), ACTIONS, {}))
    assert [place for place, _ in found] == [
        ("remedies", 0, "steps", 1, "kubernetes.scale", "by"),
        ("remedies", 0, "steps", 2, "kubernetes.scale", "by"),
        ("remedies", 0, "steps", 2, "kubernetes.scale", "bye"),
    ]
    assert "did you mean by?" in found[2][1]


def test_parameters_of_nested_conditions_are_checked_too() -> None:
    class Empty(BaseModel):
        model_config = ConfigDict(extra="forbid")

    when = [{"any": [{"rollout_complete": {}}, {"not": {"rollout_complete": {"x": 1}}}]}]
    (found,) = checks.parameters(playbook(remedies=[remedy(when=when)]), {}, {"rollout_complete": Empty})
    assert found[0] == ("remedies", 0, "when", 0, "any", 1, "not", "rollout_complete", "x")


def test_evidence_takes_the_parameters_of_the_step_that_only_looks() -> None:
    known = {"evidence.kubernetes_logs": LookParams}
    evidence = [{"kubernetes_logs": {"lines": 0}}, {"kubernetes_logs": {"rows": 5}}, {"kubernetes_logs": {"lines": 5}}]
    found = list(checks.parameters(playbook(evidence=evidence), known, {}))
    assert [place for place, _ in found] == [
        ("evidence", 0, "kubernetes_logs", "lines"),
        ("evidence", 1, "kubernetes_logs", "rows"),
    ]


def test_templates_in_parameters_are_checked_with_their_variables() -> None:
    verify = {
        "within": "1m",
        "all": [
            {"promql": {"query": 'up{a="{{ vars.gone }}"}', "below": 1}},
            {"http_ok": {"url": "https://{{ labels.host }}/{{ vars.there }}"}},
            {"http_ok": {"url": "https://{{ host }}"}},
        ],
    }
    found = list(checks.parameters(playbook(vars={"there": "x"}, remedies=[remedy(verify=verify)]), {}, {}))
    assert [place[-1] for place, _ in found] == ["query", "url"]
    assert "vars has no 'gone'" in found[0][1]
    assert "accepted" in found[1][1]


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        (
            {"target": {"ec2_instance_of_node": {"name": "x"}}},
            ("target", "ec2_instance_of_node"),
            "target ec2_instance_of_node",
        ),
        ({"approval": "step"}, ("approval",), "approval: step"),
        ({"guards": {"windows": ["w"]}}, ("guards", "windows"), "guard windows"),
        ({"guards": {"drift": "suspend"}}, ("guards", "drift"), "drift: suspend"),
        (
            {"guards": {"blast_radius": {"group": {"by": "namespace"}, "max_targets": 1}}},
            ("guards", "blast_radius"),
            "guard blast_radius",
        ),
        ({"evidence": [{"redis_info": {}}]}, ("evidence", 0, "redis_info"), "evidence redis_info"),
        (
            {"remedies": [remedy(steps=[{"wait": {}}])]},
            ("remedies", 0, "steps", 0, "wait"),
            "action wait",
        ),
        (
            {"remedies": [remedy(steps=[{"kubernetes.scale": {}, "remembers": "sizes"}])]},
            ("remedies", 0, "steps", 0, "remembers"),
            "step key remembers",
        ),
        (
            {"remedies": [remedy(when=[{"not": {"recurrences": {}}}])]},
            ("remedies", 0, "when", 0, "not", "recurrences"),
            "condition recurrences",
        ),
        (
            {"escalate": [{"on": [{"condition": {"rollout_complete": {}}}], "policy": "p"}]},
            ("escalate", 0, "on", 0),
            "escalate on a condition",
        ),
    ],
)
def test_what_is_not_built_is_refused_by_name(changes: dict[str, Any], place: tuple[Any, ...], said: str) -> None:
    ((found, message),) = checks.not_built(playbook(**changes), {}, {})
    assert found == place
    assert f"{said} is part of the language but not built in this release" in message


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"kubernetes.scale": {"by": 1, "max_replicas": 5}, "for": "24h"}, ""),
        ({"kubernetes.rollout_restart": {}, "for": "24h"}, "cannot be put back after a time; accepted: "),
        ({"kubernetes.scale": {"by": 1, "max_replicas": 5}, "for": "0s"}, "for no time would be put back at once"),
    ],
)
def test_only_what_can_be_put_back_is_made_for_a_time(step: dict[str, Any], said: str) -> None:
    """S39."""
    found = list(checks.temporary(playbook(remedies=[remedy(steps=[step])])))
    assert [place for place, _ in found] == ([("remedies", 0, "steps", 0, "for")] if said else [])
    assert all(said in message for _, message in found)


def test_what_must_end_says_when() -> None:
    """An address is blocked for a time, or not at all."""
    without = playbook(remedies=[remedy(steps=[{"aws.waf_block_address": {}}])])
    [(place, said)] = checks.temporary(without)
    assert place == ("remedies", 0, "steps", 0, "aws.waf_block_address") and "for: 24h" in said
    assert not list(checks.temporary(playbook(remedies=[remedy(steps=[{"aws.waf_block_address": {}, "for": "24h"}])])))


def test_what_is_built_is_not_refused() -> None:
    """S39: match, workload, priority, autonomy, vars, cooldown, budget, max_alert_age, remedies, escalate, only, requires."""
    whole = playbook(
        requires=">=0.1",
        only={"cluster": ["prod"]},
        priority=1,
        autonomy="act",
        vars={"a": 1},
        guards={"cooldown": "1m", "budget": {"runs": 1, "per": "1h"}, "max_alert_age": "1h"},
        remedies=[
            remedy(
                when=[{"not": {"any": [{"replicas_ready": {}}, {"promql": {"query": "up", "below": 1}}]}}],
                steps=[{"kubernetes.scale": {"by": 1}}, {"kubernetes.rollout_restart": {}}],
                verify={"within": "1m", "hold": "1s", "all": [{"rollout_complete": {}}, {"alert_resolved": {}}]},
                if_refuted="undo",
            )
        ],
        escalate=[{"on": ["refuse", "failed"], "policy": "p"}, {"on": ["unfixed"], "after": "5m", "policy": "p"}],
    )
    assert list(checks.not_built(whole, {}, {})) == []
    assert list(checks.unknown_names(whole, {}, {})) == []


def test_an_unknown_name_is_refused_with_what_is_near_it() -> None:
    steps: list[Any] = [{"kubernetes.rollout_restat": {}}]
    (found,) = checks.unknown_names(playbook(remedies=[remedy(steps=steps, when=[{"replicas_ready": {}}])]), {}, {})
    assert found[0][-1] == "kubernetes.rollout_restat"
    assert "did you mean kubernetes.rollout_restart" in found[1]


def test_a_registered_action_is_known_and_built() -> None:
    made = playbook(remedies=[remedy(steps=[{"site.own": {}}])])
    assert list(checks.unknown_names(made, {"site.own": ScaleParams}, {})) == []
    assert list(checks.not_built(made, {"site.own": ScaleParams}, {})) == []


@pytest.mark.parametrize(
    ("match", "refused"),
    [
        (['severity="critical"'], True),
        (['alertname=~".*Down"'], True),
        (['alertname=~"Remediator.+"'], True),
        (['alertname!="Watchdog"', 'severity="critical"'], True),
        (['alertname="ServiceDown"'], False),
        (['alertname=~"Service.*"'], False),
        (['severity="critical"', 'alertname!~"Remediator.*"'], False),
    ],
)
def test_alerts_about_remediator_cannot_be_matched(match: list[str], refused: bool) -> None:
    """S30."""
    found = list(checks.own_alerts(playbook(match=[['alertname="A"'], match])))
    assert [place for place, _ in found] == ([("match", 1)] if refused else [])


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        (['alertname="A"'], ['alertname="A"'], True),
        (['alertname="A"'], ['alertname="B"'], False),
        (['alertname=~"A|B"'], ['alertname=~"B|C"'], True),
        (['alertname="A"', 'team="x"'], ['alertname="A"', 'team="y"'], False),
        (['alertname="A"', 'team="x"'], ['alertname="A"', 'team!="x"'], False),
        (['alertname="A"', 'team="x"'], ['alertname="A"', 'team=""'], False),
        (['alertname="A"', 'team=""'], ['alertname="A"', 'team!=""'], False),
        (['alertname="A"', 'team="x"'], ['alertname="A"', 'team=~"[xy]"'], True),
        (['alertname="A"', 'team="x"'], ['alertname="A"', 'zone="y"'], True),
    ],
)
def test_two_playbooks_that_can_match_one_alert_are_seen(one: list[str], two: list[str], both: bool) -> None:
    """S6."""
    pair = [playbook("one", match=[one]), playbook("two", match=[two])]
    assert [(a.name, b.name) for a, b in checks.overlaps(pair)] == ([("one", "two")] if both else [])


def test_another_priority_or_place_is_no_overlap() -> None:
    assert list(checks.overlaps([playbook("one"), playbook("two", priority=1)])) == []
    here, there = playbook("one", only={"cluster": ["a"]}), playbook("two", only={"cluster": ["b"]})
    assert list(checks.overlaps([here, there])) == []
    assert list(checks.overlaps([here, playbook("two", only={"region": ["b"]})])) != []
