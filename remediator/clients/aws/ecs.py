"""Services of ECS as their actions see them, and who else scales them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import TargetNotFoundError
from remediator.targets import Target

SERVICE: Final = "ecs"
SERVICE_ARN: Final = "arn:{partition}:ecs:{region}:{account}:service/{within}/{name}"
READ_SERVICE: Final = IamPermission("ecs:DescribeServices", SERVICE_ARN)
WRITE_SERVICE: Final = IamPermission("ecs:UpdateService", SERVICE_ARN, writes=True)
READ_SCALING: Final = IamPermission("application-autoscaling:DescribeScalableTargets")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One rollout of a service. Only the ``PRIMARY`` one is to stay."""

    id: str
    status: str
    task_definition: str
    rollout: str
    reason: str
    desired: int
    running: int
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class EcsService:
    """``uid``: a service that is made again under the name has another time of making."""

    uid: str
    cluster: str
    name: str
    status: str
    desired: int
    running: int
    controller: str
    daemon: bool
    task_definition: str
    minimum_healthy: int
    circuit_breaker: bool
    deployments: tuple[Deployment, ...]
    events: tuple[tuple[str, str], ...]
    """Id and message of the newest hundred, newest first."""
    tags: Mapping[str, str]

    @property
    def primary(self) -> Deployment | None:
        return next((one for one in self.deployments if one.status == "PRIMARY"), None)

    @property
    def under_way(self) -> str | None:
        """Why its deployment is not over yet; None when it is, well or not."""
        if len(self.deployments) > 1:
            return f"{len(self.deployments)} deployments at a time"
        primary = self.primary
        if primary is None:
            return "it has no primary deployment"
        return primary.reason or "in progress" if primary.rollout == "IN_PROGRESS" else None

    @property
    def steady(self) -> bool:
        primary = self.primary
        return (
            self.status == "ACTIVE"
            and len(self.deployments) == 1
            and primary is not None
            and primary.rollout == "COMPLETED"
            and self.running == self.desired
        )

    def __str__(self) -> str:
        primary = self.primary
        rollout = "without deployment" if primary is None else primary.rollout
        return f"service {self.cluster}/{self.name}: {self.running} of {self.desired} tasks run, deployment {rollout}"


async def read_service(aws: AwsApi, cluster: str, name: str) -> EcsService:
    """The service, with its deployments and newest events.

    Raises:
        TargetNotFoundError: there is none, or no such cluster. AWS answers the former among ``failures``.
        FactsMissingError: it could not be read.
    """
    answer = await aws.read(SERVICE, "describe_services", cluster=cluster, services=[name], include=["TAGS"])
    found = [one for one in answer.get("services", ()) if one["serviceName"] == name]
    if not found:
        raise TargetNotFoundError(f"there is no ECS service {cluster}/{name} in {aws.region}")
    return understood(f"{SERVICE}:DescribeServices", lambda: _service(cluster, found[0]))


async def exists(aws: AwsApi, target: Target) -> EcsService:
    """Raises as ``read_service`` does."""
    return await read_service(aws, target.within, target.name)


async def scalers_of(aws: AwsApi, cluster: str, name: str) -> tuple[str, ...]:
    """What Application Auto Scaling may do to the service's size, in words. What is wholly suspended there counts for nothing."""
    answer = await aws.pages(
        "application-autoscaling",
        "describe_scalable_targets",
        "ScalableTargets",
        ServiceNamespace="ecs",
        ResourceIds=[f"service/{cluster}/{name}"],
        ScalableDimension="ecs:service:DesiredCount",
    )
    return tuple(
        f"Application Auto Scaling ({one['MinCapacity']} to {one['MaxCapacity']})"
        for one in answer
        if not _all_suspended(one.get("SuspendedState") or {})
    )


def _all_suspended(state: Mapping[str, bool]) -> bool:
    names = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    return all(state.get(name) for name in names)


def _service(cluster: str, raw: Mapping[str, Any]) -> EcsService:
    rules = raw.get("deploymentConfiguration") or {}
    breaker = rules.get("deploymentCircuitBreaker") or {}
    made = raw.get("createdAt")
    return EcsService(
        uid=f"{raw['serviceArn']}@{made.isoformat() if made is not None else ''}",
        cluster=cluster,
        name=str(raw["serviceName"]),
        status=str(raw["status"]),
        desired=int(raw["desiredCount"]),
        running=int(raw["runningCount"]),
        controller=str((raw.get("deploymentController") or {}).get("type", "ECS")),
        daemon=raw.get("schedulingStrategy") == "DAEMON",
        task_definition=str(raw.get("taskDefinition", "")),
        minimum_healthy=int(rules.get("minimumHealthyPercent", 100)),
        circuit_breaker=bool(breaker.get("enable")),
        deployments=tuple(
            Deployment(
                id=str(one["id"]),
                status=str(one["status"]),
                task_definition=str(one["taskDefinition"]),
                # Services of the classic kind say none; their counts tell.
                rollout=str(one.get("rolloutState") or _by_counts(one)),
                reason=str(one.get("rolloutStateReason", ""))[:300],
                desired=int(one["desiredCount"]),
                running=int(one["runningCount"]),
                updated_at=one.get("updatedAt"),
            )
            for one in raw.get("deployments", ())
        ),
        events=tuple((str(one["id"]), str(one["message"])[:300]) for one in raw.get("events", ())),
        tags={str(one["key"]): str(one.get("value", "")) for one in raw.get("tags", ())},
    )


def _by_counts(raw: Mapping[str, Any]) -> str:
    return "COMPLETED" if raw["runningCount"] == raw["desiredCount"] else "IN_PROGRESS"
