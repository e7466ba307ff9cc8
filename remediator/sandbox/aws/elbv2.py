"""Elastic Load Balancing: load balancers that can be looked up by name."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service, paged


@dataclass
class LoadBalancer:
    name: str
    arn: str
    made_at: datetime
    zones: tuple[str, ...]
    type: str = "application"
    state: str = "active"


class Elbv2(Service):
    name: ClassVar[str] = "elbv2"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.load_balancers: dict[str, LoadBalancer] = {}

    def put(self, name: str, *, zones: int = 3, type: str = "application") -> LoadBalancer:
        """Make a load balancer that is active in so many zones."""
        kind = {"application": "app", "network": "net"}[type]
        region = self.cloud.region
        arn = f"arn:aws:elasticloadbalancing:{region}:{self.account}:loadbalancer/{kind}/{name}/{self.cloud.new_id()}"
        made = LoadBalancer(
            name, arn, self.cloud.now(), tuple(f"{region}{'abc'[index]}" for index in range(zones)), type
        )
        self.load_balancers[name] = made
        return made

    async def DescribeLoadBalancers(self, call: Call) -> dict[str, Any]:
        names = call.params.get("Names")
        if missing := [name for name in names or () if name not in self.load_balancers]:
            raise Refused("LoadBalancerNotFound", f"Load balancers '{missing}' not found")
        found = [one for one in self.load_balancers.values() if not names or one.name in names]
        page, marker = paged(found, call.params, token="Marker", limit="PageSize")
        shown = [
            {
                "LoadBalancerArn": one.arn,
                "LoadBalancerName": one.name,
                "DNSName": f"{one.name}.{self.cloud.region}.elb.amazonaws.com",
                "CreatedTime": one.made_at,
                "Scheme": "internet-facing",
                "State": {"Code": one.state},
                "Type": one.type,
                "AvailabilityZones": [{"ZoneName": zone} for zone in one.zones],
            }
            for one in page
        ]
        return {"LoadBalancers": shown, **({"NextMarker": marker} if marker else {})}
