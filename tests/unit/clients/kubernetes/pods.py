"""Pods and nodes for tests of what is decided about them."""

from typing import Any

from remediator.clients.kubernetes.node import Node, node_from
from remediator.clients.kubernetes.single_pod import SinglePod, single_pod_from


def pod(
    name: str = "checkout-1", *, namespace: str = "shop", node: str = "one", ready: bool = True, **spec: Any
) -> SinglePod:
    """A running pod of a ReplicaSet. `spec` overrides; `controller=None` leaves it bare."""
    controller, owner = spec.pop("controller", "ReplicaSet"), spec.pop("owner", "checkout")
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{namespace}-{name}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app": "checkout"},
        **spec.pop("metadata", {}),
    }
    if controller is not None:
        metadata["ownerReferences"] = [{"kind": controller, "name": owner, "uid": "uid-owner", "controller": True}]
    phase = spec.pop("phase", "Running")
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:05:00Z"}]
    document = {
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [{"name": "app"}], **spec},
        "status": {"phase": phase, "conditions": conditions},
    }
    return single_pod_from(document)


def node(name: str = "two", *, ready: bool = True, allocatable: dict[str, str] | None = None, **spec: Any) -> Node:
    """Ready, with room for a hundred pods. `labels` and `annotations` go where they belong."""
    labels, annotations = spec.pop("labels", {}), spec.pop("annotations", {})
    room = {"cpu": "4", "memory": "8Gi", "pods": "100"} if allocatable is None else allocatable
    return node_from(
        {
            "metadata": {
                "name": name,
                "uid": f"uid-{name}",
                "resourceVersion": "1",
                "labels": labels,
                "annotations": annotations,
            },
            "spec": spec,
            "status": {"allocatable": room, "conditions": [{"type": "Ready", "status": str(ready)}]},
        }
    )


def asking(cpu: str, memory: str = "0") -> list[dict[str, Any]]:
    """Containers that ask for that."""
    return [{"name": "app", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]
