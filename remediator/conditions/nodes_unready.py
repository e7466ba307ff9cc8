"""``nodes_unready``: are no more than so many of the cluster's nodes not ready?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target

_NAMED = 5


class Params(ConditionParams):
    """Cordoned nodes are ready; they do not count."""

    at_most: int = Field(ge=0, le=1000, description="so many may be not ready")


class NodesUnready:
    """More than that is a sign of something that no work on one node will help."""

    name: ClassVar[str] = "nodes_unready"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (RESOURCES["node"].permission("list", everywhere=True),)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target, known
        try:
            nodes = await world.kubernetes.nodes.all()
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        if not nodes:
            return Look(Answer.UNKNOWN, "the cluster lists no nodes")
        unready = sorted(node.name for node in nodes if not node.ready)
        named = f": {', '.join(unready[:_NAMED])}" if unready else ""
        return Look(Answer.of(len(unready) <= params.at_most), f"{len(unready)} of {len(nodes)} nodes not ready{named}")
