"""From a pod, a claim, an autoscaler or a node to one target, by what the cluster says; and the groups that a target is in (S17)."""

from typing import Any

import pytest

from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.groups import permissions_for_groups
from remediator.conditions.base import World
from remediator.decision.facts import Problem
from remediator.engine.finding import find, permissions_to_find
from remediator.engine.named_target import NamedTarget
from remediator.targets import Target
from tests.support.cluster import CLUSTER, Object, Stage

GONE = "0b7a5b1e-0000-4000-8000-000000000000"
"""A uid that nothing has."""
IMAGE = "registry.example.net/app:1.0"


def named(stage: Stage, type_: str, **fields: str) -> NamedTarget:
    return NamedTarget(CLUSTER, type_, {"namespace": stage.namespace, **fields})


async def finder(stage: Stage, type_: str) -> KubernetesClient:
    """It may do exactly what finding such a target declares."""
    return await stage.client(permissions_to_find(type_))


async def problem(one: NamedTarget, client: KubernetesClient, **how: Any) -> Problem:
    found = await find(one, World(client, None, None), **how)
    assert isinstance(found, Problem), str(found)
    return found


def pod(name: str, owner: Object | None = None) -> Object:
    metadata: Object = {"name": name, "labels": {"app": name}}
    if owner is not None:
        metadata["ownerReferences"] = [{"controller": True, "blockOwnerDeletion": False, **owner}]
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "app", "image": IMAGE}]}}


def owner_of(document: Object, *, uid: str = "") -> Object:
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "name": document["metadata"]["name"],
        "uid": uid or document["metadata"]["uid"],
    }


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_a_pod_leads_to_its_workload_through_whatever_is_in_between(stage: Stage, kind: str) -> None:
    await stage.workload("checkout", kind=kind, replicas=1)
    await stage.rolled_out("checkout", kind)
    name = (await stage.pods("checkout"))[0]["metadata"]["name"]
    client = await finder(stage, "workload_of_pod")
    found = await find(named(stage, "workload_of_pod", pod=name), World(client, None, None))
    assert found == stage.target("checkout", kind.lower())
    itself = await find(named(stage, "pod", pod=name), World(client, None, None))
    assert isinstance(itself, Target)
    assert (itself.kind, itself.name, itself.workload) == ("pod", name, found)


async def test_a_pod_of_a_job_has_no_workload(stage: Stage) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": IMAGE}]}}
    await stage.create({"kind": "Job", "metadata": {"name": "nightly"}, "spec": {"template": template}})
    pods: list[Object] = []

    def has_pods(found: Object) -> bool:
        return bool(found.get("status", {}).get("active") or found.get("status", {}).get("succeeded"))

    await stage.until("Job", "nightly", has_pods)
    pods = await stage.list("Pod", "job-name=nightly")
    client = await finder(stage, "workload_of_pod")
    found = await problem(named(stage, "workload_of_pod", pod=pods[0]["metadata"]["name"]), client)
    assert (found.code, found.kind) == ("no_workload", "refuse")
    assert "belongs to Job nightly, which is no deployment, statefulset, daemonset" in found.text


async def test_a_bare_pod_has_no_workload_and_may_be_a_target_itself(stage: Stage) -> None:
    await stage.create(pod("alone"))
    client = await finder(stage, "workload_of_pod")
    found = await problem(named(stage, "workload_of_pod", pod="alone"), client)
    assert (found.code, found.text) == ("no_workload", "pod alone has no controller")
    itself = await find(named(stage, "pod", pod="alone"), World(client, None, None))
    assert itself == stage.target("alone", "pod")


async def test_a_pod_that_is_gone_leads_nowhere_but_keeps_the_run_that_replaced_it(stage: Stage) -> None:
    """S26: an alert goes on naming the pod that our own restart took away."""
    await stage.workload("checkout", replicas=1)
    client = await finder(stage, "workload_of_pod")
    gone = named(stage, "workload_of_pod", pod="checkout-7d9c5bf6f8-x2k4d")
    found = await problem(gone, client)
    assert (found.code, found.kind) == ("target_not_found", "refuse")
    assert "is gone, so its workload cannot be told" in found.text

    held = stage.target("checkout")
    assert await find(gone, World(client, None, None), held=held) == held
    assert (await problem(gone, client, held=stage.target("orders"))).code == "target_not_found"
    await stage.delete("Deployment", "checkout")
    await stage.gone("Deployment", "checkout")
    assert (await problem(gone, client, held=held)).code == "target_not_found"


