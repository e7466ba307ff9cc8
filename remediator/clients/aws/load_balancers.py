"""Load balancers of the application and network kind, by name."""

from dataclasses import dataclass
from datetime import datetime

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import TargetNotFoundError
from remediator.targets import Target

READ_LOAD_BALANCERS = (IamPermission("elasticloadbalancing:DescribeLoadBalancers"),)


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """One load balancer; its ARN has a random part, so one that is made again has another."""

    arn: str
    name: str
    type: str
    state: str
    zones: tuple[str, ...]
    """By name, such as ``eu-west-1a``."""
    made_at: datetime | None


async def load_balancer(api: AwsApi, target: Target) -> LoadBalancer:
    """Read one.

    Raises:
        TargetNotFoundError: there is none of this name.
        FactsMissingError: it could not be read.
    """
    answer = await api.read("elbv2", "describe_load_balancers", Names=[target.name])
    found = next((one for one in answer.get("LoadBalancers", ()) if one["LoadBalancerName"] == target.name), None)
    if found is None:
        raise TargetNotFoundError(f"there is no load balancer {target.name}")
    return LoadBalancer(
        arn=str(found["LoadBalancerArn"]),
        name=target.name,
        type=str(found.get("Type", "")),
        state=str(found.get("State", {}).get("Code", "")),
        zones=tuple(str(zone["ZoneName"]) for zone in found.get("AvailabilityZones", ())),
        made_at=found.get("CreatedTime"),
    )


async def exists(api: AwsApi, target: Target) -> None:
    """For the target's finder: raises TargetNotFoundError where there is none of this name."""
    await load_balancer(api, target)
