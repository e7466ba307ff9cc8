"""Workload controllers and kubelets: what a cluster does by itself after a change."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.deployment_status import condition
from remediator.sandbox.kubernetes.resources import CONTROLLER_REVISIONS, PODS, REPLICA_SETS, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, deployed, restart, rolled_out

SHORT_DEADLINE = {"progressDeadlineSeconds": 2}
REVISION = "deployment.kubernetes.io/revision"


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    await server.start()
    yield server
    await server.stop()


def get(cluster: KubernetesApi, plural: str = "deployments", name: str = "checkout") -> Object:
    return cluster.get(plural, "shop", name)


def reason(cluster: KubernetesApi, kind: str, name: str = "checkout") -> str:
    found = condition(get(cluster, name=name).get("status", {}), kind)
    return str(found["reason"]) if found is not None else ""


def names(cluster: KubernetesApi) -> set[str]:
    return {pod["metadata"]["name"] for pod in cluster.store.all(PODS, "shop")}


async def restarted(apps: Untyped, cluster: KubernetesApi, value: str = "1", kind: str = "deployment") -> Any:
    return await getattr(apps, f"patch_namespaced_{kind}")("checkout", "shop", restart(value))


async def test_a_deployment_comes_up_with_pods_on_nodes(cluster: KubernetesApi) -> None:
    await deployed(cluster)
    assert get(cluster)["status"]["availableReplicas"] == 3
    assert reason(cluster, "Progressing") == "NewReplicaSetAvailable"
    assert reason(cluster, "Available") == "MinimumReplicasAvailable"
    found = workloads.pods_of(cluster, "deployments", "shop", "checkout")
    assert {pod["spec"]["nodeName"] for pod in found} == {"node-1", "node-2", "node-3"}
    assert all(pod["status"]["containerStatuses"][0]["ready"] for pod in found)
    assert get(cluster)["metadata"]["generation"] == 1


async def test_a_restart_replaces_every_pod_and_never_drops_below_what_must_be_available(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    await deployed(cluster)
    before = names(cluster)
    least: list[int] = []
    most: list[int] = []

    def watch(*_: object) -> None:
        status = get(cluster)["status"]
        least.append(status.get("availableReplicas", 0))
        most.append(status.get("replicas", 0))

    cluster.store.watch(watch)
    patched = await restarted(apps, cluster)
    # The trap for verifiers: the old rollout is complete, only observedGeneration tells.
    assert patched.status.observed_generation < patched.metadata.generation
    assert not workloads.is_rolled_out(cluster, "deployments", "shop", "checkout")
    await rolled_out(cluster)
    assert not names_of_active(cluster) & before
    assert min(least) >= 3
    assert max(most) <= 4
    assert get(cluster)["metadata"]["annotations"][REVISION] == "2"


def names_of_active(cluster: KubernetesApi) -> set[str]:
    found = workloads.pods_of(cluster, "deployments", "shop", "checkout")
    return {pod["metadata"]["name"] for pod in found}


async def test_a_paused_deployment_takes_the_patch_and_rolls_nothing(apps: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    await apps.patch_namespaced_deployment("checkout", "shop", {"spec": {"paused": True}})
    patched = await restarted(apps, cluster)
    await cluster.until(lambda: get(cluster)["status"]["observedGeneration"] == patched.metadata.generation)
    assert reason(cluster, "Progressing") == "DeploymentPaused"
    status = get(cluster)["status"]
    assert (status["availableReplicas"], status.get("updatedReplicas")) == (3, None)
    assert len(list(cluster.store.all(REPLICA_SETS, "shop"))) == 1
    await apps.patch_namespaced_deployment("checkout", "shop", {"spec": {"paused": None}})
    await rolled_out(cluster)
    assert len(list(cluster.store.all(REPLICA_SETS, "shop"))) == 2


async def test_a_rollout_whose_pods_never_get_ready_exceeds_its_deadline(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.health.set("deployments", "shop", "checkout", "healthy", on_restart="never-ready")
    await deployed(cluster, spec=SHORT_DEADLINE)
    await restarted(apps, cluster)
    await cluster.until(lambda: reason(cluster, "Progressing") == "ProgressDeadlineExceeded")
    status = get(cluster)["status"]
    assert (status["replicas"], status["updatedReplicas"], status["availableReplicas"]) == (4, 1, 3)
    progressing = condition(status, "Progressing")
    assert progressing is not None
    assert progressing["status"] == "False"


async def test_broken_old_pods_stay_while_the_new_one_is_not_available(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.health.set("deployments", "shop", "checkout", "crash-loop", on_restart="never-ready")
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout", spec=SHORT_DEADLINE))
    await cluster.until(lambda: workloads.is_crash_looping(cluster, "deployments", "shop", "checkout"))
    patched = await restarted(apps, cluster)

    def stuck() -> bool:
        seen = get(cluster)["status"]["observedGeneration"] == patched.metadata.generation
        return seen and reason(cluster, "Progressing") == "ProgressDeadlineExceeded"

    await cluster.until(stuck)
    status = get(cluster)["status"]
    assert (status["replicas"], status["updatedReplicas"], status["unavailableReplicas"]) == (4, 1, 4)
    assert reason(cluster, "Available") == "MinimumReplicasUnavailable"


async def test_undoing_to_the_old_template_finds_its_replica_set_and_numbers_it_anew(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    cluster.health.set("deployments", "shop", "checkout", "healthy", on_restart="never-ready")
    await deployed(cluster)
    await restarted(apps, cluster)
    await cluster.until(lambda: get(cluster)["status"].get("replicas") == 4)
    await restarted(apps, cluster, value=None)  # type: ignore[arg-type] # null takes the annotation away again
    await rolled_out(cluster)
    (old, new) = sorted(cluster.store.all(REPLICA_SETS, "shop"), key=lambda found: found["spec"]["replicas"])
    assert (old["spec"]["replicas"], new["spec"]["replicas"]) == (0, 3)
    assert new["metadata"]["annotations"][REVISION] == "3"


async def test_recreate_takes_all_down_before_anything_new(apps: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster, spec={"strategy": {"type": "Recreate"}})
    before = names(cluster)
    least: list[int] = []
    cluster.store.watch(lambda *_: least.append(len(names(cluster))))
    await restarted(apps, cluster)
    await cluster.until(lambda: names(cluster).isdisjoint(before) and bool(names(cluster)))
    assert min(least) == 0
    await rolled_out(cluster)


async def test_scaling_adds_and_removes_pods(apps: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    for replicas in (5, 1, 0):
        await apps.patch_namespaced_deployment_scale("checkout", "shop", {"spec": {"replicas": replicas}})
        await rolled_out(cluster)
        await cluster.until(lambda wanted=replicas: len(names(cluster)) == wanted)  # type: ignore[misc]


async def test_a_deleted_pod_is_replaced(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    victim = min(names(cluster))
    await core.delete_namespaced_pod(victim, "shop")
    await cluster.until(lambda: victim not in names(cluster) and len(names(cluster)) == 3)
    await rolled_out(cluster)


async def test_a_crash_loop_counts_restarts_and_a_restart_of_the_workload_cures_it(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    await deployed(cluster)
    cluster.health.set("deployments", "shop", "checkout", "crash-until-restart")

    def restarts() -> int:
        return max(pods.restart_count(pod) for pod in workloads.pods_of(cluster, "deployments", "shop", "checkout"))

    version = get(cluster)["metadata"]["resourceVersion"]
    await cluster.until(lambda: restarts() >= 2)
    pod = workloads.pods_of(cluster, "deployments", "shop", "checkout")[0]
    container = pod["status"]["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 1
    await cluster.until(lambda: not get(cluster)["status"].get("availableReplicas"))
    assert get(cluster)["metadata"]["resourceVersion"] != version
    # A crash loop is no rollout under way: the rollout before it stays complete.
    assert reason(cluster, "Progressing") == "NewReplicaSetAvailable"
    await restarted(apps, cluster)
    await rolled_out(cluster)
    assert not workloads.is_crash_looping(cluster, "deployments", "shop", "checkout")


async def test_a_crash_loop_that_a_restart_does_not_cure_goes_on_after_it(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    cluster.health.set("deployments", "shop", "checkout", "crash-loop")
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    await cluster.until(lambda: workloads.is_crash_looping(cluster, "deployments", "shop", "checkout"))
    await restarted(apps, cluster)
    await cluster.until(lambda: get(cluster)["status"].get("updatedReplicas", 0) > 0)
    new = [
        pod
        for pod in workloads.pods_of(cluster, "deployments", "shop", "checkout")
        if "kubectl.kubernetes.io/restartedAt" in pod["metadata"]["annotations"]
    ]
    await cluster.until(
        lambda: all(pods.waiting_reasons(cluster.get("pods", "shop", pod["metadata"]["name"])) for pod in new)
    )


@pytest.mark.parametrize(
    ("behaviour", "shows"),
    [("image-error", "ImagePullBackOff"), ("crash-loop", "CrashLoopBackOff")],
)
async def test_annotations_of_the_template_script_the_pods(cluster: KubernetesApi, behaviour: str, shows: str) -> None:
    annotations = {"sandbox.remediator.dev/behaviour": behaviour}
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout", pod_annotations=annotations))
    await cluster.until(
        lambda: any(
            shows in pods.waiting_reasons(pod) for pod in workloads.pods_of(cluster, "deployments", "shop", "checkout")
        )
    )


async def test_crash_until_restart_by_annotation_is_cured_by_a_restart(apps: Untyped, cluster: KubernetesApi) -> None:
    annotations = {"sandbox.remediator.dev/behaviour": "crash-until-restart"}
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout", pod_annotations=annotations))
    await cluster.until(lambda: workloads.is_crash_looping(cluster, "deployments", "shop", "checkout"))
    await restarted(apps, cluster)
    await rolled_out(cluster)


def test_an_unknown_behaviour_is_refused(cluster: KubernetesApi) -> None:
    with pytest.raises(ValueError, match="unknown behaviour 'sleepy'; use one of"):
        cluster.health.set("deployments", "shop", "checkout", "sleepy")


async def test_without_a_node_pods_stay_pending(apps: Untyped, core: Untyped, cluster: KubernetesApi) -> None:
    for number in (1, 2, 3):
        await core.patch_node(f"node-{number}", {"spec": {"unschedulable": True}})
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout", replicas=1))
    await cluster.until(lambda: any(pod["status"].get("conditions") for pod in cluster.store.all(PODS, "shop")))
    (pod,) = cluster.store.all(PODS, "shop")
    assert pod["status"]["conditions"][0]["reason"] == "Unschedulable"
    await core.patch_node("node-1", {"spec": {"unschedulable": False}})
    await rolled_out(cluster)


async def test_a_stateful_set_updates_from_the_highest_ordinal_down(apps: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster, plural="statefulsets")
    assert names(cluster) == {"checkout-0", "checkout-1", "checkout-2"}
    order: list[str] = []

    def watch(resource: object, obj: Object, gone: bool) -> None:
        if resource is PODS and gone:
            order.append(obj["metadata"]["name"])

    cluster.store.watch(watch)
    await restarted(apps, cluster, kind="stateful_set")
    await cluster.until(lambda: len(order) == 3)
    await rolled_out(cluster, plural="statefulsets")
    assert order == ["checkout-2", "checkout-1", "checkout-0"]
    await cluster.until(lambda: _same_revision(get(cluster, "statefulsets")))
    assert len(list(cluster.store.all(CONTROLLER_REVISIONS, "shop"))) == 2


def _same_revision(stateful_set: Object) -> bool:
    status = stateful_set["status"]
    return bool(status["currentRevision"] == status["updateRevision"])


async def test_a_partition_leaves_the_lower_ordinals_alone(apps: Untyped, cluster: KubernetesApi) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    await deployed(cluster, plural="statefulsets", spec={"updateStrategy": strategy})
    await restarted(apps, cluster, kind="stateful_set")
    await cluster.until(lambda: get(cluster, "statefulsets")["status"].get("updatedReplicas") == 1)
    await rolled_out(cluster, plural="statefulsets")
    updated = {
        pod["metadata"]["name"]
        for pod in cluster.store.all(PODS, "shop")
        if "kubectl.kubernetes.io/restartedAt" in pod["metadata"]["annotations"]
    }
    assert updated == {"checkout-2"}
    assert not _same_revision(get(cluster, "statefulsets"))


async def test_on_delete_waits_for_somebody_to_delete_the_pods(
    apps: Untyped, core: Untyped, cluster: KubernetesApi
) -> None:
    await deployed(cluster, plural="statefulsets", spec={"updateStrategy": {"type": "OnDelete"}})
    uids = {pod["metadata"]["uid"] for pod in cluster.store.all(PODS, "shop")}
    patched = await restarted(apps, cluster, kind="stateful_set")
    await cluster.until(
        lambda: get(cluster, "statefulsets")["status"]["observedGeneration"] == patched.metadata.generation
    )
    assert {pod["metadata"]["uid"] for pod in cluster.store.all(PODS, "shop")} == uids
    await core.delete_namespaced_pod("checkout-1", "shop")
    await cluster.until(lambda: get(cluster, "statefulsets")["status"].get("updatedReplicas") == 1)


async def test_an_ordered_stateful_set_stays_stuck_on_a_broken_pod_until_it_is_deleted(
    apps: Untyped, core: Untyped, cluster: KubernetesApi
) -> None:
    cluster.health.set("statefulsets", "shop", "checkout", "healthy", on_restart="never-ready")
    await deployed(cluster, plural="statefulsets")
    await restarted(apps, cluster, kind="stateful_set")

    def broken() -> bool:
        try:
            pod = cluster.get("pods", "shop", "checkout-2")
        except KeyError:
            return False
        return pod["status"]["phase"] == "Running" and not pods.is_ready(pod) and not pods.is_terminating(pod)

    await cluster.until(broken)
    back = await restarted(apps, cluster, value=None, kind="stateful_set")  # type: ignore[arg-type]
    await cluster.until(
        lambda: get(cluster, "statefulsets")["status"]["observedGeneration"] == back.metadata.generation
    )
    assert broken()
    await core.delete_namespaced_pod("checkout-2", "shop")
    await rolled_out(cluster, plural="statefulsets")


async def test_a_daemon_set_has_a_pod_on_every_node_and_replaces_them_on_restart(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    await deployed(cluster, plural="daemonsets")
    before = names(cluster)
    assert len(before) == 3
    await restarted(apps, cluster, kind="daemon_set")
    await rolled_out(cluster, plural="daemonsets")
    assert names(cluster).isdisjoint(before)
    cluster.add_node("node-4")
    await cluster.until(lambda: get(cluster, "daemonsets")["status"].get("numberAvailable") == 4)


async def test_old_replica_sets_are_kept_up_to_the_history_limit(apps: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster, spec={"revisionHistoryLimit": 1})
    for value in ("1", "2", "3"):
        await restarted(apps, cluster, value)
        await rolled_out(cluster)
    await cluster.until(lambda: len(list(cluster.store.all(REPLICA_SETS, "shop"))) == 2)


async def test_min_ready_seconds_delay_availability(cluster: KubernetesApi) -> None:
    await deployed(cluster, replicas=1, spec={"minReadySeconds": 2})
    (pod,) = cluster.store.all(PODS, "shop")
    assert cluster.controllers.kubelet.ready_for_s(pod) >= 2
