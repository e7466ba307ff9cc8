"""Aurora global databases: one cluster that writes, and its copies in other regions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.rds import SERVICE
from remediator.clients.permissions import IamPermission
from remediator.errors import TargetNotFoundError
from remediator.targets import Target

_ARN: Final = "arn:{partition}:rds::{account}:global-cluster:{name}"
_MEMBERS: Final = "arn:{partition}:rds:*:{account}:cluster:*"
READ_GLOBAL: Final = IamPermission("rds:DescribeGlobalClusters", _ARN)


def permissions_to_move(operation: str) -> tuple[IamPermission, ...]:
    """What ``SwitchoverGlobalCluster`` or ``FailoverGlobalCluster`` needs: the global database and both clusters."""
    return (
        IamPermission(f"rds:{operation}", _ARN, writes=True),
        IamPermission(f"rds:{operation}", _MEMBERS, writes=True),
    )


@dataclass(frozen=True, slots=True)
class GlobalMember:
    """One cluster of it."""

    arn: str
    writes: bool
    connected: bool | None
    """Does RDS say that it is in step with the one that writes? None where it does not say."""

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def name(self) -> str:
        return self.arn.split(":")[6]


@dataclass(frozen=True, slots=True)
class GlobalCluster:
    """One read of one global database."""

    name: str
    resource_id: str
    status: str
    moving_to: str
    """ARN of the cluster that it is going over to now; empty while it goes nowhere."""
    members: tuple[GlobalMember, ...]
    """By ARN."""

    @property
    def writer(self) -> GlobalMember | None:
        return next((one for one in self.members if one.writes), None)

    def __str__(self) -> str:
        writer = self.writer
        moving = f", going over to {self.moving_to}" if self.moving_to else ""
        return (
            f"global database {self.name}: {self.status}, writes in {writer.region if writer else 'no region'}{moving}"
        )


async def read_global(api: AwsApi, name: str) -> GlobalCluster:
    """Raises TargetNotFoundError or FactsMissingError."""
    answer = await api.read(SERVICE, "describe_global_clusters", GlobalClusterIdentifier=name)
    found = understood(f"global database {name}", lambda: [_global(one) for one in answer["GlobalClusters"]])
    if not found:
        raise TargetNotFoundError(f"there is no global database {name} in {api.region}")
    return found[0]


async def exists(api: AwsApi, target: Target) -> None:
    """Raises TargetNotFoundError or FactsMissingError."""
    await read_global(api, target.name)


def _global(found: Mapping[str, Any]) -> GlobalCluster:
    members = [
        GlobalMember(
            arn=_checked(str(one["DBClusterArn"])),
            writes=bool(one.get("IsWriter")),
            connected=one["SynchronizationStatus"] == "connected" if one.get("SynchronizationStatus") else None,
        )
        for one in found.get("GlobalClusterMembers") or ()
    ]
    return GlobalCluster(
        name=str(found["GlobalClusterIdentifier"]),
        resource_id=str(found["GlobalClusterResourceId"]),
        status=str(found["Status"]),
        moving_to=str((found.get("FailoverState") or {}).get("ToDbClusterArn") or ""),
        members=tuple(sorted(members, key=lambda one: one.arn)),
    )


def _checked(arn: str) -> str:
    if len(arn.split(":")) != 7:
        raise ValueError(f"{arn[:100]!r} is no ARN of a cluster")
    return arn
