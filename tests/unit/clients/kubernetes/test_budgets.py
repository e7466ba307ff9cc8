"""What the eviction API would say of a pod."""

from typing import Any

import pytest

from remediator.clients.kubernetes.budgets import Budget, objection
from remediator.clients.kubernetes.single_pod import SinglePod
from tests.unit.clients.kubernetes.pods import pod

SELECTOR = {"matchLabels": {"app": "checkout"}}


def budget(name: str = "checkout", **counts: Any) -> Budget:
    values: dict[str, Any] = {"allowed": 0, "healthy": 2, "desired": 2, "expected": 3, "observed": True} | counts
    return Budget("shop", name, values.pop("selector", SELECTOR), **{"always_lets_unhealthy_go": False, **values})


def passes(one: SinglePod, *budgets: Budget) -> bool | None:
    """None: it may go."""
    found = objection(one, budgets)
    return None if found is None else found.passes


def test_a_pod_without_a_budget_may_go() -> None:
    assert passes(pod()) is None
    assert passes(pod(), budget(selector=None)) is None
    assert passes(pod(namespace="other"), budget()) is None


def test_an_empty_selector_covers_every_pod_of_the_namespace() -> None:
    assert passes(pod(), budget(selector={})) is True


def test_what_is_used_up_is_waited_for_with_the_counts() -> None:
    found = objection(pod(), [budget()])
    assert found is not None
    assert (found.passes, found.text) == (
        True,
        "PodDisruptionBudget shop/checkout needs 2 healthy pods of 3 and has 2",
    )
    assert passes(pod(), budget(allowed=1, healthy=3)) is None


def test_a_budget_that_wants_every_pod_never_lets_one_go() -> None:
    assert passes(pod(), budget(healthy=3, desired=3)) is False
    assert passes(pod(), budget(healthy=3, desired=3, observed=False)) is True


def test_two_budgets_are_never_judged() -> None:
    assert passes(pod(), budget("one", allowed=1), budget("two", allowed=1)) is False


@pytest.mark.parametrize("state", [{"phase": "Pending"}, {"phase": "Succeeded"}, {"phase": "Failed"}])
def test_what_does_not_run_is_not_asked_about(state: dict[str, Any]) -> None:
    assert passes(pod(ready=False, **state), budget("one"), budget("two")) is None


def test_a_pod_that_is_not_ready_goes_only_while_enough_others_are() -> None:
    assert passes(pod(ready=False), budget(healthy=2, desired=2)) is None
    assert passes(pod(ready=False), budget(healthy=1, desired=2)) is True
    assert passes(pod(ready=False), budget(healthy=0, desired=0)) is True
    assert passes(pod(ready=False), budget(healthy=1, desired=2, always_lets_unhealthy_go=True)) is None


def test_what_was_not_counted_yet_is_waited_for() -> None:
    assert passes(pod(), budget(allowed=1, observed=False)) is True
