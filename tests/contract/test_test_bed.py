"""The stages that contract tests stand on, each on the emulator and on the real control plane."""

from dataclasses import replace

import pytest

from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError
from remediator.targets import Target
from tests.support.cluster import Object, RefusedError, Stage

READ = [Permission("apps", "deployments", "get")]


async def test_a_deployment_becomes_available(stage: Stage) -> None:
    await stage.workload("checkout", replicas=2)
    found = await stage.rolled_out("checkout")
    assert found["status"]["availableReplicas"] == 2
    assert len(await stage.pods("checkout")) == 2


async def test_what_a_client_asks_is_in_the_audit(stage: Stage) -> None:
    await stage.workload("checkout")
    client = await stage.client(READ)
    await client.workloads.read(stage.target("checkout"))
    (asked,) = await stage.audit()
    assert (asked.verb, asked.path) == ("GET", f"/apis/apps/v1/namespaces/{stage.namespace}/deployments/checkout")
    assert asked.user_agent == "remediator"
    assert not asked.writes


async def test_a_client_may_do_what_it_was_granted_and_no_more(stage: Stage) -> None:
    await stage.workload("checkout")
    client = await stage.client([Permission("apps", "statefulsets", "get")])
    with pytest.raises(FactsMissingError, match='cannot get resource "deployments"'):
        await client.workloads.read(stage.target("checkout"))


async def test_another_namespace_is_only_for_who_may_go_everywhere(stage: Stage) -> None:
    here, everywhere = await stage.client(READ), await stage.client([replace(READ[0], everywhere=True)])
    elsewhere = Target.kubernetes("prod", "kube-system", "deployment", "dns")
    with pytest.raises(FactsMissingError, match="forbidden"):
        await here.workloads.read(elsewhere)
    with pytest.raises(TargetNotFoundError):
        await everywhere.workloads.read(elsewhere)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
async def test_a_pod_crash_loops(stage: Stage, kind: str) -> None:
    await stage.workload("checkout", kind=kind, replicas=1, behaviour="crash-loop", on_restart="healthy")
    await stage.until(kind, "checkout", lambda found: found["status"].get("replicas") == 1)
    (pod,) = await stage.pods("checkout")
    looping = await stage.until("Pod", pod["metadata"]["name"], _crash_loops)
    (container,) = looping["status"]["containerStatuses"]
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert container["restartCount"] >= 1
    assert not container["ready"]


async def test_a_restart_heals_what_is_to_be_healed_by_it(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1, behaviour="crash-loop", on_restart="healthy")
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("replicas") == 1)
    stamp = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00.000001Z"}
    await stage.patch("Deployment", "checkout", {"spec": {"template": {"metadata": {"annotations": stamp}}}})
    await stage.rolled_out("checkout")


async def test_a_healthy_workload_falls_ill(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    (pod,) = await stage.pods("checkout")
    await stage.sicken("checkout", "crash-loop")
    await stage.until("Pod", pod["metadata"]["name"], _crash_loops)


async def test_an_eviction_is_refused_by_a_budget_and_then_allowed(stage: Stage) -> None:
    await stage.workload("checkout", replicas=2)
    await stage.rolled_out("checkout")
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "checkout"}}}
    await stage.create({"kind": "PodDisruptionBudget", "metadata": {"name": "checkout"}, "spec": spec})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("currentHealthy") == 2)
    pod, _ = await stage.pods("checkout")
    with pytest.raises(RefusedError) as refused:
        await _evict(stage, pod)
    assert refused.value.status == 429
    await stage.patch("PodDisruptionBudget", "checkout", {"spec": {"minAvailable": 1}})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"]["disruptionsAllowed"] == 1)
    await _evict(stage, pod)
    await stage.gone("Pod", pod["metadata"]["name"])
    await stage.rolled_out("checkout")


def _crash_loops(pod: Object) -> bool:
    statuses = pod["status"].get("containerStatuses", [])
    return any(one["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff" for one in statuses)


async def _evict(stage: Stage, pod: Object) -> None:
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": stage.namespace}}
    await stage.request("POST", f"/api/v1/namespaces/{stage.namespace}/pods/{name}/eviction", eviction)
