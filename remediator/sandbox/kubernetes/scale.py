"""The scale subresource: a workload seen as an autoscaling/v1 Scale, and a Scale written back to it."""

from remediator.sandbox.kubernetes.admission import not_negative_replicas
from remediator.sandbox.kubernetes.resources import Object, Resource
from remediator.sandbox.kubernetes.selectors import selector_text


def as_scale(workload: Object) -> Object:
    """The Scale of a workload. Zero replicas are left out of `spec`, as Go's omitempty does on a real server."""
    metadata = workload["metadata"]
    shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = workload["spec"].get("replicas", 1)
    status: Object = {"replicas": workload.get("status", {}).get("replicas", 0)}
    if selector := selector_text(workload["spec"].get("selector") or {}):
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in shown if key in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def scaled(resource: Resource, workload: Object, scale: Object) -> Object:
    """The workload with the replicas of a Scale; raises 422 when they are negative."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    checked = not_negative_replicas(resource, workload["metadata"]["name"], replicas)
    return {**workload, "spec": {**workload["spec"], "replicas": checked}}
