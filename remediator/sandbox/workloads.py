"""Workload manifests to seed a cluster with, and questions about how a workload fares."""

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.resources import PODS, Object
from remediator.sandbox.kubernetes.selectors import matches_selector
from remediator.sandbox.kubernetes.server import KubernetesApi

KINDS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}


def manifest(
    plural: str,
    namespace: str,
    name: str,
    *,
    replicas: int = 3,
    image: str | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    pod_annotations: dict[str, str] | None = None,
    spec: Object | None = None,
) -> Object:
    """A workload with one container; `spec` overrides or adds keys of its spec."""
    selector = {"app": name}
    container = {"name": name, "image": image or f"registry.example.net/{namespace}/{name}:1.0"}
    made: Object = {
        "selector": {"matchLabels": selector},
        "template": {
            "metadata": {"labels": {**selector, **(labels or {})}, "annotations": dict(pod_annotations or {})},
            "spec": {"containers": [container]},
        },
    }
    if plural != "daemonsets":
        made["replicas"] = replicas
    if plural == "statefulsets":
        made["serviceName"] = name
    metadata = {"name": name, "namespace": namespace, "labels": {**selector, **(labels or {})}}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"metadata": metadata, "spec": {**made, **(spec or {})}}


def pods_of(cluster: KubernetesApi, plural: str, namespace: str, name: str) -> list[Object]:
    """The pods that the workload's selector takes and that are not going away."""
    selector = cluster.get(plural, namespace, name)["spec"]["selector"]
    return [
        pod
        for pod in cluster.store.all(PODS, namespace)
        if not pods.is_terminating(pod) and matches_selector(selector, pod["metadata"].get("labels") or {})
    ]


def is_crash_looping(cluster: KubernetesApi, plural: str, namespace: str, name: str) -> bool:
    """Whether a pod of the workload waits in CrashLoopBackOff."""
    return any("CrashLoopBackOff" in pods.waiting_reasons(pod) for pod in pods_of(cluster, plural, namespace, name))


def is_short_of_replicas(cluster: KubernetesApi, plural: str, namespace: str, name: str) -> bool:
    """Whether fewer pods are available than wanted."""
    found = cluster.get(plural, namespace, name)
    status = found.get("status", {})
    if plural == "daemonsets":
        return bool(status.get("numberAvailable", 0) < status.get("desiredNumberScheduled", 1))
    return bool(status.get("availableReplicas", 0) < found["spec"]["replicas"])


def is_rolled_out(cluster: KubernetesApi, plural: str, namespace: str, name: str) -> bool:
    """Whether `kubectl rollout status` would say that the rollout is done."""
    found = cluster.get(plural, namespace, name)
    status, spec = found.get("status", {}), found["spec"]
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        return False
    if plural == "daemonsets":
        wanted = status.get("desiredNumberScheduled", 0)
        counts = (status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0))
        return bool(min(counts) >= wanted)
    if plural == "statefulsets":
        partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition", 0)
        ready, updated = status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
        return bool(ready >= spec["replicas"] and updated >= spec["replicas"] - partition)
    updated = status.get("updatedReplicas", 0)
    all_new = updated >= spec["replicas"] and status.get("replicas", 0) <= updated
    return bool(all_new and status.get("availableReplicas", 0) >= updated)
