from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from remediator.actions import ACTIONS, action_named
from remediator.actions.kubernetes.scale import Params


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({}, "exactly one of to, by and by_percent"),
        ({"to": 3, "by": 1, "max_replicas": 4}, "exactly one of to, by and by_percent"),
        ({"by": 1, "by_percent": 10, "max_replicas": 4}, "exactly one of to, by and by_percent"),
        ({"by_percent": 0, "max_replicas": 4}, "by_percent: 0 changes nothing"),
        ({"by_percent": 25}, "by_percent: 25 needs max_replicas"),
        ({"by_percent": -25, "max_replicas": 4}, "max_replicas has no meaning"),
        ({"by_percent": -101, "min_replicas": 1}, "greater than or equal to -100"),
        ({"by": 0, "max_replicas": 4}, "by: 0 changes nothing"),
        ({"by": 1}, "needs max_replicas"),
        ({"by": -1}, "needs min_replicas"),
        ({"by": -1, "max_replicas": 4, "min_replicas": 1}, "max_replicas has no meaning"),
        ({"by": 1, "max_replicas": 4, "min_replicas": 1}, "min_replicas has no meaning"),
        ({"to": 3, "max_replicas": 4}, "max_replicas has no meaning"),
        ({"to": -1}, "greater than or equal to 0"),
        ({"to": 3, "namespace": "kube-system"}, "Extra inputs"),
    ],
)
def test_what_is_refused_and_why(given_: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Params.model_validate(given_)


@given(st.integers(1, 1000), st.integers(1, 100), st.integers(1, 1000))
def test_by_never_passes_its_bound_and_never_goes_the_other_way(replicas: int, by: int, bound: int) -> None:
    out = Params(by=by, max_replicas=bound).wanted(replicas)
    assert replicas <= out <= max(bound, replicas)
    into = Params(by=-by, min_replicas=bound).wanted(replicas)
    assert min(bound, replicas) <= into <= replicas


@pytest.mark.parametrize(
    ("replicas", "percent", "wanted"),
    [(3, 10, 4), (10, 25, 13), (4, 50, 6), (3, 100, 6), (3, -10, 2), (10, -25, 7), (4, -100, 1)],
)
def test_a_share_is_rounded_away_from_zero(replicas: int, percent: int, wanted: int) -> None:
    bound = {"max_replicas": 1000} if percent > 0 else {"min_replicas": 1}
    assert Params.model_validate({"by_percent": percent, **bound}).wanted(replicas) == wanted


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(1, 1000))
def test_a_share_never_passes_its_bound_and_never_goes_the_other_way(replicas: int, percent: int, bound: int) -> None:
    out = Params(by_percent=percent, max_replicas=bound).wanted(replicas)
    assert replicas <= out <= max(bound, replicas)
    assert out > replicas or replicas >= bound
    into = Params(by_percent=-min(percent, 100), min_replicas=bound).wanted(replicas)
    assert min(bound, replicas) <= into <= replicas


def test_more_is_kept_and_fewer_is_put_back() -> None:
    """S24."""
    scale = action_named("kubernetes.scale")
    assert scale.if_refuted(Params(by=2, max_replicas=9)) == "keep"
    assert scale.if_refuted(Params(by=-2, min_replicas=1)) == "undo"
    assert scale.if_refuted(Params(to=2)) == "undo"


def test_actions_are_found_by_name_and_unknown_ones_named_with_what_is_built() -> None:
    assert [action_named(action.name) for action in ACTIONS] == list(ACTIONS)
    with pytest.raises(KeyError, match=r"aws\.azure_failover is not built; built: .*kubernetes\.rollout_restart"):
        action_named("aws.azure_failover")
