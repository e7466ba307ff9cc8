"""The stages that contract tests stand on, each on the emulator and on the real control plane."""

import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError
from remediator.targets import Target
from tests.controlplane.words import BEHAVIOUR, EXEC, LOGS, PREVIOUS_LOGS, PROVISIONER, READY, STUCK_TERMINATING
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


async def test_a_job_completes_and_another_fails(stage: Stage) -> None:
    for name, behaviour in (("good", "healthy"), ("bad", "fail")):
        template = {
            "metadata": {"annotations": {BEHAVIOUR: behaviour}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "app:1"}]},
        }
        await stage.create(
            {"kind": "Job", "metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template}}
        )
    await stage.until("Job", "good", lambda found: _has(found, "Complete"))
    await stage.until("Job", "bad", lambda found: _has(found, "Failed"))


async def test_containers_have_logs_the_previous_ones_too(stage: Stage) -> None:
    told = {LOGS: "one\ntwo\nthree\n", PREVIOUS_LOGS: "fatal: no disk\n"}
    await stage.workload("checkout", replicas=1, annotations=told)
    await stage.rolled_out("checkout")
    (pod,) = await stage.pods("checkout")
    path = f"/api/v1/namespaces/{stage.namespace}/pods/{pod['metadata']['name']}/log?container=app"
    assert await _text(stage, f"{path}&tailLines=2") == "two\nthree\n"
    assert await _text(stage, f"{path}&limitBytes=5") == "one\nt"
    with pytest.raises(RefusedError, match=r"previous terminated container .* not found") as refused:
        await stage.request("GET", f"{path}&previous=true")
    assert refused.value.status == 400
    await stage.sicken("checkout", "crash-loop")
    await stage.until("Pod", pod["metadata"]["name"], _crash_loops)
    assert await _text(stage, f"{path}&previous=true") == "fatal: no disk\n"


async def test_commands_are_run_by_websocket(stage: Stage) -> None:
    script = {"df": {"stdout": "100%\n", "stderr": "warning\n", "code": 3}}
    await stage.workload("checkout", replicas=1, annotations={EXEC: json.dumps(script)})
    await stage.rolled_out("checkout")
    assert await _execute(stage, "df", "-h") == ("100%\n", "warning\n", 3)
    assert await _execute(stage, "echo", "a b") == ("echo a b\n", "", 0)


async def test_a_claim_is_bound_and_grows_where_its_class_allows_it(stage: Stage) -> None:
    name = f"{stage.namespace}-fast"
    await stage.create(
        {"kind": "StorageClass", "metadata": {"name": name}, "provisioner": PROVISIONER, "allowVolumeExpansion": True}
    )
    spec = {"storageClassName": name, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await stage.create({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec})
    await stage.until("PersistentVolumeClaim", "data", lambda found: found["status"].get("phase") == "Bound")
    await stage.patch("PersistentVolumeClaim", "data", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}})
    await stage.until("PersistentVolumeClaim", "data", lambda found: found["status"]["capacity"] == {"storage": "2Gi"})


async def test_a_node_of_ones_own_takes_ones_own_pods_and_can_be_spoiled(stage: Stage) -> None:
    name, pod = await stage.node()
    await stage.workload("checkout", replicas=2, pod=pod)
    await stage.rolled_out("checkout")
    assert {one["spec"]["nodeName"] for one in await stage.pods("checkout")} == {name}
    await stage.patch("Node", name, {"metadata": {"annotations": {READY: "False"}}})
    await stage.until("Node", name, lambda found: not _has(found, "Ready"))


async def test_a_pod_that_is_stuck_goes_only_by_force(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1, annotations={STUCK_TERMINATING: "true"})
    await stage.rolled_out("checkout")
    (pod,) = await stage.pods("checkout")
    name = pod["metadata"]["name"]
    await stage.delete("Pod", name)
    await stage.rolled_out("checkout")
    assert "deletionTimestamp" in (await stage.get("Pod", name))["metadata"]
    await stage.delete("Pod", name, {"gracePeriodSeconds": 0})
    await stage.gone("Pod", name)


def _has(found: Object, condition: str) -> bool:
    conditions = found["status"].get("conditions", [])
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


async def _text(stage: Stage, path: str) -> object:
    return (await stage.request("GET", path))["message"]


async def _execute(stage: Stage, *command: str) -> tuple[str, str, int]:
    """What it wrote to either side, and its exit code."""
    (pod,) = await stage.pods("checkout")
    query = "&".join(f"command={quote(word)}" for word in command) + "&stdout=true&stderr=true&container=app"
    path = f"/api/v1/namespaces/{stage.namespace}/pods/{pod['metadata']['name']}/exec?{query}"
    said = {1: b"", 2: b"", 3: b""}
    async with stage.session.ws_connect(path, protocols=("v4.channel.k8s.io",)) as socket:
        async for message in socket:
            said[message.data[0]] += message.data[1:]
    outcome = json.loads(said[3])
    code = 0 if outcome["status"] == "Success" else int(outcome["details"]["causes"][0]["message"])
    return said[1].decode(), said[2].decode(), code


def _crash_loops(pod: Object) -> bool:
    statuses = pod["status"].get("containerStatuses", [])
    return any(one["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff" for one in statuses)


async def _evict(stage: Stage, pod: Object) -> None:
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": stage.namespace}}
    await stage.request("POST", f"/api/v1/namespaces/{stage.namespace}/pods/{name}/eviction", eviction)
