"""HorizontalPodAutoscalers: which of them decides a workload's size."""

from collections.abc import Mapping
from typing import Any

from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.workload import Autoscaler, Workload
from remediator.clients.kubernetes.workload_json import autoscaler_from
from remediator.targets import Target


class Autoscalers(Part):
    """Of one cluster."""

    async def of(self, workload: Workload) -> tuple[Autoscaler, ...]:
        """Those (KEDA's too) that decide its size."""
        found = await self._list("horizontalpodautoscaler", workload.target.namespace)
        return understood(
            workload.target,
            lambda: tuple(autoscaler_from(item) for item in found if scales(item, workload.target)),
        )


def scales(document: Mapping[str, Any], target: Target) -> bool:
    """Is this autoscaler aimed at the workload?"""
    return aim_of(document) == ("apps", target.kind, target.name)


def aim_of(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """Group, kind and name of what an autoscaler or a ScaledObject scales. KEDA takes a Deployment where no kind is said."""
    aimed = document["spec"]["scaleTargetRef"]
    group = str(aimed.get("apiVersion") or "apps/v1").partition("/")[0]
    return group, str(aimed.get("kind") or "Deployment").lower(), str(aimed["name"])
