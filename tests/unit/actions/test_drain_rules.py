"""Which pods a drain moves, which stay, which forbid it; how many nodes may be out."""

from typing import Any

import pytest
from pydantic import ValidationError

from remediator.actions.base import PlanRefusedError
from remediator.actions.kubernetes.delete_pod import Params as DeleteParams
from remediator.actions.kubernetes.drain_rules import Params, judge, ready_by_controller, workload_of
from remediator.actions.kubernetes.node_service import refuse_one_too_many
from remediator.clients.kubernetes.node import MOVED
from remediator.clients.kubernetes.single_pod import SinglePod
from tests.unit.clients.kubernetes.pods import node, pod

MIRROR = {"annotations": {"kubernetes.io/config.mirror": "0123"}}
GOING = {"deletionTimestamp": "2026-01-01T01:00:00Z"}
CACHE = [{"name": "cache", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]


def test_daemons_mirrors_and_what_has_ended_stay() -> None:
    staying = [
        pod("daemon", controller="DaemonSet", volumes=CACHE),
        pod("mirror", controller="Node", metadata=MIRROR),
        pod("done", controller=None, phase="Succeeded"),
        pod("failed", controller="Job", phase="Failed"),
    ]
    judged = judge([*staying, pod(), pod("going", metadata=GOING)], Params())
    assert [one.name for one in judged.movable] == ["checkout-1"]
    assert [one.name for one in judged.going] == ["going"]
    assert judged.refused == ()


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ({"volumes": CACHE}, "empty_dir"),
        ({"controller": None}, "unmanaged"),
        ({"namespace": "kube-system"}, "system_pods"),
    ],
)
def test_what_would_be_lost_forbids_it_unless_accepted(what: dict[str, Any], word: str) -> None:
    (refused,) = judge([pod(), pod("other", **what)], Params()).refused
    assert f"{word}: accept" in refused
    assert "/other" in refused
    accepted = judge([pod(), pod("other", **what)], Params.model_validate({word: "accept"}))
    assert (accepted.refused, len(accepted.movable)) == ((), 2)
    with pytest.raises(ValidationError):
        Params.model_validate({word: True})


def test_what_goes_already_forbids_nothing() -> None:
    assert judge([pod(controller=None, metadata=GOING)], Params()).refused == ()


def test_of_each_controller_that_loses_pods_the_ready_ones_are_counted() -> None:
    leaving = pod()
    everywhere = [leaving, pod("b", node="two"), pod("c", node="two", ready=False), pod("d", controller="StatefulSet")]
    assert ready_by_controller([leaving], everywhere) == {"shop/ReplicaSet checkout": 2}


@pytest.mark.parametrize(
    ("one", "workload"),
    [
        (pod(metadata={"labels": {"pod-template-hash": "5d9f"}}, owner="checkout-5d9f"), "shop/checkout"),
        (pod(controller="StatefulSet", owner="db"), "shop/db"),
        (pod("bare", controller=None), "shop/bare"),
    ],
)
def test_what_loses_pods_is_named_as_people_name_it(one: SinglePod, workload: str) -> None:
    assert workload_of(one) == workload


def refused(**params: Any) -> str:
    nodes = [node("one", labels={"pool": "a"}), node("two", labels={"pool": "a"}), node("three", labels={"pool": "b"})]
    states = params.pop("states", {})
    nodes = [node(one.name, labels=dict(one.labels), **states.get(one.name, {})) for one in nodes]
    try:
        refuse_one_too_many(nodes[0], nodes, Params.model_validate(params))
    except PlanRefusedError as error:
        return error.code
    return ""


def test_one_node_at_a_time_by_pool_or_cluster() -> None:
    assert refused() == ""
    assert refused(states={"one": {"ready": False}}) == ""  # itself counts once, sick or not
    assert refused(states={"three": {"ready": False}}) == "nodes_out"
    assert refused(states={"three": {"unschedulable": True}}) == "nodes_out"
    assert refused(states={"three": {"ready": False}}, pool="pool") == ""
    assert refused(states={"two": {"ready": False}}, pool="pool") == "nodes_out"
    assert refused(states={"three": {"ready": False}}, max_unavailable_nodes=2) == ""


def test_somebody_must_be_left_to_take_the_pods() -> None:
    assert refused(states={"two": {"ready": False}}, pool="pool", max_unavailable_nodes=2) == "last_node"
    assert refused(pool="missing") == "no_pool"


@pytest.mark.parametrize(
    "noted", ["", "[]", "nonsense", '{"a": "b"}', '{"a": null}', "7", '{"a": Infinity}', "[" * 20_000]
)
def test_what_somebody_else_wrote_into_the_note_counts_for_nothing(noted: str) -> None:
    assert node(annotations={MOVED: noted}).moved == {}


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"because": "stuck_terminating"}, "needs force: true"),
        ({"because": "never_ready", "force": True}, "takes no force"),
        ({"because": "ugly"}, "never_ready"),
        ({"force": True}, "required"),
    ],
)
def test_force_is_for_what_nothing_else_ends(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        DeleteParams.model_validate(params)
