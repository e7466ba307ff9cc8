"""What has a size in a namespace, and the patches that take it away and give it back."""

from typing import Any

import pytest

from remediator.clients.kubernetes.sized import SIZE_BEFORE, Sized, scaled_by, sized_from

PAUSED, PAUSED_REPLICAS = "autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"
INTENT = "remediator.dev/intent"


def thing(kind: str, spec: Any = None, **annotations: str) -> Sized:
    metadata = {"name": "x", "uid": "u", "resourceVersion": "7", "annotations": annotations}
    given = spec or ({"scaleTargetRef": {"name": "checkout"}} if kind == "scaledobject" else {})
    return sized_from(kind, {"metadata": metadata, "spec": given})


@pytest.mark.parametrize(
    ("found", "size", "at_nothing"),
    [
        (thing("deployment", {"replicas": 3}), "3", False),
        (thing("deployment"), "1", False),
        (thing("statefulset", {"replicas": 0}), "0", True),
        (thing("scaledobject"), "auto", False),
        (thing("scaledobject", **{PAUSED_REPLICAS: "2"}), "2", False),
        (thing("scaledobject", **{PAUSED_REPLICAS: "0"}), "0", True),
        (thing("scaledobject", **{PAUSED: "true"}), "0", True),
        (thing("scaledobject", **{PAUSED: "true", PAUSED_REPLICAS: "2"}), "2", False),
        (thing("cronjob"), "runs", False),
        (thing("cronjob", {"suspend": True}), "suspended", True),
    ],
)
def test_its_size(found: Sized, size: str, at_nothing: bool) -> None:
    assert (found.size, found.at_nothing) == (size, at_nothing)


@pytest.mark.parametrize(
    ("kind", "before", "restorable"),
    [
        ("deployment", "3", True),
        ("deployment", "auto", False),
        ("deployment", "runs", False),
        ("deployment", "-1", False),
        ("deployment", "3.0", False),
        ("deployment", "100000", False),
        ("deployment", "\u0663", False),
        ("deployment", "", False),
        ("scaledobject", "auto", True),
        ("scaledobject", "2", True),
        ("cronjob", "runs", True),
        ("cronjob", "1", False),
    ],
)
def test_what_is_remembered_must_be_a_size(kind: str, before: str, restorable: bool) -> None:
    assert thing(kind, **{SIZE_BEFORE: before}).restorable is restorable


def test_there_and_back() -> None:
    gone = thing("deployment", {"replicas": 3}).to_nothing("int_1")
    assert gone["metadata"]["annotations"] == {INTENT: "int_1", SIZE_BEFORE: "3"}
    assert gone["metadata"]["resourceVersion"] == "7"
    assert gone["spec"] == {"replicas": 0}
    back = thing("deployment", {"replicas": 0}, **{SIZE_BEFORE: "3"}).back("int_2")
    assert back["metadata"]["annotations"] == {INTENT: "int_2", SIZE_BEFORE: None}
    assert back["spec"] == {"replicas": 3}


def test_a_pause_that_was_there_comes_back() -> None:
    gone = thing("scaledobject", **{PAUSED_REPLICAS: "2"}).to_nothing("int_1")
    assert gone["metadata"]["annotations"] == {INTENT: "int_1", SIZE_BEFORE: "2", PAUSED_REPLICAS: "0"}
    back = thing("scaledobject", **{PAUSED_REPLICAS: "0", SIZE_BEFORE: "2"}).back("int_2")
    assert back["metadata"]["annotations"][PAUSED_REPLICAS] == "2"
    back = thing("scaledobject", **{PAUSED_REPLICAS: "0", SIZE_BEFORE: "auto"}).back("int_2")
    assert back["metadata"]["annotations"][PAUSED_REPLICAS] is None


def test_of_one_intent_the_first_memory_stays_and_of_another_it_does_not() -> None:
    """KEDA may wake what it scales before it is paused; somebody else may have given it another size long after."""
    woken = thing("deployment", {"replicas": 1}, **{INTENT: "int_1", SIZE_BEFORE: "3"})
    assert woken.to_nothing("int_1")["metadata"]["annotations"][SIZE_BEFORE] == "3"
    assert woken.to_nothing("int_2")["metadata"]["annotations"][SIZE_BEFORE] == "1"


@pytest.mark.parametrize(
    ("aimed", "key"),
    [
        ({"name": "checkout"}, "deployment/checkout"),
        ({"kind": "StatefulSet", "apiVersion": "apps/v1", "name": "ledger"}, "statefulset/ledger"),
        ({"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1", "name": "checkout"}, ""),
        ({"kind": "Deployment", "apiVersion": "example.org/v1", "name": "checkout"}, ""),
    ],
)
def test_what_an_autoscaler_scales(aimed: dict[str, str], key: str) -> None:
    assert scaled_by({"spec": {"scaleTargetRef": aimed}}) == key
