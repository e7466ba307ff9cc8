from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from remediator.actions import action_named
from remediator.actions.kubernetes.hpa_bounds import Params


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({}, "exactly one of min, max, min_by and max_by"),
        ({"min": 2, "max": 4}, "exactly one of"),
        ({"max_by": 0, "bound": 4}, "max_by: 0 changes nothing"),
        ({"min_by": 1}, "min_by: 1 needs bound"),
        ({"max": 4, "bound": 6}, "bound has no meaning beside max"),
        ({"max": 0}, "greater than or equal to 1"),
    ],
)
def test_what_is_refused_and_why(given_: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Params.model_validate(given_)


@given(st.integers(1, 50), st.integers(0, 50), st.integers(-60, 60).filter(bool), st.integers(1, 100))
def test_a_step_never_crosses_the_other_bound_nor_goes_the_other_way(
    low: int, more: int, step: int, bound: int
) -> None:
    high = low + more
    for side in ("min_by", "max_by"):
        params = Params.model_validate({side: step, "bound": bound})
        after, before = params.wanted(low, high), low if side == "min_by" else high
        assert (after - before) * step >= 0
        assert abs(after - before) <= abs(step)
        assert after <= high if side == "min_by" else after >= low
        assert after == before or (after <= bound if step > 0 else after >= bound)


def test_more_is_kept_and_less_is_put_back() -> None:
    """S24."""
    bounds = action_named("kubernetes.hpa_bounds")
    assert bounds.if_refuted(Params(max_by=1, bound=4)) == "keep"
    assert bounds.if_refuted(Params(max_by=-1)) == "undo"
    assert bounds.if_refuted(Params(max=4)) == "undo"
