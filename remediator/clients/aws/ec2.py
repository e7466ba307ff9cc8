"""EC2 instances as their actions see them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import TargetNotFoundError
from remediator.targets import Target

SERVICE: Final = "ec2"
INSTANCE_ARN: Final = "arn:{partition}:ec2:{region}:{account}:instance/{name}"
READ_INSTANCE: Final = IamPermission("ec2:DescribeInstances")
READ_STATUS: Final = IamPermission("ec2:DescribeInstanceStatus")


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance's id is never used again."""

    id: str
    state: str
    tags: Mapping[str, str]

    @property
    def group(self) -> str | None:
        """The Auto Scaling group that it was made by."""
        return self.tags.get("aws:autoscaling:groupName")


@dataclass(frozen=True, slots=True)
class Checks:
    """EC2's own checks of one instance, of which each is passed once a minute."""

    state: str
    system: str
    instance: str

    @property
    def ok(self) -> bool:
        return (self.state, self.system, self.instance) == ("running", "ok", "ok")

    def __str__(self) -> str:
        return f"{self.state}, system check {self.system}, instance check {self.instance}"


async def read_instance(aws: AwsApi, instance_id: str) -> Instance:
    """The instance.

    Raises:
        TargetNotFoundError: there is none.
        FactsMissingError: it could not be read.
    """
    answer = await aws.read(SERVICE, "describe_instances", InstanceIds=[instance_id])
    for reservation in answer.get("Reservations", ()):
        for one in reservation.get("Instances", ()):
            if one["InstanceId"] == instance_id:
                tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in one.get("Tags", ())}
                return Instance(instance_id, str(one["State"]["Name"]), tags)
    raise TargetNotFoundError(f"there is no instance {instance_id} in {aws.region}")


async def exists(aws: AwsApi, target: Target) -> Instance:
    """Raises as ``read_instance`` does. For an hour after its end EC2 still shows an instance.

    Raises:
        TargetNotFoundError: it has ended, too.
    """
    instance = await read_instance(aws, target.name)
    if instance.state == "terminated":
        raise TargetNotFoundError(f"instance {instance.id} has been terminated")
    return instance


async def read_checks(aws: AwsApi, instance_id: str) -> Checks:
    """How the instance's checks stand, whatever state it is in.

    Raises:
        TargetNotFoundError: there is none.
        FactsMissingError: it could not be read.
    """
    answer = await aws.read(SERVICE, "describe_instance_status", InstanceIds=[instance_id], IncludeAllInstances=True)
    for one in answer.get("InstanceStatuses", ()):
        if one["InstanceId"] == instance_id:
            return Checks(
                str(one["InstanceState"]["Name"]),
                str(one["SystemStatus"]["Status"]),
                str(one["InstanceStatus"]["Status"]),
            )
    raise TargetNotFoundError(f"there is no instance {instance_id} in {aws.region}")
