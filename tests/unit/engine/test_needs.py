"""What playbooks need: everything that is asked for their targets, where settings let them act, and nothing else."""

from typing import Any

import pytest

from remediator.actions import ACTIONS
from remediator.clients.permissions import Permission
from remediator.engine.needs import Need, needs
from remediator.playbooks.model import Playbook
from remediator.settings import Cluster
from tests.support.playbooks import playbook, remedy

SHOP = {"prod": Cluster(namespaces=("shop",))}
SCALE = remedy(name="scale", steps=[{"kubernetes.scale": {"by": 1, "max_replicas": 3}}])


def told(clusters: dict[str, Cluster], *playbooks: Any) -> list[str]:
    return [str(one) for one in needs(playbooks, clusters)]


def test_a_need_names_the_verb_the_place_and_the_playbook() -> None:
    scaling = playbook("cpu-scale-out", remedies=[SCALE])
    text = "needs patch on deployments/scale in shop (API group apps; cluster prod; for playbook cpu-scale-out)"
    assert text in told(SHOP, scaling)


def required(playbook: Playbook, clusters: dict[str, Cluster] = SHOP) -> list[Need]:
    return [one for one in needs([playbook], clusters) if not one.optional]


def test_target_steps_and_conditions_are_counted_for_the_kind_that_is_named() -> None:
    found = {(one.permission.verb, one.permission.resource) for one in required(playbook())}
    assert found == {("get", "deployments"), ("patch", "deployments"), ("list", "replicasets")}


def test_a_workload_of_any_kind_may_be_each_of_them() -> None:
    target = {"workload": {"namespace": "{{ labels.namespace }}", "name": "{{ labels.name }}"}}
    found = required(playbook(target=target))
    patched = {one.permission.resource for one in found if one.permission.verb == "patch"}
    built = next(action.target_kinds for action in ACTIONS if action.name == "kubernetes.rollout_restart")
    assert patched == {f"{kind}s" for kind in built}


def test_what_two_playbooks_need_is_told_once() -> None:
    found = [one for one in needs([playbook("b"), playbook("a")], SHOP) if one.permission.verb == "patch"]
    assert [one.playbooks for one in found] == [("a", "b")]


def test_a_namespace_that_the_playbook_names_itself_is_the_only_one() -> None:
    both = {"prod": Cluster(namespaces=("shop", "pay"))}
    assert {one.namespace for one in required(playbook(), both)} == {"shop", "pay"}
    target = {"workload": {"kind": "deployment", "namespace": "{{ vars.where }}", "name": "{{ labels.deployment }}"}}
    fixed = playbook(target=target, vars={"where": "pay"})
    assert {one.namespace for one in required(fixed, both)} == {"pay"}
    assert not needs([fixed], SHOP)


def test_only_where_the_playbook_may_act() -> None:
    clusters = {"prod": Cluster(namespaces=("shop",)), "test": Cluster(namespaces=("shop",)), "new": Cluster()}
    assert {one.cluster for one in needs([playbook()], clusters)} == {"prod", "test"}
    assert {one.cluster for one in needs([playbook(only={"cluster": ["test"]})], clusters)} == {"test"}


@pytest.mark.parametrize(("nodes", "places"), [(True, {""}), (False, set())])
def test_work_on_a_node_needs_the_whole_cluster_or_is_not_allowed(nodes: bool, places: set[str]) -> None:
    clusters = {"prod": Cluster(namespaces=("shop",), nodes=nodes)}
    target = {"node": {"name": "{{ labels.node }}"}}
    found = needs([playbook(target=target)], clusters)
    assert {one.namespace for one in found if not one.permission.writes} == places
    assert {one.permission for one in found} >= ({Permission("", "nodes", "get", everywhere=True)} if nodes else set())


def test_events_are_told_where_they_stand_and_a_run_does_without() -> None:
    """About a node that is the namespace ``default``, whatever namespaces may be worked in."""
    tell = Permission("events.k8s.io", "events", "create")
    of_node = playbook(target={"node": {"name": "{{ labels.node }}"}})
    clusters = {"prod": Cluster(namespaces=("shop",), nodes=True)}
    for one, place in ((playbook("service-down"), "shop"), (of_node, "default")):
        [need] = [need for need in needs([one], clusters) if need.permission == tell]
        assert (need.namespace, need.optional) == (place, True)


def test_a_target_that_is_not_built_is_never_asked_for() -> None:
    assert not needs([playbook(target={"ec2_instance_of_node": {"name": "{{ labels.node }}"}})], SHOP)


def test_evidence_is_wanted_and_not_required() -> None:
    wanted = [one for one in needs([playbook("service-down")], SHOP) if one.optional]
    logs = [one for one in wanted if one.permission == Permission("", "pods/log", "get")]
    assert [str(one) for one in logs] == [
        "needs get on pods/log in shop (cluster prod; for what is told of playbook service-down)"
    ]
    assert all(one.to_act for one in wanted), "at propose nothing is collected"
    assert not {one.permission for one in wanted} & {one.permission for one in required(playbook("service-down"))}
