"""S27: what an answer to a query is worth."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from remediator.answers import Answer
from remediator.clients.prometheus import Sample, Vector
from remediator.conditions import condition_named
from remediator.conditions.base import Known, World
from remediator.conditions.promql import Params, judge
from remediator.targets import Target
from tests.support.clock import T0

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
CHECKOUT = Target.kubernetes("prod", "shop", "deployment", "checkout")


def vector(*values: float, warnings: tuple[str, ...] = ()) -> Vector:
    return Vector(tuple(Sample({"pod": str(number)}, value) for number, value in enumerate(values)), warnings, T0)


@pytest.mark.parametrize(
    ("comparison", "values", "answer"),
    [
        ({"below": 1}, (0.5,), YES),
        ({"below": 1}, (1.0,), NO),
        ({"above": 1}, (1.5,), YES),
        ({"above": 1}, (1.0,), NO),
        ({"equals": 0}, (0.0,), YES),
        ({"equals": 0}, (-0.1,), NO),
        ({"below": 1}, (), UNKNOWN),
        ({"below": 1}, (math.nan,), UNKNOWN),
        ({"below": 1}, (-math.inf,), UNKNOWN),
        ({"above": 1}, (math.inf,), UNKNOWN),
        ({"below": 1}, (0.5, 0.5), UNKNOWN),
        ({"below": 1, "series": "each"}, (0.5, 0.7), YES),
        ({"below": 1, "series": "each"}, (0.5, 2.0), NO),
        ({"below": 1, "series": "each"}, (0.5, math.nan), UNKNOWN),
        ({"below": 1, "series": "each"}, (2.0, math.nan), NO),
        ({"below": 1, "series": "each"}, (), UNKNOWN),
        ({"below": 1, "series": "any"}, (2.0, 0.5), YES),
        ({"below": 1, "series": "any"}, (2.0, 3.0), NO),
        ({"below": 1, "series": "any"}, (2.0, math.nan), UNKNOWN),
        ({"below": 1, "series": "any"}, (0.5, math.nan), YES),
        ({"is_empty": True}, (), YES),
        ({"is_empty": True}, (1.0, 2.0), NO),
        ({"is_empty": False}, (), NO),
        ({"is_empty": False}, (math.nan,), YES),
    ],
)
def test_judged(comparison: dict[str, Any], values: tuple[float, ...], answer: Answer) -> None:
    assert judge(Params(query="q", **comparison), vector(*values)).answer is answer


@given(
    st.lists(st.floats(), max_size=4),
    st.sampled_from(["below", "above", "equals"]),
    st.sampled_from(["one", "each", "any"]),
)
def test_a_warning_makes_everything_unknown(values: list[float], comparison: str, series: str) -> None:
    params = Params.model_validate({"query": "q", comparison: 0.0, "series": series})
    assert judge(params, vector(*values, warnings=("partial",))).answer is UNKNOWN


@pytest.mark.parametrize(
    "comparison", [{}, {"below": 1, "above": 0}, {"below": math.nan}, {"below": 1, "serie": "any"}]
)
def test_exactly_one_comparison(comparison: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate({"query": "q", **comparison})


def test_what_was_seen_is_short_and_clean() -> None:
    hostile = Vector(tuple(Sample({"pod": "\x1b[31m" + "x" * 500}, 1.0) for _ in range(50)), (), T0)
    seen = judge(Params(query="q", below=1, series="each"), hostile).seen
    assert len(seen) < 500
    assert "\x1b" not in seen
    assert "and 47 more" in seen


async def test_without_prometheus_it_is_unknown_and_says_which_setting() -> None:
    promql = condition_named("promql")
    world = World(None, None, None)
    look = await promql.look(world, CHECKOUT, Params(query="q", below=1), Known(now=T0, labels={}))
    assert look.answer is UNKNOWN
    assert "clusters.prod.prometheus" in look.seen
