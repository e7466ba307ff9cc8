"""ElastiCache: replication groups that fail over as Redis' do, with the phases and the events of the real one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from remediator.sandbox.aws.cloudwatch import CloudWatch
from remediator.sandbox.aws.service import Call, Refused, Service, paged

PROMOTED_AFTER_S = 20.0
RECOVERED_AFTER_S = 120.0
PER_DAY = 15
"""Node groups of one account in 24 hours."""


@dataclass
class CacheNode:
    """One member of a node group. `lag_s` None: CloudWatch has no value."""

    cluster: str
    role: str
    zone: str
    lag_s: float | None = 0.0


@dataclass
class NodeGroup:
    id: str
    members: list[CacheNode]
    status: str = "available"

    @property
    def primary(self) -> CacheNode:
        return next(member for member in self.members if member.role == "primary")


@dataclass
class ReplicationGroup:
    name: str
    region: str
    made_at: datetime
    node_groups: list[NodeGroup]
    status: str = "available"
    automatic_failover: str = "enabled"
    clustered: bool = False
    failovers: int = 0
    """How often one was carried out."""


@dataclass
class Event:
    source: str
    source_type: str
    message: str
    at: datetime


@dataclass
class _Called:
    at: datetime
    node_group: str = field(default="")


class ElastiCache(Service):
    name: ClassVar[str] = "elasticache"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.groups: dict[str, ReplicationGroup] = {}
        self.events: list[Event] = []
        self._called: list[_Called] = []

    def put(
        self, name: str, *, replicas: int = 1, node_groups: int = 1, clustered: bool = False, region: str | None = None
    ) -> ReplicationGroup:
        """Make a replication group that is available, with the lag of its replicas in CloudWatch."""
        shards = []
        for number in range(1, node_groups + 1):
            within = f"{name}-{number:04d}" if node_groups > 1 else name
            members = [
                CacheNode(
                    f"{within}-{index + 1:03d}",
                    "primary" if index == 0 else "replica",
                    f"eu-central-1{'abc'[index % 3]}",
                )
                for index in range(replicas + 1)
            ]
            shards.append(NodeGroup(f"{number:04d}", members))
        group = ReplicationGroup(name, region or self.cloud.region, self.cloud.now(), shards, clustered=clustered)
        self.groups[name] = group
        for shard in shards:
            for member in shard.members:
                self._measure(group, member)
        return group

    def call_failover(self, name: str, node_group: str = "0001") -> None:
        """As somebody else would do it."""
        self._fail_over(self._find(name), node_group)

    async def DescribeReplicationGroups(self, call: Call) -> dict[str, Any]:
        name = call.params.get("ReplicationGroupId")
        found = [self._find(name)] if name else sorted(self.groups.values(), key=lambda one: one.name)
        page, marker = paged(found, call.params, token="Marker", limit="MaxRecords")
        return {"ReplicationGroups": [self._shown(one) for one in page], **({"Marker": marker} if marker else {})}

    async def TestFailover(self, call: Call) -> dict[str, Any]:
        group = self._find(call.params["ReplicationGroupId"])
        self._fail_over(group, call.params["NodeGroupId"])
        return {"ReplicationGroup": self._shown(group)}

    async def DescribeEvents(self, call: Call) -> dict[str, Any]:
        asked = call.params
        if asked.get("SourceIdentifier") and not asked.get("SourceType"):
            raise Refused("InvalidParameterCombination", "SourceType is required with SourceIdentifier")
        end = asked.get("EndTime") or call.at
        start = asked.get("StartTime") or end - timedelta(minutes=asked.get("Duration") or 60)
        found = [
            one
            for one in self.events
            if start <= one.at <= end
            and asked.get("SourceIdentifier") in (None, one.source)
            and asked.get("SourceType") in (None, one.source_type)
        ]
        page, marker = paged(found, asked, token="Marker", limit="MaxRecords")
        events = [
            {"SourceIdentifier": one.source, "SourceType": one.source_type, "Message": one.message, "Date": one.at}
            for one in page
        ]
        return {"Events": events, **({"Marker": marker} if marker else {})}

    def _fail_over(self, group: ReplicationGroup, node_group: str) -> None:
        shard = next((one for one in group.node_groups if one.id == node_group), None)
        if shard is None:
            raise Refused("NodeGroupNotFoundFault", f"Node group {node_group} not found.")
        if group.automatic_failover != "enabled":
            raise Refused("InvalidParameterCombination", "Automatic failover must be enabled to test it.")
        if group.status != "available":
            raise Refused("InvalidReplicationGroupState", f"Replication group {group.name} is {group.status}.")
        now = self.cloud.now()
        self._called = [one for one in self._called if now - one.at < timedelta(days=1)]
        if len(self._called) >= PER_DAY:
            raise Refused("APICallRateForCustomerExceeded", "The customer has exceeded the allowed rate of API calls.")
        self._called.append(_Called(now, node_group))
        group.status = shard.status = "modifying"
        self._tell(group.name, f"Test Failover API called for node group {shard.id}")
        self.cloud.after(PROMOTED_AFTER_S, lambda: self._promote(group, shard))
        self.cloud.after(RECOVERED_AFTER_S, lambda: self._recover(group, shard))

    def _promote(self, group: ReplicationGroup, shard: NodeGroup) -> None:
        """The replica that is least behind, as the service does it."""
        before = shard.primary
        replicas = [one for one in shard.members if one.role == "replica"]
        after = min(replicas, key=lambda one: one.lag_s if one.lag_s is not None else float("inf"), default=before)
        before.role, after.role = "replica", "primary"
        before.lag_s = after.lag_s = 0.0
        group.failovers += 1
        said = f"Failover from primary node {before.cluster} to replica node {after.cluster} completed"
        self._tell(group.name, said)
        self._tell(before.cluster, "Recovering cache nodes 0001", "cache-cluster")

    def _recover(self, group: ReplicationGroup, shard: NodeGroup) -> None:
        group.status = shard.status = "available"
        replaced = next(one for one in shard.members if one.role == "replica")
        self._tell(replaced.cluster, "Finished recovery for cache nodes 0001", "cache-cluster")

    def _tell(self, source: str, message: str, source_type: str = "replication-group") -> None:
        self.events.append(Event(source, source_type, message, self.cloud.now()))

    def _measure(self, group: ReplicationGroup, member: CacheNode) -> None:
        self.cloud.in_account(self.account).of(CloudWatch).put(
            "AWS/ElastiCache",
            "ReplicationLag",
            {"CacheClusterId": member.cluster, "CacheNodeId": "0001"},
            lambda: member.lag_s if member.role == "replica" else None,
            region=group.region,
        )

    def _find(self, name: str) -> ReplicationGroup:
        found = self.groups.get(name.lower())
        if found is None:
            raise Refused("ReplicationGroupNotFoundFault", f"ReplicationGroup {name} not found.")
        return found

    def _shown(self, group: ReplicationGroup) -> dict[str, Any]:
        members = [member.cluster for shard in group.node_groups for member in shard.members]
        return {
            "ReplicationGroupId": group.name,
            "Description": group.name,
            "Status": group.status,
            "MemberClusters": members,
            "NodeGroups": [self._shard(group, shard) for shard in group.node_groups],
            "AutomaticFailover": group.automatic_failover,
            "MultiAZ": "enabled",
            "ClusterEnabled": group.clustered,
            "ARN": f"arn:aws:elasticache:{group.region}:{self.account}:replicationgroup:{group.name}",
            "ReplicationGroupCreateTime": group.made_at,
            "Engine": "redis",
        }

    def _shard(self, group: ReplicationGroup, shard: NodeGroup) -> dict[str, Any]:
        return {
            "NodeGroupId": shard.id,
            "Status": shard.status,
            "NodeGroupMembers": [
                {
                    "CacheClusterId": member.cluster,
                    "CacheNodeId": "0001",
                    "PreferredAvailabilityZone": member.zone,
                    # With cluster mode the service does not tell who is what.
                    **({} if group.clustered else {"CurrentRole": member.role}),
                }
                for member in shard.members
            ],
        }
