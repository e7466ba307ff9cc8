from typing import Any

import pytest
from pydantic import ValidationError

from remediator.playbooks.remedy import Condition, Remedy, Step, Verify
from tests.support.playbooks import remedy


def places(model: type[Any], value: Any) -> list[tuple[str | int, ...]]:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(value)
    return [error["loc"] for error in refused.value.errors()]


def test_a_remedy_that_writes_needs_a_verification() -> None:
    """S15."""
    with pytest.raises(ValidationError, match="S15"):
        Remedy.model_validate(remedy(verify=None))


@pytest.mark.parametrize("steps", [[{"wait": {}}], [{"evidence.redis_info": {}}], [{"wait": {}}, {"evidence.x": {}}]])
def test_a_remedy_that_only_looks_needs_none(steps: list[Any]) -> None:
    assert not Remedy.model_validate(remedy(steps=steps, verify=None)).writes


def test_one_writing_step_is_enough_to_need_it() -> None:
    with pytest.raises(ValidationError, match="S15"):
        Remedy.model_validate(remedy(steps=[{"wait": {}}, {"kubernetes.scale": {"by": 1}}], verify=None))


def test_what_only_looks_cannot_be_undone() -> None:
    with pytest.raises(ValidationError, match="nothing can be undone"):
        Remedy.model_validate(remedy(steps=[{"wait": {}}], verify=None, if_refuted="undo"))


@pytest.mark.parametrize(
    "conditions",
    [
        {"all": [{"alert_resolved": {}}]},
        {"any": [{"alert_resolved": {}}]},
        {"any": [{"alert_resolved": {}}, {"rollout_complete": {}}]},
        {"all": [{"alert_resolved": {}}, {"all": [{"alert_resolved": {}}]}]},
        {"all": [{"any": [{"rollout_complete": {}}, {"alert_resolved": {}}]}]},
        {"all": [{"not": {"alert_resolved": {}}}]},
    ],
)
def test_alert_resolved_alone_proves_nothing(conditions: dict[str, Any]) -> None:
    """S26."""
    with pytest.raises(ValidationError, match="alert_resolved alone proves nothing"):
        Verify.model_validate({"within": "5m", **conditions})


def test_alert_resolved_beside_something_independent_is_welcome() -> None:
    Verify.model_validate({"within": "5m", "all": [{"alert_resolved": {}}, {"rollout_complete": {}}]})


@pytest.mark.parametrize(
    "verify",
    [
        {"within": "0s", "all": [{"rollout_complete": {}}]},
        {"all": [{"rollout_complete": {}}]},
        {"within": "5m"},
        {"within": "5m", "all": []},
        {"within": "5m", "all": [{"rollout_complete": {}}], "any": [{"rollout_complete": {}}]},
        {"within": "5m", "all": [{"rollout_complete": {}}], "hold": 5},
    ],
)
def test_a_verification_has_a_time_and_one_list_of_conditions(verify: dict[str, Any]) -> None:
    assert places(Verify, verify)


def test_conditions_nest_and_are_written_as_they_were() -> None:
    text = {"not": {"any": [{"a": {"x": 1}}, {"all": [{"b": {}, "on": "t"}]}]}}
    condition = Condition.model_validate(text)
    assert condition.model_dump(mode="json") == text
    assert [leaf.name for leaf in condition.leaves()] == ["a", "b"]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("rollout_complete", ()),
        ({}, ()),
        ({"a": {}, "b": {}}, ()),
        ({"A-B": {}}, ()),
        ({"a.b.c": {}}, ()),
        ({5: {}}, ()),
        ({"a": [1]}, ("a",)),
        ({"any": []}, ("any",)),
        ({"all": {"a": {}}}, ("all",)),
        ({"not": [{"a": {}}]}, ("not",)),
        ({"any": [{"a": {}}], "on": "x"}, ()),
        ({"any": [{"a": {}}, {"not": {"b": 1}}]}, ("any", 1, "not", "b")),
        ({"not": {"promql": {"query": "{{ labels.x }}", "below": 1}}}, ("not", "promql")),
        ({"promql": {"query": "up", "blow": 1}}, ("promql", "blow")),
    ],
)
def test_a_malformed_condition_is_placed_where_it_stands_in_the_file(value: Any, place: tuple[str | int, ...]) -> None:
    assert place in places(Condition, value)


def test_a_step_has_one_action_and_its_own_keys_beside_it() -> None:
    text = {"aws.waf_block_address": {"address": "a"}, "on": "x", "for": "1d", "remembers": "m", "restores": "n"}
    step = Step.model_validate(text)
    assert step.model_dump(mode="json", by_alias=True) == text
    assert (step.action, step.params, step.on) == ("aws.waf_block_address", {"address": "a"}, "x")


@pytest.mark.parametrize(
    "value", [{}, {"on": "x"}, {"a.b": {}, "c.d": {}}, {"a.b": {}, "fro": "1h"}, {"a.b": 5}, ["a.b"]]
)
def test_a_malformed_step_is_refused(value: Any) -> None:
    assert places(Step, value)


def test_no_parameters_may_be_written_as_nothing() -> None:
    assert Step.model_validate({"a.b": None}).params == {}
