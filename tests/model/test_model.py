"""The model of a run among several workers: what it promises holds in every order of steps, and it can fail."""

import pytest

from tests.model.checker import missing, search
from tests.model.configurations import BROKEN, HOLDS, Configuration
from tests.support.needs import not_run

_WITHIN_S = 300.0

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def can_be_searched() -> None:
    if (lacking := missing()) is not None:
        not_run(f"{lacking} to search the model of runs with", may_lack=True)


def _named(configurations: tuple[Configuration, ...]) -> list[object]:
    return [pytest.param(one, id=one.name.replace(" ", "-")) for one in configurations if one.short]


@pytest.mark.parametrize("one", _named(HOLDS))
def test_it_holds_in_every_order_of_steps(one: Configuration) -> None:
    found = search(one, within_s=_WITHIN_S)
    assert found.error is None, f"python -m tests.model; switches {one.switches}"
    assert found.states > 10_000, "so few: the model stands still"


@pytest.mark.parametrize("one", _named(BROKEN))
def test_what_is_left_out_is_found(one: Configuration) -> None:
    found = search(one, within_s=_WITHIN_S)
    assert found.error is not None
    assert "acceptance cycle" in found.error if one.liveness else "assertion violated" in found.error
