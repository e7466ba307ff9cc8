"""Pods: those of a workload, and what a single one is."""

from collections.abc import Mapping
from typing import Any

from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.workload import Pod, Workload
from remediator.clients.kubernetes.workload_json import controller_of, owned_by, pod_from
from remediator.errors import FactsMissingError


class Pods(Part):
    """Of one cluster."""

    async def of(self, workload: Workload) -> tuple[Pod, ...]:
        """Its pods, old and new, also those that are going. A pod that matches its selector but is another's is left out."""
        if not workload.selector:
            raise FactsMissingError(f"{workload.target} has no selector, so its pods cannot be told")
        found = await self._list("pod", workload.target.namespace, {"labelSelector": workload.selector})
        return understood(
            workload.target, lambda: tuple(pod_from(document) for document in found if _is_pod_of(workload, document))
        )


def _is_pod_of(workload: Workload, document: Mapping[str, Any]) -> bool:
    if owned_by(workload, document):
        return True
    template = (document["metadata"].get("labels") or {}).get("pod-template-hash")
    owner = controller_of(document)
    return (
        workload.kind == "deployment"
        and owner.get("kind") == "ReplicaSet"
        and owner.get("name") == f"{workload.target.name}-{template}"
    )
