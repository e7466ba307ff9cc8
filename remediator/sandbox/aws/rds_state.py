"""What a simulated RDS knows of its databases, and how it describes them. Tests look at these and set them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass
class Instance:
    """One DB instance. `reachable` is what its clients see: a primary in trouble is "available" for a long time."""

    name: str
    region: str
    account: str
    resource_id: str
    made_at: datetime
    engine: str = "postgres"
    status: str = "available"
    zone: str = ""
    standby_zone: str = ""
    multi_az: bool = False
    cluster: str = ""
    tier: int = 1
    source: str = ""
    replicating: bool = True
    lag_s: float | None = 0.0
    """As CloudWatch has it; None: no value."""
    restorable_lag_s: float | None = 180.0
    """How old the newest restorable state is; None: no automated backups."""
    retention_days: int = 7
    pending: dict[str, Any] = field(default_factory=dict)
    parameters: str = "in-sync"
    reachable: bool = True
    sick: bool = False
    """Its host is in trouble: no client gets through until another host takes over."""
    failovers: int = 0
    """How often a failover was carried out; of a cluster's member never."""
    restored_from: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:rds:{self.region}:{self.account}:db:{self.name}"

    def shown(self, now: datetime) -> dict[str, Any]:
        infos = []
        if self.source:
            status = "replicating" if self.replicating else "error"
            infos = [{"StatusType": "read replication", "Normal": self.replicating, "Status": status}]
        return {
            "DBInstanceIdentifier": self.name,
            "DBInstanceArn": self.arn,
            "DbiResourceId": self.resource_id,
            "DBInstanceClass": "db.r6g.large",
            "Engine": self.engine,
            "DBInstanceStatus": self.status,
            "Endpoint": {"Address": f"{self.name}.c1.{self.region}.rds.amazonaws.com", "Port": 5432},
            "AllocatedStorage": 100,
            "InstanceCreateTime": self.made_at,
            "BackupRetentionPeriod": self.retention_days,
            "AvailabilityZone": self.zone,
            "SecondaryAvailabilityZone": self.standby_zone or None,
            "MultiAZ": self.multi_az,
            "LatestRestorableTime": self.restorable_until(now),
            "PendingModifiedValues": self.pending,
            "DBParameterGroups": [
                {"DBParameterGroupName": "default.postgres16", "ParameterApplyStatus": self.parameters}
            ],
            "DBSubnetGroup": {"DBSubnetGroupName": "private"},
            "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-0a1b2c3d", "Status": "active"}],
            "PubliclyAccessible": False,
            "DBClusterIdentifier": self.cluster or None,
            "PromotionTier": self.tier if self.cluster else None,
            "ReadReplicaSourceDBInstanceIdentifier": self.source or None,
            "StatusInfos": infos or None,
            "TagList": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }

    def restorable_until(self, now: datetime) -> datetime | None:
        if self.restorable_lag_s is None or self.retention_days == 0 or self.cluster:
            return None
        return now - timedelta(seconds=self.restorable_lag_s)


@dataclass
class Cluster:
    """One DB cluster; `members` in their order, `writer` among them."""

    name: str
    region: str
    account: str
    resource_id: str
    made_at: datetime
    members: list[Instance]
    writer: str
    engine: str = "aurora-postgresql"
    status: str = "available"
    source: str = ""
    restorable_lag_s: float = 60.0
    pending: dict[str, Any] = field(default_factory=dict)
    failovers: int = 0

    @property
    def arn(self) -> str:
        return f"arn:aws:rds:{self.region}:{self.account}:cluster:{self.name}"

    @property
    def aurora(self) -> bool:
        return self.engine.startswith("aurora")

    @property
    def readers(self) -> list[Instance]:
        return [one for one in self.members if one.name != self.writer]

    @property
    def reachable(self) -> bool:
        """Does the writer's endpoint take writes?"""
        return all(one.reachable for one in self.members if one.name == self.writer)

    def shown(self, now: datetime) -> dict[str, Any]:
        return {
            "DBClusterIdentifier": self.name,
            "DBClusterArn": self.arn,
            "DbClusterResourceId": self.resource_id,
            "Engine": self.engine,
            "Status": self.status,
            "MultiAZ": len(self.members) > 1,
            "Endpoint": f"{self.name}.cluster-c1.{self.region}.rds.amazonaws.com",
            "ReaderEndpoint": f"{self.name}.cluster-ro-c1.{self.region}.rds.amazonaws.com",
            "ClusterCreateTime": self.made_at,
            "LatestRestorableTime": now - timedelta(seconds=self.restorable_lag_s),
            "ReplicationSourceIdentifier": self.source or None,
            "PendingModifiedValues": self.pending or None,
            "DBClusterMembers": [
                {
                    "DBInstanceIdentifier": one.name,
                    "IsClusterWriter": one.name == self.writer,
                    "DBClusterParameterGroupStatus": "in-sync",
                    "PromotionTier": one.tier,
                }
                for one in self.members
            ],
        }


@dataclass
class GlobalDatabase:
    """One Aurora global database over clusters of several regions."""

    name: str
    resource_id: str
    clusters: list[Cluster]
    writer: str
    """ARN of the cluster that writes."""
    status: str = "available"
    failover: dict[str, Any] | None = None
    connected: bool = True
    moves: int = 0

    def shown(self, account: str) -> dict[str, Any]:
        return {
            "GlobalClusterIdentifier": self.name,
            "GlobalClusterResourceId": self.resource_id,
            "GlobalClusterArn": f"arn:aws:rds::{account}:global-cluster:{self.name}",
            "Engine": "aurora-postgresql",
            "Status": self.status,
            "FailoverState": self.failover,
            "GlobalClusterMembers": [
                {
                    "DBClusterArn": one.arn,
                    "IsWriter": one.arn == self.writer,
                    "Readers": [other.arn for other in self.clusters if other is not one]
                    if one.arn == self.writer
                    else [],
                    "SynchronizationStatus": "connected" if self.connected else "pending-resync",
                }
                for one in self.clusters
            ],
        }


@dataclass
class Snapshot:
    """Of an instance, or of a cluster."""

    name: str
    of: str
    of_cluster: bool
    region: str
    asked_at: datetime
    status: str = "creating"
    automated: bool = False
    percent: int = 0
    tags: dict[str, str] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        kind = "DBCluster" if self.of_cluster else "DB"
        of = "DBClusterIdentifier" if self.of_cluster else "DBInstanceIdentifier"
        return {
            f"{kind}SnapshotIdentifier": self.name,
            of: self.of,
            "SnapshotCreateTime": self.asked_at if self.percent else None,
            "Engine": "postgres",
            "Status": self.status,
            "SnapshotType": "automated" if self.automated else "manual",
            "PercentProgress": self.percent,
            "TagList": [{"Key": key, "Value": value} for key, value in self.tags.items()],
        }


@dataclass
class Event:
    source: str
    source_type: str
    region: str
    message: str
    categories: tuple[str, ...]
    at: datetime

    def shown(self) -> dict[str, Any]:
        return {
            "SourceIdentifier": self.source,
            "SourceType": self.source_type,
            "Message": self.message,
            "EventCategories": list(self.categories),
            "Date": self.at,
        }
