"""Managed node groups of EKS as their actions see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.targets import Target

SERVICE: Final = "eks"
NODEGROUP_ARN: Final = "arn:{partition}:eks:{region}:{account}:nodegroup/{within}/{name}/*"
READ_NODEGROUP: Final = IamPermission("eks:DescribeNodegroup", NODEGROUP_ARN)
_UPDATES_ARN: Final = "arn:{partition}:eks:{region}:{account}:*/{within}*"
"""Updates are asked for of a node group, and allowed by its cluster's ARN or by its own."""
READ_UPDATES: Final = (
    IamPermission("eks:ListUpdates", _UPDATES_ARN),
    IamPermission("eks:DescribeUpdate", _UPDATES_ARN),
)
_SIZES = {"MinSize": "minimum", "MaxSize": "maximum", "DesiredSize": "desired"}


@dataclass(frozen=True, slots=True)
class Nodegroup:
    """``arn`` holds an id of this very group: one that is made again under the name has another."""

    arn: str
    cluster: str
    name: str
    status: str
    minimum: int
    maximum: int
    desired: int
    tags: Mapping[str, str]
    issues: tuple[str, ...]
    """What EKS itself finds wrong with it, such as subnets without free addresses."""

    def __str__(self) -> str:
        return f"node group {self.cluster}/{self.name} wants {self.desired} nodes ({self.minimum} to {self.maximum})"


@dataclass(frozen=True, slots=True)
class Update:
    """One change of a node group that was asked for."""

    id: str
    status: str
    sizes: Mapping[str, int]
    """Which of minimum, maximum and desired it set, and to what."""
    errors: tuple[str, ...]


async def read_nodegroup(aws: AwsApi, cluster: str, name: str) -> Nodegroup:
    """The node group.

    Raises:
        TargetNotFoundError: there is none, or no such cluster.
        FactsMissingError: it could not be read.
    """
    answer = await aws.read(SERVICE, "describe_nodegroup", clusterName=cluster, nodegroupName=name)
    return understood(f"{SERVICE}:DescribeNodegroup", lambda: _nodegroup(answer["nodegroup"]))


async def exists(aws: AwsApi, target: Target) -> Nodegroup:
    """Raises as ``read_nodegroup`` does."""
    return await read_nodegroup(aws, target.within, target.name)


def _nodegroup(raw: Mapping[str, Any]) -> Nodegroup:
    sizes = raw["scalingConfig"]
    return Nodegroup(
        arn=str(raw["nodegroupArn"]),
        cluster=str(raw["clusterName"]),
        name=str(raw["nodegroupName"]),
        status=str(raw["status"]),
        minimum=int(sizes["minSize"]),
        maximum=int(sizes["maxSize"]),
        desired=int(sizes["desiredSize"]),
        tags={str(key): str(value) for key, value in (raw.get("tags") or {}).items()},
        issues=tuple(
            f"{one.get('code', '')}: {one.get('message', '')}"[:300]
            for one in (raw.get("health") or {}).get("issues", ())
        ),
    )


async def update_ids(aws: AwsApi, nodegroup: Nodegroup) -> tuple[str, ...]:
    """Ids of all changes of this node group that EKS still knows, in no order."""
    return tuple(
        str(one)
        for one in await aws.pages(
            SERVICE, "list_updates", "updateIds", name=nodegroup.cluster, nodegroupName=nodegroup.name
        )
    )


async def read_update(aws: AwsApi, nodegroup: Nodegroup, update_id: str) -> Update:
    """One change."""
    answer = await aws.read(
        SERVICE, "describe_update", name=nodegroup.cluster, nodegroupName=nodegroup.name, updateId=update_id
    )
    return understood(f"{SERVICE}:DescribeUpdate", lambda: _update(answer["update"]))


def _update(raw: Mapping[str, Any]) -> Update:
    return Update(
        id=str(raw["id"]),
        status=str(raw["status"]),
        sizes={
            _SIZES[one["type"]]: int(one["value"])
            for one in raw.get("params", ())
            if one["type"] in _SIZES and str(one["value"]).isdigit()
        },
        errors=tuple(
            f"{one.get('errorCode', '')}: {one.get('errorMessage', '')}"[:300] for one in raw.get("errors", ())
        ),
    )
