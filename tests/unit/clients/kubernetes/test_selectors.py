"""Selectors that stand inside objects."""

from typing import Any

import pytest

from remediator.clients.kubernetes.selectors import requirement_holds, selects

LABELS = {"app": "checkout", "tier": "web", "generation": "3", "rack": "a7"}


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "checkout"}}, True),
        ({"matchLabels": {"app": "checkout", "tier": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["checkout", "cart"]}]}, True),
        ({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchLabels": {"app": "checkout"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]}, False),
    ],
)
def test_all_of_it_must_hold(selector: dict[str, Any] | None, chosen: bool) -> None:
    assert selects(selector, LABELS) is chosen


@pytest.mark.parametrize(("operator", "holds"), [("Gt", True), ("Lt", False)])
def test_node_affinities_compare_numbers(operator: str, holds: bool) -> None:
    assert requirement_holds({"key": "generation", "operator": operator, "values": ["2"]}, LABELS) is holds
    for key in ("missing", "rack"):
        assert not requirement_holds({"key": key, "operator": operator, "values": ["2"]}, LABELS)


def test_an_operator_that_nobody_knows_is_no_answer() -> None:
    with pytest.raises(ValueError, match="Near"):
        selects({"matchExpressions": [{"key": "app", "operator": "Near", "values": []}]}, LABELS)
