"""The groups that a target is in (S17): its namespace, its labels, the nodes and zones that its pods run on.

What a limit over a group counts: how many targets of one zone, of one team, on one node were changed of late.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.names import RESOURCES, permission_on
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.workload_json import selector_of
from remediator.clients.permissions import Permission, read_workload
from remediator.targets import WORKLOAD_KINDS, Target

_ZONE = "topology.kubernetes.io/zone"
_WITH_PODS = (*WORKLOAD_KINDS, "pod", "namespace", "persistentvolumeclaim", "horizontalpodautoscaler")


@dataclass(frozen=True, slots=True)
class TargetGroups:
    """As the cluster has it now."""

    namespace: str
    """Empty for a node."""
    labels: Mapping[str, str]
    """Of the target itself."""
    nodes: frozenset[str]
    """Empty where no pod of it runs, and for what has no pods of its own."""
    zones: frozenset[str]
    """Of these nodes, as far as they say."""


class Groups(Part):
    """Of one cluster."""

    async def of(self, target: Target) -> TargetGroups:
        """All groups of one target. Raises TargetNotFoundError or FactsMissingError: half of them would be too few to count by."""
        document = await self.document(target)
        nodes = await self._nodes(target, document)
        zones = {self._zone(await self.document(Target.kubernetes(self._cluster, "", "node", node))) for node in nodes}
        labels = understood(target, lambda: dict(document["metadata"].get("labels") or {}))
        return TargetGroups(target.namespace, labels, frozenset(nodes), frozenset(zones) - {""})

    async def _nodes(self, target: Target, document: Mapping[str, Any]) -> set[str]:
        if target.kind == "node":
            return {target.name}
        if target.kind == "pod":
            return _nodes_of([document])
        if target.kind == "namespace":
            return _nodes_of(await self._list("pod", target.name))
        if target.workload is None:
            return set()
        workload = document if target.workload == target else await self.document(target.workload)
        selector = understood(target, lambda: selector_of(workload["spec"]["selector"]))
        return _nodes_of(await self._list("pod", target.namespace, {"labelSelector": selector}))

    @staticmethod
    def _zone(node: Mapping[str, Any]) -> str:
        return str((node["metadata"].get("labels") or {}).get(_ZONE) or "")


def permissions_for_groups(kind: str) -> tuple[Permission, ...]:
    """What ``Groups.of`` asks for a target of this kind."""
    itself = permission_on(Target.kubernetes("c", "n", kind, "x"), "get")
    node = RESOURCES["node"].permission("get", everywhere=True)
    if kind not in _WITH_PODS:
        return (itself, node) if kind == "node" else (itself,)
    pods = () if kind == "pod" else (RESOURCES["pod"].permission("list"),)
    owners = {"persistentvolumeclaim": ("statefulset",), "horizontalpodautoscaler": WORKLOAD_KINDS}.get(kind, ())
    return (itself, *pods, node, *(one for owner in owners for one in read_workload(owner)))


def _nodes_of(pods: list[Any] | list[Mapping[str, Any]]) -> set[str]:
    return understood("pods", lambda: {str(pod["spec"].get("nodeName") or "") for pod in pods} - {""})
