"""Evidence on the emulator and on the real API server: what is kept of a sick workload, and what never is."""

from typing import Any

import pytest

from remediator.actions.base import ActionContext
from remediator.actions.evidence import collect as collecting
from remediator.actions.evidence.base import Piece
from remediator.actions.evidence.collect import collect, permissions
from remediator.actions.evidence.steps import LookAtLogs
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError, TransientError
from remediator.targets import Target
from tests.controlplane.words import LOGS, PREVIOUS_LOGS
from tests.support.cluster import CLUSTER, Object, Stage
from tests.support.cron_jobs import cron_job, ended

INTENT = "int_00000000000000000000000001"
ALL = {"pod_status", "node_conditions", "kubernetes_events", "kubernetes_logs", "kubernetes_top"}


async def gathered(
    stage: Stage, target: Target | None = None, *, without: str = "", **named: dict[str, Any]
) -> dict[str, Piece]:
    """By kind, read by a client that holds exactly what is declared."""
    at = target or stage.target("checkout")
    needed = [one for one in permissions(at.kind, named) if one.resource != without]
    client = await stage.client(needed)
    found = {piece.kind: piece for piece in await collect(client, at, named)}
    declared = {(one.resource, one.verb) for one in needed}
    asked = {_resource(one.path) for one in await stage.audit()}
    if not without:
        assert asked <= {resource for resource, _ in declared}, "asked for more than is declared"
    assert not [one for one in await stage.audit() if one.writes]
    return found


def _resource(path: str) -> str:
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    rest = rest[2:] if rest[0] == "namespaces" and len(rest) > 2 else rest
    return f"{rest[0]}/{rest[2]}" if len(rest) > 2 else rest[0]


def _crashed(pod: Object) -> bool:
    return any(one.get("restartCount", 0) > 0 for one in pod.get("status", {}).get("containerStatuses", ()))


async def crash_looping(stage: Stage, **annotations: str) -> None:
    await stage.workload("checkout", replicas=1, behaviour="crash-loop", annotations=annotations)
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("replicas") == 1)
    (pod,) = await stage.pods("checkout")
    await stage.until("Pod", pod["metadata"]["name"], _crashed, what="restarted")


async def test_of_a_crash_loop_its_last_end_and_both_logs_are_kept(stage: Stage) -> None:
    await crash_looping(stage, **{PREVIOUS_LOGS: "starting\nfatal: no config\n"})
    found = await gathered(stage)
    assert found.keys() == ALL
    status = found["pod_status"].text
    assert "not ready" in status
    assert "restarts; before: " in status
    assert "exit code" in status
    logs = found["kubernetes_logs"].text
    assert "app, before its last restart\n" in logs
    assert "fatal: no config" in logs
    assert "Ready=True" in found["node_conditions"].text


