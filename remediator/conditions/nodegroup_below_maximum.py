"""``nodegroup_below_maximum``: may the EKS node group still have more nodes?"""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from remediator.answers import Answer
from remediator.clients.aws.eks import READ_NODEGROUP, read_nodegroup
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target

_KIND = "eks-nodegroup"
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]


class Params(ConditionParams):
    """For a target that is no node group itself, such as an autoscaler: which node group takes its pods. Only looked at."""

    eks_cluster: Name | None = Field(None, description="name of the EKS cluster; for a target that is no node group")
    nodegroup: Name | None = Field(None, description="name of the node group; for a target that is no node group")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.eks_cluster is None) != (self.nodegroup is None):
            raise ValueError("eks_cluster and nodegroup are given together or not at all")
        return self


class NodegroupBelowMaximum:
    """By what the group is told to have, not by what has joined: a node that is on its way counts."""

    name: ClassVar[str] = "nodegroup_below_maximum"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind
        if params.nodegroup is None:
            return (READ_NODEGROUP,)
        named = f"nodegroup/{params.eks_cluster}/{params.nodegroup}/*"
        return (IamPermission(READ_NODEGROUP.action, f"arn:{{partition}}:eks:{{region}}:{{account}}:{named}"),)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        cluster, name = params.eks_cluster, params.nodegroup
        if target.kind == _KIND:
            cluster, name = target.within, target.name
        if cluster is None or name is None:
            return Look(Answer.UNKNOWN, f"{target.kind} {target.name} is no node group, and none is named for it")
        try:
            found = await read_nodegroup(world.aws, cluster, name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        return Look(Answer.of(found.desired < found.maximum), f"{found}, {found.status}")
