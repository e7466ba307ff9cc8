"""Workloads as the API server shows them."""

from typing import Any

from remediator.clients.kubernetes.workload import Workload
from remediator.clients.kubernetes.workload_json import workload_from
from remediator.targets import Target
from tests.support.clock import T0


def document(
    status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **metadata: Any
) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "metadata": {
            "name": "checkout",
            "namespace": "shop",
            "uid": "u1",
            "resourceVersion": "7",
            "generation": 2,
            **metadata,
        },
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "checkout"}}, "template": template, **(spec or {})},
        "status": {"observedGeneration": 2, **(status or {})},
    }


def workload(
    kind: str = "deployment", status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **metadata: Any
) -> Workload:
    return workload_from(Target.kubernetes("prod", "shop", kind, "checkout"), document(status, spec, **metadata), T0)
