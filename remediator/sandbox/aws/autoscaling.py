"""EC2 Auto Scaling: groups that start and end instances until they have as many as they want, and tell why."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service, paged

_NOTICED_S = 5.0
_STARTS_IN_S = 40.0
_ENDS_IN_S = 60.0


@dataclass
class Member:
    """One instance of a group."""

    id: str
    state: str = "InService"
    health: str = "Healthy"
    protected: bool = False


@dataclass
class Activity:
    """One thing that the group did."""

    id: str
    description: str
    cause: str
    begun_at: datetime
    status: str = "InProgress"
    ended_at: datetime | None = None


@dataclass
class Group:
    """One group; tests may set every field. `watchers` are told of each instance that comes into service (True) or is gone (False)."""

    name: str
    arn: str
    region: str
    minimum: int
    maximum: int
    desired: int
    tags: dict[str, str] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    suspended: set[str] = field(default_factory=set)
    policies: list[str] = field(default_factory=list)
    status: str = ""
    sized: int = 0
    """How often its number was set from outside."""
    why: str = ""
    """Of the last change of its number, for the causes of what follows."""
    watchers: list[Callable[[str, bool], None]] = field(default_factory=list)

    def member(self, instance: str) -> Member | None:
        return next((one for one in self.members if one.id == instance), None)

    @property
    def staying(self) -> list[Member]:
        return [one for one in self.members if not one.state.startswith("Terminat")]


class Autoscaling(Service):
    """`groups` by name."""

    name: ClassVar[str] = "autoscaling"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.groups: dict[str, Group] = {}

    def add(
        self,
        name: str,
        *,
        minimum: int = 1,
        maximum: int = 5,
        desired: int = 2,
        tags: Mapping[str, str] | None = None,
        region: str | None = None,
    ) -> Group:
        """A group whose instances all run."""
        where = region or self.cloud.region
        arn = (
            f"arn:aws:autoscaling:{where}:{self.account}:autoScalingGroup:"
            f"{self.cloud.new_id('b0c1-')}:autoScalingGroupName/{name}"
        )
        group = Group(name, arn, where, minimum, maximum, desired, tags=dict(tags or {}))
        group.members = [Member(self._instance(group)) for _ in range(desired)]
        self.groups[name] = group
        return group

    # Operations.

    async def DescribeAutoScalingGroups(self, call: Call) -> dict[str, Any]:
        names = call.params.get("AutoScalingGroupNames") or []
        found = [one for one in self._here(call) if not names or one.name in names]
        page, token = paged(found, call.params, token="NextToken", limit="MaxRecords", default=50)
        return {"AutoScalingGroups": [self._shown(one) for one in page], "NextToken": token}

    async def DescribeAutoScalingInstances(self, call: Call) -> dict[str, Any]:
        ids = call.params.get("InstanceIds") or []
        found = [
            {**_member(one, group), "AutoScalingGroupName": group.name}
            for group in self._here(call)
            for one in group.members
            if not ids or one.id in ids
        ]
        for one in found:  # here, unlike within a group, health is written in capitals
            one["HealthStatus"] = str(one["HealthStatus"]).upper()
        page, token = paged(found, call.params, token="NextToken", limit="MaxRecords", default=50)
        return {"AutoScalingInstances": page, "NextToken": token}

    async def DescribeScalingActivities(self, call: Call) -> dict[str, Any]:
        name = call.params.get("AutoScalingGroupName")
        found = [
            _activity(one, group)
            for group in self._here(call)
            if name in (None, group.name)
            for one in reversed(group.activities)
        ]
        page, token = paged(found, call.params, token="NextToken", limit="MaxRecords", default=100)
        return {"Activities": page, "NextToken": token}

    async def DescribePolicies(self, call: Call) -> dict[str, Any]:
        name = call.params.get("AutoScalingGroupName")
        found = [
            {
                "PolicyName": policy,
                "AutoScalingGroupName": group.name,
                "PolicyType": "TargetTrackingScaling",
                "Enabled": True,
            }
            for group in self._here(call)
            if name in (None, group.name)
            for policy in group.policies
        ]
        page, token = paged(found, call.params, token="NextToken", limit="MaxRecords", default=50)
        return {"ScalingPolicies": page, "NextToken": token}

    async def SetDesiredCapacity(self, call: Call) -> dict[str, Any]:
        group, wanted = self._group(call), int(call.params["DesiredCapacity"])
        for bound, beyond, word in (
            (group.maximum, wanted > group.maximum, "above max"),
            (group.minimum, wanted < group.minimum, "below min"),
        ):
            if beyond:
                raise Refused(
                    "ValidationError",
                    f"New SetDesiredCapacity value {wanted} is {word} value {bound} for the AutoScalingGroup.",
                    400,
                )
        group.sized += 1
        self.size(
            group,
            wanted,
            f"a user request explicitly set group desired capacity changing the desired capacity from {group.desired} to {wanted}.",
        )
        return {}

    async def TerminateInstanceInAutoScalingGroup(self, call: Call) -> dict[str, Any]:
        instance = call.params["InstanceId"]
        group = next((one for one in self._here(call) if one.member(instance) is not None), None)
        member = None if group is None else group.member(instance)
        if group is None or member is None:
            raise Refused(
                "ValidationError",
                f"Instance Id not found - No managed instance found for instance ID: {instance}",
                400,
            )
        if call.params["ShouldDecrementDesiredCapacity"]:
            if group.desired - 1 < group.minimum:
                raise Refused(
                    "ValidationError",
                    "Currently, desiredSize equals minSize. Terminating instance without replacement "
                    "will violate group's min size constraint.",
                    400,
                )
            group.desired -= 1
        if member.state.startswith("Terminat"):
            activity = next(one for one in reversed(group.activities) if instance in one.description)
        else:
            activity = self._end(
                group, member, f"instance {instance} was taken out of service in response to a user request."
            )
        self.cloud.after(_NOTICED_S, lambda: self._converge(group))
        return {"Activity": _activity(activity, group)}

    # What it does by itself.

    def size(self, group: Group, wanted: int, why: str) -> None:
        """Set the number, as whoever may do that."""
        group.desired, group.why = wanted, f"At {_stamp(self.cloud.now())} {why}"
        self.cloud.after(_NOTICED_S, lambda: self._converge(group))

    def _converge(self, group: Group) -> None:
        missing = group.desired - len(group.staying)
        if missing > 0 and "Launch" not in group.suspended:
            for _ in range(missing):
                self._start(group)
        if missing < 0 and "Terminate" not in group.suspended:
            for member in group.staying[missing:]:
                self._end(
                    group,
                    member,
                    f"{group.why.removeprefix('At ')} At {_stamp(self.cloud.now())} instance {member.id} was selected for termination.",
                )

    def _start(self, group: Group) -> None:
        now, have = self.cloud.now(), len(group.staying)
        member = Member(self._instance(group), state="Pending")
        group.members.append(member)
        activity = Activity(
            id=self.cloud.new_id("act-"),
            description=f"Launching a new EC2 instance: {member.id}",
            cause=f"{group.why}{'  ' if group.why else ''}At {_stamp(now)} an instance was started in response to a difference between "
            f"desired and actual capacity, increasing the capacity from {have} to {have + 1}.",
            begun_at=now,
        )
        group.activities.append(activity)

        def runs() -> None:
            if member in group.members and member.state == "Pending":
                member.state = "InService"
                self._ended(activity)
                for told in group.watchers:
                    told(member.id, True)

        self.cloud.after(_STARTS_IN_S, runs)

    def _end(self, group: Group, member: Member, why: str) -> Activity:
        now = self.cloud.now()
        member.state = "Terminating"
        activity = Activity(
            id=self.cloud.new_id("act-"),
            description=f"Terminating EC2 instance: {member.id}",
            cause=f"At {_stamp(now)} {why}",
            begun_at=now,
        )
        group.activities.append(activity)

        def gone() -> None:
            if member in group.members:
                group.members.remove(member)
                self._ec2.instances[member.id].state = "terminated"
                self._ended(activity)
                for told in group.watchers:
                    told(member.id, False)

        self.cloud.after(_ENDS_IN_S, gone)
        return activity

    def _ended(self, activity: Activity) -> None:
        activity.status, activity.ended_at = "Successful", self.cloud.now()

    def _instance(self, group: Group) -> str:
        made = self.cloud.new_id("i-0a1b2c3d4").ljust(19, "0")[:19]
        self._ec2.add(made, region=group.region, tags={**group.tags, "aws:autoscaling:groupName": group.name})
        return made

    @property
    def _ec2(self) -> Any:
        return self.cloud.in_account(self.account).ec2

    def _here(self, call: Call) -> list[Group]:
        return [one for one in self.groups.values() if one.region == call.region]

    def _group(self, call: Call) -> Group:
        for one in self._here(call):
            if one.name == call.params["AutoScalingGroupName"]:
                return one
        raise Refused("ValidationError", "AutoScalingGroup name not found - AutoScalingGroup not found", 400)

    def _shown(self, group: Group) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "AutoScalingGroupName": group.name,
            "AutoScalingGroupARN": group.arn,
            "MinSize": group.minimum,
            "MaxSize": group.maximum,
            "DesiredCapacity": group.desired,
            "DefaultCooldown": 300,
            "AvailabilityZones": [f"{group.region}a"],
            "HealthCheckType": "EC2",
            "CreatedTime": self.cloud.now(),
            "Instances": [_member(one, group) for one in group.members],
            "SuspendedProcesses": [{"ProcessName": one} for one in sorted(group.suspended)],
            "Tags": [
                {
                    "Key": key,
                    "Value": value,
                    "ResourceId": group.name,
                    "ResourceType": "auto-scaling-group",
                    "PropagateAtLaunch": True,
                }
                for key, value in sorted(group.tags.items())
            ],
        }
        return shown | ({"Status": group.status} if group.status else {})


def _member(one: Member, group: Group) -> dict[str, Any]:
    return {
        "InstanceId": one.id,
        "AvailabilityZone": f"{group.region}a",
        "LifecycleState": one.state,
        "HealthStatus": one.health,
        "ProtectedFromScaleIn": one.protected,
    }


def _activity(one: Activity, group: Group) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ActivityId": one.id,
        "AutoScalingGroupName": group.name,
        "Description": one.description,
        "Cause": one.cause,
        "StartTime": one.begun_at,
        "StatusCode": one.status,
        "Progress": 100 if one.ended_at else 50,
    }
    return shown | ({"EndTime": one.ended_at} if one.ended_at else {})


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
