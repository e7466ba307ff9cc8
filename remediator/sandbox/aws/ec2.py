"""EC2: instances that run, are rebooted and end, and EC2's own checks of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service, paged

_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
_CHECKS_NOTICE_S = 20.0
_BOOTED_S = 90.0


@dataclass
class Instance:
    """One instance; tests may set every field."""

    id: str
    region: str
    state: str = "running"
    tags: dict[str, str] = field(default_factory=dict)
    system: str = "ok"
    instance: str = "ok"
    reboots: int = 0


class Ec2(Service):
    """`instances` by id. A reboot changes no state; the checks notice it after a while, as they do there."""

    name: ClassVar[str] = "ec2"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.instances: dict[str, Instance] = {}

    def add(self, instance_id: str, *, region: str | None = None, tags: Mapping[str, str] | None = None) -> Instance:
        """An instance that runs."""
        made = Instance(instance_id, region or self.cloud.region, tags=dict(tags or {}))
        self.instances[instance_id] = made
        return made

    async def DescribeInstances(self, call: Call) -> dict[str, Any]:
        found = self._asked_for(call)
        page, token = paged(found, call.params, token="NextToken", limit="MaxResults", default=1000)
        return {
            "Reservations": [{"ReservationId": f"r-{one.id[2:]}", "Instances": [self._shown(one)]} for one in page],
            "NextToken": token,
        }

    async def DescribeInstanceStatus(self, call: Call) -> dict[str, Any]:
        found = [
            one for one in self._asked_for(call) if call.params.get("IncludeAllInstances") or one.state == "running"
        ]
        page, token = paged(found, call.params, token="NextToken", limit="MaxResults", default=1000)
        return {
            "InstanceStatuses": [
                {
                    "InstanceId": one.id,
                    "AvailabilityZone": f"{one.region}a",
                    "InstanceState": {"Code": _CODES[one.state], "Name": one.state},
                    "SystemStatus": {"Status": one.system if one.state == "running" else "not-applicable"},
                    "InstanceStatus": {"Status": one.instance if one.state == "running" else "not-applicable"},
                }
                for one in page
            ],
            "NextToken": token,
        }

    async def RebootInstances(self, call: Call) -> dict[str, Any]:
        found = self._asked_for(call)
        for one in found:
            if one.state != "running":
                raise Refused(
                    "IncorrectState", f"The instance '{one.id}' is not in a state from which it can be rebooted.", 400
                )
        for one in found:
            self._reboot(one)
        return {}

    def _reboot(self, one: Instance) -> None:
        one.reboots += 1
        this = one.reboots

        def noticed() -> None:
            if one.reboots == this:
                one.instance = "initializing"

        def booted() -> None:
            if one.reboots == this:
                one.instance = "ok"

        self.cloud.after(_CHECKS_NOTICE_S, noticed)
        self.cloud.after(_BOOTED_S, booted)

    def _asked_for(self, call: Call) -> list[Instance]:
        ids = call.params.get("InstanceIds") or []
        here = {one.id: one for one in self.instances.values() if one.region == call.region}
        missing = [one for one in ids if one not in here]
        if missing:
            raise Refused("InvalidInstanceID.NotFound", f"The instance ID '{missing[0]}' does not exist", 400)
        return [here[one] for one in ids] if ids else list(here.values())

    def _shown(self, one: Instance) -> dict[str, Any]:
        return {
            "InstanceId": one.id,
            "InstanceType": "m7g.large",
            "State": {"Code": _CODES[one.state], "Name": one.state},
            "Placement": {"AvailabilityZone": f"{one.region}a"},
            "Tags": [{"Key": key, "Value": value} for key, value in sorted(one.tags.items())],
        }
