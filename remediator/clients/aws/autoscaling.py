"""Auto Scaling groups as their actions see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import TargetNotFoundError
from remediator.targets import Target

SERVICE: Final = "autoscaling"
GROUP_ARN: Final = "arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{name}"
ANY_GROUP_ARN: Final = "arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/*"
READ_GROUP: Final = IamPermission("autoscaling:DescribeAutoScalingGroups")
READ_INSTANCE: Final = IamPermission("autoscaling:DescribeAutoScalingInstances")
READ_ACTIVITIES: Final = IamPermission("autoscaling:DescribeScalingActivities")
READ_POLICIES: Final = IamPermission("autoscaling:DescribePolicies")
_NEWEST = 100
_ENDED = frozenset({"Successful", "Failed", "Cancelled"})


@dataclass(frozen=True, slots=True)
class Member:
    """One instance of a group."""

    id: str
    state: str
    healthy: bool
    protected: bool

    @property
    def in_service(self) -> bool:
        return self.state == "InService" and self.healthy


@dataclass(frozen=True, slots=True)
class Group:
    """``arn`` holds an id of this very group: one that is made again under the name has another."""

    arn: str
    name: str
    minimum: int
    maximum: int
    desired: int
    members: tuple[Member, ...]
    suspended: frozenset[str]
    tags: Mapping[str, str]
    being_deleted: bool

    def member(self, instance_id: str) -> Member | None:
        return next((one for one in self.members if one.id == instance_id), None)

    @property
    def in_service(self) -> int:
        return sum(one.in_service for one in self.members)

    def __str__(self) -> str:
        return f"{self.name}: {self.in_service} in service of {self.desired} wanted ({self.minimum} to {self.maximum})"


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that Auto Scaling did, and in ``cause`` at whose wish."""

    id: str
    description: str
    cause: str
    status: str

    @property
    def under_way(self) -> bool:
        return self.status not in _ENDED


async def read_group(aws: AwsApi, name: str) -> Group:
    """The group of that name.

    Raises:
        TargetNotFoundError: there is none. AWS answers that with an empty list.
        FactsMissingError: it could not be read.
    """
    answer = await aws.read(SERVICE, "describe_auto_scaling_groups", AutoScalingGroupNames=[name])
    found = [one for one in answer.get("AutoScalingGroups", ()) if one["AutoScalingGroupName"] == name]
    if not found:
        raise TargetNotFoundError(f"there is no Auto Scaling group {name} in {aws.region}")
    return understood(f"{SERVICE}:DescribeAutoScalingGroups", lambda: _group(found[0]))


async def exists(aws: AwsApi, target: Target) -> Group:
    """Raises as ``read_group`` does."""
    return await read_group(aws, target.name)


async def group_of(aws: AwsApi, instance_id: str) -> str | None:
    """Name of the group that the instance is in; None for one that is in none (any more)."""
    answer = await aws.read(SERVICE, "describe_auto_scaling_instances", InstanceIds=[instance_id])
    found = [one for one in answer.get("AutoScalingInstances", ()) if one["InstanceId"] == instance_id]
    return str(found[0]["AutoScalingGroupName"]) if found else None


async def newest_activities(aws: AwsApi, name: str) -> tuple[Activity, ...]:
    """The newest hundred, newest first."""
    answer = await aws.read(SERVICE, "describe_scaling_activities", AutoScalingGroupName=name, MaxRecords=_NEWEST)
    return tuple(
        Activity(one["ActivityId"], str(one.get("Description", "")), str(one.get("Cause", "")), str(one["StatusCode"]))
        for one in answer.get("Activities", ())
    )


async def scaling_policies(aws: AwsApi, name: str) -> tuple[str, ...]:
    """Names of the policies that are switched on and may change the group's size."""
    answer = await aws.pages(SERVICE, "describe_policies", "ScalingPolicies", AutoScalingGroupName=name)
    return tuple(sorted(str(one["PolicyName"]) for one in answer if one.get("Enabled", True)))


def _group(raw: Mapping[str, Any]) -> Group:
    return Group(
        arn=str(raw["AutoScalingGroupARN"]),
        name=str(raw["AutoScalingGroupName"]),
        minimum=int(raw["MinSize"]),
        maximum=int(raw["MaxSize"]),
        desired=int(raw["DesiredCapacity"]),
        members=tuple(
            Member(
                id=str(one["InstanceId"]),
                state=str(one["LifecycleState"]),
                healthy=str(one["HealthStatus"]).lower() == "healthy",
                protected=bool(one.get("ProtectedFromScaleIn")),
            )
            for one in raw.get("Instances", ())
        ),
        suspended=frozenset(str(one["ProcessName"]) for one in raw.get("SuspendedProcesses", ())),
        tags={str(one["Key"]): str(one.get("Value", "")) for one in raw.get("Tags", ())},
        being_deleted=bool(raw.get("Status")),
    )