async def test_events_of_the_target_its_pods_and_what_is_between_them_are_kept(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    found = await gathered(stage)
    told = found["kubernetes_events"].text.splitlines()
    assert any("ScalingReplicaSet Deployment checkout" in line for line in told), told
    assert any("SuccessfulCreate ReplicaSet checkout-" in line for line in told), told
    assert told == sorted(told, key=lambda line: line[:20])


async def test_secrets_and_control_characters_never_stay(stage: Stage) -> None:
    leaked = (
        "start\npassword=hunter2\nAuthorization: Bearer abc.def.ghi\n\x1b[31mred\x00\npostgres://a:s3cr3t@db/x\nend\n"
    )
    await stage.workload("checkout", replicas=1, annotations={LOGS: leaked})
    await stage.rolled_out("checkout")
    text = (await gathered(stage))["kubernetes_logs"].text
    assert "start" in text
    assert "end" in text
    for secret in ("hunter2", "abc.def.ghi", "s3cr3t", "\x1b", "\x00"):
        assert secret not in text


async def test_a_long_log_is_cut_at_its_beginning_and_says_so(stage: Stage) -> None:
    long = "".join(f"line {number} {'x' * 200}\n" for number in range(400))
    await stage.workload("checkout", replicas=1, annotations={LOGS: long})
    await stage.rolled_out("checkout")
    text = (await gathered(stage, kubernetes_logs={"lines": 1000}))["kubernetes_logs"].text
    assert len(text) < 40_000
    assert "[cut: the last" in text
    assert "line 399 " in text
    assert "line 5 " not in text


async def test_as_many_lines_as_the_playbook_says(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1, annotations={LOGS: "one\ntwo\nthree\n"})
    await stage.rolled_out("checkout")
    text = (await gathered(stage, kubernetes_logs={"lines": 2, "previous": False}))["kubernetes_logs"].text
    assert "three" in text
    assert "one" not in text


async def test_only_a_few_pods_are_looked_at_and_the_sick_ones_first(stage: Stage) -> None:
    await stage.workload("checkout", replicas=12)
    await stage.rolled_out("checkout", within_s=40)
    sick = (await stage.pods("checkout"))[-1]["metadata"]["name"]
    told = {"metadata": {"annotations": {"sandbox.remediator.dev/behaviour": "never-ready"}}}
    if stage.is_real:
        await stage.patch("Pod", sick, told)
        await stage.until("Pod", sick, lambda pod: not _is_ready(pod))
    found = await gathered(stage)
    lines = found["pod_status"].text.splitlines()
    assert lines[-1].startswith("and 2 pods more")
    if stage.is_real:
        assert lines[0].startswith(sick)
    assert found["kubernetes_logs"].text.count("== ") <= 3


def _is_ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", ()))


@pytest.mark.parametrize(
    ("resource", "kind"),
    [("pods/log", "kubernetes_logs"), ("events", "kubernetes_events"), ("nodes", "node_conditions")],
)
async def test_what_must_not_be_read_is_told_and_the_rest_is_kept(stage: Stage, resource: str, kind: str) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    found = await gathered(stage, without=resource)
    assert not found[kind].read
    assert "missing permission" in found[kind].text
    assert all(piece.read for name, piece in found.items() if name != kind)


async def test_without_its_pods_the_evidence_says_so(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    found = await gathered(stage, without="pods")
    assert not found["pod_status"].read
    assert "missing permission: list on pods" in found["pod_status"].text
    assert "ScalingReplicaSet" in found["kubernetes_events"].text


async def test_a_target_that_is_gone_is_told_as_that(stage: Stage) -> None:
    found = await gathered(stage)
    assert found["pod_status"].text.startswith("its pods could not be read")


async def test_of_a_node_its_conditions_its_pods_and_its_events_are_kept(stage: Stage) -> None:
    name, place = await stage.node()
    await stage.workload("checkout", replicas=1, pod=place)
    await stage.rolled_out("checkout")
    found = await gathered(stage, Target.kubernetes(CLUSTER, "", "node", name))
    assert found.keys() == {"pod_status", "node_conditions", "kubernetes_events"}
    assert "Ready=True" in found["node_conditions"].text
    assert "checkout-" in found["pod_status"].text


async def test_a_cluster_without_metrics_is_told_as_that(real_stage: Stage) -> None:
    await real_stage.workload("checkout", replicas=1)
    await real_stage.rolled_out("checkout")
    top = (await gathered(real_stage))["kubernetes_top"]
    assert top.text == "the cluster has no metrics API (metrics.k8s.io)"


async def test_what_pods_use_is_kept_where_it_is_measured(emulated_stage: Stage) -> None:
    await emulated_stage.workload("checkout", replicas=1)
    await emulated_stage.rolled_out("checkout")
    (pod,) = await emulated_stage.pods("checkout")
    usage = [{"name": "app", "usage": {"cpu": "12m", "memory": "64Mi"}}]
    body = {"metadata": {"name": pod["metadata"]["name"]}, "timestamp": "2026-11-25T00:00:00Z", "containers": usage}
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{emulated_stage.namespace}/pods"
    await emulated_stage.request("POST", path, body)
    top = (await gathered(emulated_stage))["kubernetes_top"]
    assert top.text == f"{pod['metadata']['name']}: app: cpu 12m, memory 64Mi"


async def test_what_takes_too_long_is_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    monkeypatch.setattr(collecting, "WITHIN_S", 0.0)
    found = await gathered(stage)
    assert {piece.read for piece in found.values()} == {False}
    assert "within 0 s" in found["pod_status"].text


async def test_a_look_that_read_nothing_is_tried_again(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    action = LookAtLogs()
    params = action.params()
    less = [one for one in action.permissions("deployment", params) if one.resource != "pods/log"]
    client: KubernetesClient = await stage.client(less)
    plan = await action.plan(ActionContext(client), stage.target("checkout"), params)
    with pytest.raises(TransientError, match=r"missing permission: get on pods/log"):
        await action.apply(ActionContext(client), plan, INTENT)


async def test_no_error_of_the_cluster_stops_the_run(emulated_stage: Stage) -> None:
    """A client that can do nothing at all still gives an answer of every kind."""
    client = await emulated_stage.client([Permission("", "secrets", "list")])
    found = await collect(client, emulated_stage.target("checkout"), {})
    assert {piece.kind for piece in found} == ALL
    assert not any(piece.read for piece in found)
    with pytest.raises(FactsMissingError):
        await client.pod_states.of(emulated_stage.target("checkout"))


async def test_the_pods_of_what_belongs_to_a_workload_are_the_workloads(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.workload("other", replicas=1)
    await stage.rolled_out("checkout")
    await stage.rolled_out("other")
    owner = stage.target("checkout")
    for kind in ("horizontalpodautoscaler", "persistentvolumeclaim"):
        found = await gathered(stage, Target.kubernetes(CLUSTER, stage.namespace, kind, "any", owner))
        assert [line.split("-")[0] for line in found["pod_status"].text.splitlines()[::2]] == ["checkout"]
    nobodys = await gathered(stage, Target.kubernetes(CLUSTER, stage.namespace, "persistentvolumeclaim", "any"))
    assert "has no pods" in nobodys["pod_status"].text


async def test_of_a_namespace_its_pods_are_named_and_their_logs_left_alone(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1, annotations={LOGS: "not for everybody\n"})
    await stage.rolled_out("checkout")
    found = await gathered(stage, Target.kubernetes(CLUSTER, "", "namespace", stage.namespace))
    assert found.keys() == {"pod_status", "kubernetes_events", "kubernetes_top"}
    assert found["pod_status"].text.startswith("checkout-")


async def test_the_pods_of_a_cronjob_are_those_of_its_jobs(stage: Stage) -> None:
    made = await cron_job(stage, behaviour="fail")
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "backup", "uid": made["metadata"]["uid"]}
    job = {"metadata": {"name": "backup-1", "ownerReferences": [owner]}, "spec": made["spec"]["jobTemplate"]["spec"]}
    await stage.create({"kind": "Job", **job})
    assert await ended(stage, "backup-1") == "Failed"
    found = await gathered(stage, stage.target("backup", "cronjob"))
    assert "backup-1-" in found["pod_status"].text
    assert "Failed" in found["pod_status"].text
    assert "exit code" in found["pod_status"].text
