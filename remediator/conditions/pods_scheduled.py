"""``pods_scheduled``: has every pod found a node?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.single_pod import SinglePod
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import WORKLOAD_KINDS, Target

_NAMED = 3
_BELONG = (*WORKLOAD_KINDS, "pod", "persistentvolumeclaim", "horizontalpodautoscaler")


class Params(ConditionParams):
    """Nothing to choose."""


class PodsScheduled:
    """Of the target's workload; of a namespace all pods; of anything else, such as a node group, all of the cluster."""

    name: ClassVar[str] = "pods_scheduled"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        pods = RESOURCES["pod"]
        if kind in _BELONG:
            return (pods.permission("list"), *read_workloads(kind))
        return (pods.permission("list", everywhere=kind != "namespace"),)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        try:
            pods = await _pods(world, target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if not pods:
            return Look(Answer.UNKNOWN, "there are no pods to look at")
        waiting = sorted(pod.short for pod in pods if not (pod.node or pod.terminating or pod.ended))
        more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
        told = f"{len(waiting)} of {len(pods)} pods have no node: {', '.join(waiting[:_NAMED])}{more}"
        return Look(Answer.of(not waiting), told if waiting else f"all {len(pods)} pods have a node")


async def _pods(world: World, target: Target) -> tuple[SinglePod, ...]:
    if target.kind in _BELONG:
        if target.workload is None:
            raise FactsMissingError(f"{target.kind} {target.short} belongs to no workload")
        workload = await world.kubernetes.workloads.read(target.workload)
        if not workload.selector:
            raise FactsMissingError(f"{workload.target} has no selector, so its pods cannot be told")
        return await world.kubernetes.single_pods.selected(target.namespace, workload.selector)
    if target.kind == "namespace":
        return await world.kubernetes.single_pods.selected(target.namespace)
    return await world.kubernetes.single_pods.everywhere()
