"""``node_empty``: does nothing run on the node that a drain would have moved?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class NodeEmpty:
    """Pods of DaemonSets, mirror pods and pods that have ended do not count; pods that are going do."""

    name: ClassVar[str] = "node_empty"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        node = RESOURCES["node"].permission("get", everywhere=True)
        return (node, RESOURCES["pod"].permission("list", everywhere=True)) if kind == "node" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != "node":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no node")
        try:
            await world.kubernetes.nodes.read(target)  # a name that nobody bears has no pods either
            pods = await world.kubernetes.single_pods.on_node(target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        left = [pod for pod in pods if not pod.stays]
        return Look(Answer.of(not left), f"{len(left)} pods left on node {target.name}")
