"""Nodes and the scheduler: room, cordons, taints, and nodes that do not answer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.resources import EVENTS, PODS, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, deployed

READY = "sandbox.remediator.dev/ready"


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    await server.start()
    yield server
    await server.stop()


def conditions(cluster: KubernetesApi, node: str = "node-1") -> dict[str, str]:
    return {found["type"]: found["status"] for found in cluster.get("nodes", "", node)["status"]["conditions"]}


def asking(cpu: str, **more: Any) -> Object:
    container = {"name": "checkout", "image": "checkout:1", "resources": {"requests": {"cpu": cpu}}}
    template = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [container], **more}}
    return {"template": template}


def where(cluster: KubernetesApi) -> list[str]:
    found = workloads.pods_of(cluster, "deployments", "shop", "checkout")
    return sorted(pod["spec"].get("nodeName", "") for pod in found)


async def test_nodes_stand_in_zones_and_say_how_they_are(core: Untyped, cluster: KubernetesApi) -> None:
    await cluster.until(lambda: len(conditions(cluster)) == 4)
    assert conditions(cluster) == {
        "Ready": "True",
        **dict.fromkeys(("MemoryPressure", "DiskPressure", "PIDPressure"), "False"),
    }
    nodes = (await core.list_node()).items
    assert [node.metadata.labels["topology.kubernetes.io/zone"] for node in nodes] == ["zone-a", "zone-b", "zone-c"]
    assert nodes[0].status.allocatable["cpu"] == "16"


async def test_a_pressure_that_was_set_stays(core: Untyped, cluster: KubernetesApi) -> None:
    await cluster.until(lambda: len(conditions(cluster)) == 4)
    pressed = {"status": {"conditions": [{"type": "DiskPressure", "status": "True"}]}}
    await core.patch_node_status("node-1", pressed)
    await core.patch_node("node-1", {"metadata": {"labels": {"seen": "again"}}})
    await cluster.until(lambda: "seen" in cluster.get("nodes", "", "node-1")["metadata"]["labels"])
    assert conditions(cluster)["DiskPressure"] == "True"


async def test_pods_that_do_not_fit_stay_pending_and_say_why(core: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout", replicas=4, spec=asking("9")))
    await cluster.until(lambda: where(cluster) == ["", "node-1", "node-2", "node-3"])
    (waiting,) = [pod for pod in cluster.store.all(PODS, "shop") if "nodeName" not in pod["spec"]]

    def refused() -> Object:
        found = cluster.get("pods", "shop", waiting["metadata"]["name"])["status"].get("conditions")
        return dict(found[0]) if found else {}

    await cluster.until(lambda: bool(refused()))
    assert (refused()["type"], refused()["reason"]) == ("PodScheduled", "Unschedulable")
    assert refused()["message"].startswith("0/3 nodes are available: 3 Insufficient cpu. ")
    assert "FailedScheduling" in {event["reason"] for event in cluster.store.all(EVENTS, "shop")}
    cluster.add_node("node-4", allocatable={"cpu": "9500m"})
    await cluster.until(lambda: where(cluster) == ["node-1", "node-2", "node-3", "node-4"])


async def test_a_cordoned_or_tainted_node_gets_no_pods(core: Untyped, cluster: KubernetesApi) -> None:
    await core.patch_node("node-1", {"spec": {"unschedulable": True}})
    await core.patch_node("node-2", {"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}})
    await deployed(cluster)
    assert where(cluster) == ["node-3"] * 3
    toleration = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    chosen = {"kubernetes.io/hostname": "node-2"}
    await deployed(cluster, "trainer", spec=None)
    cluster.put(
        "pods",
        {
            "metadata": {"name": "tolerant", "namespace": "shop"},
            "spec": {"containers": [{"name": "one"}], "tolerations": [toleration], "nodeSelector": chosen},
        },
    )
    await cluster.until(lambda: cluster.get("pods", "shop", "tolerant")["spec"].get("nodeName") == "node-2")


async def test_a_node_that_does_not_answer_keeps_its_pods_from_stopping(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    (lost,) = [pod for pod in cluster.store.all(PODS, "shop") if pod["spec"]["nodeName"] == "node-1"]
    name = lost["metadata"]["name"]
    await core.patch_node("node-1", {"metadata": {"annotations": {READY: "Unknown"}}})
    await cluster.until(lambda: conditions(cluster)["Ready"] == "Unknown")
    await cluster.until(lambda: not pods.is_ready(cluster.get("pods", "shop", name)))
    taints = cluster.get("nodes", "", "node-1")["spec"]["taints"]
    assert {taint["key"] for taint in taints} == {"node.kubernetes.io/unreachable"}
    await core.delete_namespaced_pod(name, "shop")
    await cluster.until(lambda: "node-1" not in where(cluster) and len(where(cluster)) == 3)
    assert cluster.get("pods", "shop", name)["metadata"]["deletionTimestamp"]
    await core.patch_node("node-1", {"metadata": {"annotations": {READY: None}}})
    await cluster.until(lambda: cluster.store.get(PODS, "shop", name) is None)
    assert "taints" not in cluster.get("nodes", "", "node-1")["spec"]


async def test_a_pod_that_is_stuck_terminating_goes_by_force_only(core: Untyped, cluster: KubernetesApi) -> None:
    stuck = {"sandbox.remediator.dev/stuck-terminating": "true"}
    cluster.put(
        "pods",
        {
            "metadata": {"name": "stuck", "namespace": "shop", "annotations": stuck},
            "spec": {"containers": [{"name": "one"}]},
        },
    )
    await cluster.until(lambda: pods.is_ready(cluster.get("pods", "shop", "stuck")))
    await core.delete_namespaced_pod("stuck", "shop")
    await deployed(cluster)
    assert cluster.get("pods", "shop", "stuck")["metadata"]["deletionTimestamp"]
    await core.delete_namespaced_pod("stuck", "shop", grace_period_seconds=0)
    assert cluster.store.get(PODS, "shop", "stuck") is None


@pytest.mark.parametrize(
    ("behaviour", "reason", "code"), [("crash-loop", "Error", 1), ("oom-killed", "OOMKilled", 137)]
)
async def test_crashes_leave_the_state_in_which_the_containers_ended(
    cluster: KubernetesApi, behaviour: str, reason: str, code: int
) -> None:
    cluster.health.set("deployments", "shop", "checkout", behaviour)
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout", replicas=1))
    await cluster.until(lambda: workloads.is_crash_looping(cluster, "deployments", "shop", "checkout"))
    (pod,) = workloads.pods_of(cluster, "deployments", "shop", "checkout")
    ended = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == (reason, code)
    assert "BackOff" in {event["reason"] for event in cluster.store.all(EVENTS, "shop")}


async def test_daemons_run_where_taints_let_them_and_on_cordoned_nodes(core: Untyped, cluster: KubernetesApi) -> None:
    await core.patch_node("node-1", {"spec": {"unschedulable": True}})
    await core.patch_node("node-2", {"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}})
    await deployed(cluster, plural="daemonsets")
    found = workloads.pods_of(cluster, "daemonsets", "shop", "checkout")
    assert {pod["spec"]["nodeName"] for pod in found} == {"node-1", "node-3"}
