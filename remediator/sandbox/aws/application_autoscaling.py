"""Application Auto Scaling: who else sizes a service."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Service, paged


@dataclass
class Scalable:
    """One thing whose size it may change."""

    resource: str
    minimum: int
    maximum: int
    namespace: str = "ecs"
    dimension: str = "ecs:service:DesiredCount"
    suspended: dict[str, bool] = field(default_factory=dict)
    """Of DynamicScalingInSuspended, DynamicScalingOutSuspended, ScheduledScalingSuspended."""


class ApplicationAutoscaling(Service):
    """`targets` by resource id, `service/<cluster>/<name>`."""

    name: ClassVar[str] = "application-autoscaling"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.targets: dict[str, Scalable] = {}

    async def DescribeScalableTargets(self, call: Call) -> dict[str, Any]:
        ids, dimension = call.params.get("ResourceIds"), call.params.get("ScalableDimension")
        found = [
            {
                "ServiceNamespace": one.namespace,
                "ResourceId": one.resource,
                "ScalableDimension": one.dimension,
                "MinCapacity": one.minimum,
                "MaxCapacity": one.maximum,
                "RoleARN": f"arn:aws:iam::{self.account}:role/aws-service-role/ecs",
                "CreationTime": self.cloud.now(),
                "SuspendedState": one.suspended,
            }
            for one in self.targets.values()
            if one.namespace == call.params["ServiceNamespace"]
            and (not ids or one.resource in ids)
            and dimension in (None, one.dimension)
        ]
        page, token = paged(found, call.params, token="NextToken", limit="MaxResults", default=50)
        return {"ScalableTargets": page, "NextToken": token}