async def test_an_owner_that_was_made_again_is_not_the_owner(stage: Stage) -> None:
    """As after ``kubectl delete --cascade=orphan`` and a new workload of the same name."""
    await stage.workload("checkout", kind="StatefulSet", replicas=0)
    made = await stage.get("StatefulSet", "checkout")
    made.setdefault("apiVersion", "apps/v1")
    made.setdefault("kind", "StatefulSet")
    client = await finder(stage, "workload_of_pod")
    # The garbage collector takes pods whose owner is gone, in its own time: ours is asked before that.
    await stage.create(pod("left-behind", owner_of(made, uid=GONE)))
    found = await find(named(stage, "workload_of_pod", pod="left-behind"), World(client, None, None))
    assert isinstance(found, Problem)
    assert found.code in ("no_workload", "target_not_found")
    if found.code == "no_workload":
        assert f"statefulset {stage.namespace}/checkout that was deleted and made again" in found.text


async def test_a_claim_leads_to_the_set_whose_template_makes_it(stage: Stage) -> None:
    template = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await stage.workload("db", kind="StatefulSet", replicas=0, spec={"volumeClaimTemplates": [template]})
    for name in ("data-db-0", "alone"):
        await stage.create({"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": template["spec"]})
    client = await finder(stage, "persistent_volume_claim")
    owned = await find(named(stage, "persistent_volume_claim", name="data-db-0"), World(client, None, None))
    assert isinstance(owned, Target)
    assert owned.workload == stage.target("db", "statefulset")
    assert await find(named(stage, "persistent_volume_claim", name="alone"), World(client, None, None)) == stage.target(
        "alone", "persistentvolumeclaim"
    )

    other = template | {"metadata": {"name": "data-db"}}
    await stage.workload("0", kind="StatefulSet", replicas=0, spec={"volumeClaimTemplates": [other]})
    await stage.create({"kind": "PersistentVolumeClaim", "metadata": {"name": "data-db-0-0"}, "spec": template["spec"]})
    await stage.workload("db-0", kind="StatefulSet", replicas=0, spec={"volumeClaimTemplates": [template]})
    found = await problem(named(stage, "persistent_volume_claim", name="data-db-0-0"), client)
    assert found.code == "target_ambiguous"
    assert "could be of StatefulSets" in found.text


async def test_an_autoscaler_leads_to_what_it_scales(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    aimed = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    await stage.create(
        {
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "by-load"},
            "spec": {"scaleTargetRef": aimed, "minReplicas": 1, "maxReplicas": 3},
        }
    )
    client = await finder(stage, "horizontal_pod_autoscaler")
    found = await find(named(stage, "horizontal_pod_autoscaler", name="by-load"), World(client, None, None))
    assert isinstance(found, Target)
    assert found.workload == stage.target("checkout")


async def test_without_the_permission_it_waits_and_says_which(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    name = (await stage.pods("checkout"))[0]["metadata"]["name"]
    all_but = [one for one in permissions_to_find("workload_of_pod") if one.resource != "replicasets"]
    found = await problem(named(stage, "workload_of_pod", pod=name), await stage.client(all_but))
    assert (found.code, found.kind) == ("facts_missing", "wait")
    assert "missing permission: get on replicasets.apps" in found.text


class TestGroups:
    async def test_a_workload_is_in_the_nodes_and_zones_of_its_pods(self, stage: Stage) -> None:
        node, there = await stage.node(zone="zone-x")
        await stage.workload("checkout", replicas=2, labels={"team": "shop"}, pod=there)
        await stage.rolled_out("checkout")
        client = await stage.client(permissions_for_groups("deployment"))
        found = await client.groups.of(stage.target("checkout"))
        assert (found.namespace, set(found.nodes), set(found.zones)) == (stage.namespace, {node}, {"zone-x"})
        assert found.labels["team"] == "shop"

        name = (await stage.pods("checkout"))[0]["metadata"]["name"]
        client = await stage.client(permissions_for_groups("pod"))
        assert (await client.groups.of(stage.target(name, "pod"))).zones == {"zone-x"}

    async def test_a_node_is_in_its_own_zone_and_in_no_namespace(self, stage: Stage) -> None:
        node, _ = await stage.node(zone="zone-y")
        client = await stage.client(permissions_for_groups("node"))
        found = await client.groups.of(Target.kubernetes(CLUSTER, "", "node", node))
        assert (found.namespace, set(found.nodes), set(found.zones)) == ("", {node}, {"zone-y"})

    async def test_what_runs_no_pods_is_in_no_zone(self, stage: Stage) -> None:
        await stage.workload("idle", replicas=0)
        client = await stage.client(permissions_for_groups("deployment"))
        found = await client.groups.of(stage.target("idle"))
        assert (found.nodes, found.zones) == (frozenset(), frozenset())
