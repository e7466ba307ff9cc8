"""Room for pods on other nodes."""

from typing import Any

import pytest

from remediator.clients.kubernetes.room import admits, without_room
from tests.unit.clients.kubernetes.pods import asking, node, pod


def test_what_fits_is_placed_the_largest_first() -> None:
    pods = [pod(f"small-{n}", containers=asking("1")) for n in range(2)] + [pod("large", containers=asking("3"))]
    nodes = [node("two", allocatable={"cpu": "3", "pods": "9"}), node("three", allocatable={"cpu": "2", "pods": "9"})]
    assert without_room(pods, nodes, ()) == {}


def test_what_runs_there_already_takes_room_and_what_has_ended_does_not() -> None:
    wanted, nodes = [pod(containers=asking("2"))], [node(allocatable={"cpu": "4", "pods": "9"})]
    there = [pod("other", node="two", containers=asking("3"))]
    assert "has room for it" in without_room(wanted, nodes, there)["shop/checkout-1"]
    assert without_room(wanted, nodes, [pod("done", node="two", phase="Succeeded", containers=asking("3"))]) == {}


def test_the_number_of_pods_is_a_limit_too() -> None:
    assert without_room([pod()], [node(allocatable={"cpu": "4", "memory": "8Gi", "pods": "1"})], [pod("a", node="two")])


def test_a_resource_that_a_node_does_not_have_is_no_room() -> None:
    gpu = [{"name": "app", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]
    assert without_room([pod(containers=gpu)], [node()], ())


@pytest.mark.parametrize("out", [{"ready": False}, {"unschedulable": True}])
def test_a_node_that_is_out_takes_none(out: dict[str, Any]) -> None:
    assert "no other ready node" in without_room([pod()], [node(**out)], ())["shop/checkout-1"]


TAINT = {"key": "team", "value": "data", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("tolerations", "admitted"),
    [
        ([], False),
        ([{"operator": "Exists"}], True),
        ([{"key": "team", "operator": "Exists"}], True),
        ([{"key": "team", "value": "data"}], True),
        ([{"key": "team", "operator": "Equal", "value": "web"}], False),
        ([{"key": "team", "value": "data", "effect": "NoExecute"}], False),
        ([{"key": "", "value": ""}], False),
    ],
)
def test_taints_are_tolerated_or_keep_away(tolerations: list[dict[str, Any]], admitted: bool) -> None:
    assert admits(node(taints=[TAINT]), pod(tolerations=tolerations)) is admitted


def test_a_taint_that_only_prefers_keeps_nobody_away() -> None:
    assert admits(node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), pod())


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"nodeAffinity": required}


def test_selectors_and_required_affinities_count() -> None:
    there = node(labels={"zone": "a"})
    assert admits(there, pod(nodeSelector={"zone": "a"}))
    assert not admits(there, pod(nodeSelector={"zone": "b"}))
    in_b = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
    by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["two"]}]}
    assert not admits(there, pod(affinity=affinity(in_b)))
    assert admits(there, pod(affinity=affinity(in_b, by_name)))
    assert not admits(there, pod(affinity=affinity({})))
