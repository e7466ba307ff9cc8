"""The node that remediator stands on: denied, unless a replica on another node can do the work (S12)."""

import pytest

from remediator.engine.own_nodes import denied, left_to_others


@pytest.mark.parametrize(
    ("own", "living", "may_not"),
    [
        (None, [], set()),
        ("n1", [], {"n1"}),
        ("n1", ["n1"], {"n1"}),
        ("n1", ["n1", "n1"], {"n1"}),
        ("n1", ["n1", "n2"], set()),
        ("n1", ["n1", None], {"n1"}),
        (None, ["n2"], {"n2"}),
    ],
)
def test_it_may_be_decided_on_while_somebody_lives_elsewhere(
    own: str | None, living: list[str | None], may_not: set[str]
) -> None:
    assert denied(own, living, acting=False) == may_not


def test_nobody_pulls_the_node_from_under_his_own_feet() -> None:
    assert denied("n1", ["n1", "n2"], acting=True) == {"n1"}
    assert denied("n2", ["n1", "n2"], acting=True) == {"n2"}


def test_work_on_its_own_node_is_left_to_the_others_if_there_are_any() -> None:
    assert left_to_others("n1", ["n1", "n2"], {"prod": 1}) == ("kubernetes/prod/node/n1",)
    assert left_to_others("n1", ["n1"], {"prod": 1}) == ()
    assert left_to_others(None, ["n2"], {"prod": 1}) == ()
