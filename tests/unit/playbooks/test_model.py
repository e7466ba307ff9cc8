import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from remediator.playbooks.model import Autonomy, Playbook, SnapshotFormatError
from tests.support.playbooks import document, playbook, remedy

WORKLOADS = {
    "a": {"workload": {"namespace": "x", "name": "a"}},
    "b": {"workload": {"namespace": "x", "name": "b"}},
}


def refusals(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationError) as refused:
        Playbook.model_validate(document(**changes))
    return [(error["loc"], error["msg"]) for error in refused.value.errors()]


def test_what_is_left_out_is_the_careful_choice() -> None:
    made = playbook()
    assert made.autonomy is Autonomy.PROPOSE
    assert (made.priority, made.approval, made.escalate) == (0, "run", ())
    assert made.guards.cooldown == timedelta(minutes=15)
    assert (made.guards.budget.runs, made.guards.budget.per) == (3, timedelta(hours=1))
    assert made.guards.max_alert_age == timedelta(hours=1)
    assert made.remedies[0].if_refuted is None


def test_any_of_the_match_sets_is_enough() -> None:
    made = playbook(match=[['a="1"', 'b="2"'], ['c=~"3|4"']])
    assert made.matches({"a": "1", "b": "2"})
    assert made.matches({"c": "4"})
    assert not made.matches({"a": "1", "c": "5"})


def test_without_match_only_people_start_it() -> None:
    assert not playbook(match=None).matches({"alertname": "ServiceDown"})


def test_a_matcher_that_cannot_be_read_is_placed() -> None:
    ((place, message),) = refusals(match=[['a="b"'], ['a="b"', "a==b"]])
    assert place == ("match", 1, 1)
    assert "column 3" in message


def test_a_set_that_needs_no_label_is_refused() -> None:
    ((place, message),) = refusals(match=[['severity!="none"', 'team=~".*"']])
    assert place == ("match", 0)
    assert "without any of its labels" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"apiVersion": "remediator.dev/v2"},
        {"kind": "Rule"},
        {"metadata": {"name": "Not_A_Label"}},
        {"metadata": {"name": "x" * 64}},
        {"metadata": {}},
        {"priority": "3"},
        {"priority": True},
        {"autonomy": "full"},
        {"approval": "never"},
        {"remedies": []},
        {"vars": {"a": [1]}},
        {"vars": {"a": float("nan")}},
        {"vars": {"1a": 1}},
        {"only": {"cluster": []}},
        {"only": {"zone": ["a"]}},
        {"requires": "1.4"},
        {"requires": ">=1.4.x"},
        {"unheard_of": 1},
        {"target": None},
        {"targets": WORKLOADS},
        {"escalate": [{"on": ["whenever"], "policy": "high"}]},
        {"escalate": [{"on": [], "policy": "high"}]},
        {"escalate": [{"on": ["failed"]}]},
        {"guards": {"budget": {"runs": 0, "per": "1h"}}},
        {"guards": {"budget": {"runs": 1, "per": "0s"}}},
        {"guards": {"cooldown": 15}},
        {"guards": {"drift": "ignore"}},
        {"guards": {"blast_radius": {"group": {"by": "namespace"}}}},
    ],
)
def test_what_the_language_does_not_say_is_refused(changes: dict[str, Any]) -> None:
    assert refusals(**changes)


def test_two_remedies_of_one_name_are_refused_at_the_second() -> None:
    ((place, message),) = refusals(remedies=[remedy(), remedy()])
    assert place == ("remedies", 1, "name")
    assert "'restart'" in message


def test_a_target_with_a_variable_that_is_not_defined_is_refused() -> None:
    target = {"workload": {"namespace": "x", "name": "{{ vars.name }}"}}
    ((place, message),) = refusals(target=target, vars={"other": "x"})
    assert place == ("target",)
    assert "'name'; defined: other" in message


def test_with_several_targets_every_step_says_which() -> None:
    steps = [{"kubernetes.scale": {"by": 1}, "on": "a"}, {"kubernetes.scale": {"by": 1}}, {"wait": {}, "on": "z"}]
    found = refusals(target=None, targets=WORKLOADS, remedies=[remedy(steps=steps)])
    assert [place for place, _ in found] == [("remedies", 0, "steps", 1), ("remedies", 0, "steps", 2)]
    assert all("accepted: a, b" in message for _, message in found)


