"""``room_elsewhere``: have other nodes room, for the pods of this node, or for more pods of this workload?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.room import without_room
from remediator.clients.kubernetes.single_pod import SinglePod
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """``pods`` counts for a workload only; a node's pods are those that a drain would move."""

    pods: int = Field(1, ge=1, le=100, description="so many more pods like the workload's present ones")


class RoomElsewhere:
    """By requests, taints, selectors and required node affinities: see room.py for what it cannot know."""

    name: ClassVar[str] = "room_elsewhere"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        lists = tuple(RESOURCES[one].permission("list", everywhere=True) for one in ("node", "pod"))
        return lists if kind == "node" else (*lists, *read_workloads(kind))

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        try:
            nodes = await world.kubernetes.nodes.all()
            everywhere = await world.kubernetes.single_pods.everywhere()
            if target.kind == "node":
                if all(node.name != target.name for node in nodes):  # a name that nobody bears has no pods either
                    return Look(Answer.UNKNOWN, f"there is no node {target.name}")
                nodes = tuple(node for node in nodes if node.name != target.name)
                wanted = [pod for pod in everywhere if pod.node == target.name and not (pod.stays or pod.terminating)]
            else:
                wanted = await _more(world, target, params.pods)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if target.kind != "node" and not wanted:
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} has no pods to judge by")
        refused = without_room(wanted, nodes, everywhere)
        if refused:
            pod, why = next(iter(refused.items()))
            return Look(Answer.NO, f"{len(refused)} of {len(wanted)} pods find no room: {pod}: {why}")
        return Look(Answer.YES, f"room for all {len(wanted)} pods")


async def _more(world: World, target: Target, count: int) -> list[SinglePod]:
    """A pod of the workload, so many times."""
    if target.workload is None:
        return []
    workload = await world.kubernetes.workloads.read(target.workload)
    if not workload.selector:
        return []
    pods = await world.kubernetes.single_pods.selected(target.namespace, workload.selector)
    like = next((pod for pod in pods if not pod.terminating), None)
    return [] if like is None else [like] * count
