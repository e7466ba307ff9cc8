"""ElastiCache replication groups: who is the primary, how far behind the replicas are, and what happened lately."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.cloudwatch import READ_METRICS, Datapoint, Metric, newest_of
from remediator.clients.permissions import IamPermission
from remediator.targets import Target

_GROUP = "arn:{partition}:elasticache:{region}:{account}:replicationgroup:{name}"
_CLUSTERS = "arn:{partition}:elasticache:{region}:{account}:cluster:*"

READ_GROUP = (IamPermission("elasticache:DescribeReplicationGroups", _GROUP),)
READ_EVENTS = (IamPermission("elasticache:DescribeEvents"),)
READ_LAG = READ_METRICS
FAIL_OVER = (
    IamPermission("elasticache:TestFailover", _GROUP, writes=True),
    IamPermission("elasticache:TestFailover", _CLUSTERS, writes=True),
)
"""The call is authorized on the group and on its clusters, whose names the service chooses."""

_CALLED = re.compile(r"test failover api called for node group\s+(?P<group>\S+?)\.?", re.IGNORECASE)
Lag = Datapoint | None
"""None: CloudWatch has no value of the last minutes."""

_LAG_WITHIN = timedelta(minutes=5)
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Member:
    """One node of a node group. ``role`` is empty when cluster mode is on: it is not told then."""

    cluster: str
    node: str
    role: str
    zone: str


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """One shard."""

    id: str
    status: str
    members: tuple[Member, ...]

    @property
    def primary(self) -> Member | None:
        """None when the service does not tell, or tells of several."""
        found = [member for member in self.members if member.role == "primary"]
        return found[0] if len(found) == 1 else None

    @property
    def replicas(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.role == "replica")


@dataclass(frozen=True, slots=True)
class ReplicationGroup:
    """As the service shows it."""

    name: str
    uid: str
    """Its ARN and when it was made: one that is made again under the name is another."""
    status: str
    automatic_failover: str
    node_groups: tuple[NodeGroup, ...]
    clustered: bool

    def node_group(self, wanted: str | None) -> NodeGroup | None:
        """The one of this id; without an id the only one. None where there is no such one, or several."""
        found = [one for one in self.node_groups if wanted in (None, one.id)]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class CacheEvent:
    """What the service wrote down. ``failover_of``: the node group for which a failover was called, or nothing."""

    group: str
    at: datetime
    message: str

    @property
    def failover_of(self) -> str | None:
        called = _CALLED.fullmatch(self.message.strip())
        return called["group"] if called else None


async def replication_group(api: AwsApi, target: Target) -> ReplicationGroup:
    """Read one.

    Raises:
        TargetNotFoundError: there is no such group.
        FactsMissingError: it could not be read.
    """
    answer = await api.read("elasticache", "describe_replication_groups", ReplicationGroupId=target.name)
    return _group(answer["ReplicationGroups"][0])


async def exists(api: AwsApi, target: Target) -> None:
    """For the target's finder: raises TargetNotFoundError where there is no such group."""
    await replication_group(api, target)


async def lags(api: AwsApi, group: NodeGroup) -> Mapping[str, Lag]:
    """How many seconds each replica is behind, by its cluster's name; None where CloudWatch has no value of the last minutes."""
    metrics = [
        Metric("AWS/ElastiCache", "ReplicationLag", {"CacheClusterId": one.cluster, "CacheNodeId": one.node})
        for one in group.replicas
    ]
    found = await newest_of(api, metrics, _LAG_WITHIN)
    return {member.cluster: point for member, point in zip(group.replicas, found, strict=True)}


async def failovers_called(api: AwsApi, *, since: datetime | None = None, group: str | None = None) -> list[CacheEvent]:
    """Calls of TestFailover, oldest first: of this group or of the whole account and region, since then or in the last day.

    Raises:
        FactsMissingError: the events could not be read.
    """
    about = {} if group is None else {"SourceIdentifier": group}
    answer = await api.pages(
        "elasticache",
        "describe_events",
        "Events",
        SourceType="replication-group",
        StartTime=since or api.now() - _A_DAY,
        EndTime=api.now(),
        **about,
    )
    events = [CacheEvent(str(one["SourceIdentifier"]), one["Date"], str(one["Message"])) for one in answer]
    return sorted((one for one in events if one.failover_of is not None), key=lambda one: one.at)


async def fail_over(api: AwsApi, name: str, node_group: str) -> bool:
    """Call TestFailover, at most once. False: a dry-run, and nothing was sent."""
    sent = await api.write("elasticache", "test_failover", ReplicationGroupId=name, NodeGroupId=node_group)
    return sent is not None


def _group(found: Mapping[str, Any]) -> ReplicationGroup:
    made_at = found.get("ReplicationGroupCreateTime")
    return ReplicationGroup(
        name=str(found["ReplicationGroupId"]),
        uid=f"{found.get('ARN', found['ReplicationGroupId'])}@{made_at.isoformat() if made_at else ''}",
        status=str(found.get("Status", "")),
        automatic_failover=str(found.get("AutomaticFailover", "disabled")),
        node_groups=tuple(
            NodeGroup(
                str(one["NodeGroupId"]),
                str(one.get("Status", "")),
                tuple(
                    Member(
                        str(member["CacheClusterId"]),
                        str(member.get("CacheNodeId", "0001")),
                        str(member.get("CurrentRole", "")),
                        str(member.get("PreferredAvailabilityZone", "")),
                    )
                    for member in one.get("NodeGroupMembers", ())
                ),
            )
            for one in found.get("NodeGroups", ())
        ),
        clustered=bool(found.get("ClusterEnabled", False)),
    )