def test_with_one_target_nothing_says_which() -> None:
    verify = {"within": "1m", "all": [{"rollout_complete": {}, "on": "a"}]}
    ((place, _),) = refusals(remedies=[remedy(verify=verify)])
    assert place == ("remedies", 0, "verify")


def test_several_mistakes_are_told_at_once() -> None:
    assert len(refusals(kind="x", priority="x", remedies=[remedy(name="A"), remedy(steps=[{}])])) >= 4


def test_only_narrows_and_an_unknown_place_is_not_among_those_listed() -> None:
    only = playbook(only={"cluster": ["prod"]}).only
    assert only.admits(cluster="prod")
    assert only.admits(cluster="prod", region="anywhere")
    assert not only.admits(cluster="staging")
    assert not only.admits()


def test_autonomy_is_ordered_from_least_to_most() -> None:
    assert sorted(Autonomy, key=lambda level: level.rank) == ["observe", "propose", "approve", "act"]


def test_a_snapshot_survives_json(full: Playbook) -> None:
    """S22."""
    assert Playbook.from_snapshot(json.loads(json.dumps(full.to_snapshot()))) == full


def test_a_snapshot_of_an_unknown_format_is_refused() -> None:
    snapshot = playbook().to_snapshot() | {"format": 99}
    with pytest.raises(SnapshotFormatError, match="99"):
        Playbook.from_snapshot(snapshot)


def test_match_target_and_remedies_make_the_content_hash_and_nothing_else() -> None:
    """S14: raised autonomy is bound to it."""
    before = playbook()
    for same in (
        {"priority": 5},
        {"autonomy": "act"},
        {"guards": {"cooldown": "1h"}},
        {"escalate": [{"on": ["failed"], "policy": "x"}]},
        {"metadata": {"name": "restart-it", "description": "y"}},
    ):
        assert playbook(**same).content_hash == before.content_hash
        assert playbook(**same).revision != before.revision
    for other in (
        {"match": [['alertname="Other"']]},
        {"target": WORKLOADS["a"]},
        {"remedies": [remedy(if_refuted="keep")]},
        {"remedies": [remedy(steps=[{"kubernetes.scale": {"by": 1}}])]},
    ):
        assert playbook(**other).content_hash != before.content_hash


def test_writing_a_default_out_changes_no_hash() -> None:
    assert playbook(priority=0, guards={"cooldown": "900s"}).revision == playbook().revision


@pytest.fixture
def full() -> Playbook:
    """Uses every key of the language."""
    return playbook(
        metadata={"name": "full", "description": "d", "owner": "o", "runbook": "r", "rows": [1, 2]},
        requires=">=0.1",
        only={"cluster": ["prod"], "region": ["eu"]},
        target=None,
        targets=WORKLOADS,
        priority=-3,
        autonomy="approve",
        approval="step",
        guards={
            "cooldown": "36h",
            "budget": {"runs": 1, "per": "1d"},
            "blast_radius": {"group": {"by": "cluster"}, "max_percent": 25, "at_least_one": False},
            "windows": ["business-freeze"],
            "drift": "suspend",
            "max_alert_age": "2h",
        },
        vars={"number": 1, "share": 0.5, "text": "x", "flag": True},
        evidence=[{"kubernetes_logs": {"lines": 5}, "on": "a"}],
        remedies=[
            remedy(
                when=[{"not": {"any": [{"autoscaled": {}, "on": "a"}, {"all": [{"replicas": {"above": 1}}]}]}}],
                steps=[{"kubernetes.scale": {"by": 1}, "on": "a", "for": "24h", "remembers": "x", "restores": "y"}],
                verify={"within": "5m", "hold": "0s", "any": [{"promql": {"query": "up", "is_empty": True}}]},
                if_refuted="undo",
            )
        ],
        escalate=[{"on": ["refuse", {"condition": {"replicas": {"above": 1}}}], "after": "5m", "policy": "p"}],
    )
