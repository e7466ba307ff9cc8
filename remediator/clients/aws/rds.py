"""Databases of RDS and Aurora as their actions see them: instances, and clusters with their members."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import TargetNotFoundError
from remediator.targets import Target

SERVICE: Final = "rds"
INSTANCE_ARN: Final = "arn:{partition}:rds:{region}:{account}:db:{name}"
ANY_INSTANCE_ARN: Final = "arn:{partition}:rds:{region}:{account}:db:*"
CLUSTER_ARN: Final = "arn:{partition}:rds:{region}:{account}:cluster:{name}"
READ_INSTANCE: Final = IamPermission("rds:DescribeDBInstances", INSTANCE_ARN)
READ_INSTANCES: Final = IamPermission("rds:DescribeDBInstances", ANY_INSTANCE_ARN)
READ_CLUSTER: Final = IamPermission("rds:DescribeDBClusters", CLUSTER_ARN)
AVAILABLE: Final = "available"
INTENT_TAG: Final = "remediator.dev/intent"
"""What is made by a step carries the step's intent in this tag."""

_PENDING_REBOOT = "pending-reboot"
_STUCK = (
    "deleted",
    "deleting",
    "failed",
    "inaccessible",
    "incompatible",
    "insufficient",
    "restore-error",
    "stopp",
    "storage-full",
)


@dataclass(frozen=True, slots=True)
class DbInstance:
    """One read of one instance."""

    name: str
    arn: str
    resource_id: str
    """Of this very instance: one that is made again under the name has another."""
    status: str
    engine: str
    zone: str
    standby_zone: str
    """Where the standby of a Multi-AZ instance is; empty while there is none that could take over."""
    multi_az: bool
    cluster: str
    """The cluster that it is a member of; empty for one that stands by itself."""
    source: str
    """What it is a read replica of; empty for none."""
    replication: str
    """What RDS says of the replication of a read replica: ``replicating``, ``error``, ...; empty where it says nothing."""
    address: str
    restorable_until: datetime | None
    """Everything until then can be restored; None when there are no automated backups."""
    keeps_backups_days: int
    tier: int
    """Of a member of an Aurora cluster: the lower, the rather RDS lets it take over."""
    pending: tuple[str, ...]
    """What a reboot or the next maintenance would change besides."""
    tags: Mapping[str, str]
    shape: Mapping[str, Any]
    """What a copy of it is made with: class, network, parameter group."""

    @property
    def available(self) -> bool:
        return self.status == AVAILABLE

    def __str__(self) -> str:
        standby = f", standby in {self.standby_zone}" if self.standby_zone else ""
        return f"DB instance {self.name}: {self.status} in {self.zone or 'no zone'}{standby}"


@dataclass(frozen=True, slots=True)
class DbCluster:
    """One read of one cluster, its members' own state included."""

    name: str
    arn: str
    resource_id: str
    status: str
    engine: str
    writer: str
    """Name of the member that writes; empty while there is none."""
    readers: tuple[DbInstance, ...]
    """By name."""
    source: str
    """What it is a replica of in another region; empty for none."""
    restorable_until: datetime | None
    pending: tuple[str, ...]

    @property
    def aurora(self) -> bool:
        """Otherwise it is a Multi-AZ DB cluster of RDS."""
        return self.engine.startswith("aurora")

    @property
    def available(self) -> bool:
        return self.status == AVAILABLE

    @property
    def takes_a_wish(self) -> bool:
        """May one say which reader takes over? For all but RDS MySQL."""
        return self.engine != "mysql"

    def __str__(self) -> str:
        readers = ", ".join(f"{one.name} {one.status}" for one in self.readers) or "none"
        return f"DB cluster {self.name}: {self.status}, writer {self.writer or 'none'}, readers {readers}"


def is_stuck(status: str) -> bool:
    """Is it a state that does not pass by itself?"""
    return status.startswith(_STUCK)


async def read_instance(api: AwsApi, name: str) -> DbInstance:
    """Raises TargetNotFoundError or FactsMissingError."""
    answer = await api.read(SERVICE, "describe_db_instances", DBInstanceIdentifier=name)
    found = understood(f"DB instance {name}", lambda: [_instance(one) for one in answer["DBInstances"]])
    if not found or found[0].name != name:
        raise TargetNotFoundError(f"there is no DB instance {name} in {api.region}")
    return found[0]


async def read_cluster(api: AwsApi, name: str) -> DbCluster:
    """Raises TargetNotFoundError or FactsMissingError."""
    answer = await api.read(SERVICE, "describe_db_clusters", DBClusterIdentifier=name)
    found = understood(f"DB cluster {name}", lambda: [_Raw.of(one) for one in answer["DBClusters"]])
    if not found:
        raise TargetNotFoundError(f"there is no DB cluster {name} in {api.region}")
    members = await api.pages(
        SERVICE, "describe_db_instances", "DBInstances", Filters=[{"Name": "db-cluster-id", "Values": [name]}]
    )
    return understood(f"DB cluster {name}", lambda: _cluster(found[0], [_instance(one) for one in members]))


async def instances_made(api: AwsApi) -> tuple[DbInstance, ...]:
    """Every instance of the region that a step of ours has made, by name. Raises FactsMissingError."""
    listed = await api.pages(SERVICE, "describe_db_instances", "DBInstances")
    found = understood("DB instances", lambda: [_instance(one) for one in listed if INTENT_TAG in tags_of(one)])
    return tuple(sorted(found, key=lambda one: one.name))


async def instance_exists(api: AwsApi, target: Target) -> None:
    """Raises TargetNotFoundError or FactsMissingError."""
    await read_instance(api, target.name)


async def cluster_exists(api: AwsApi, target: Target) -> None:
    """Raises TargetNotFoundError or FactsMissingError."""
    answer = await api.read(SERVICE, "describe_db_clusters", DBClusterIdentifier=target.name)
    if not answer.get("DBClusters"):
        raise TargetNotFoundError(f"there is no DB cluster {target.name} in {api.region}")


def tags_of(found: Mapping[str, Any]) -> dict[str, str]:
    """Those of anything of RDS."""
    return {str(one["Key"]): str(one.get("Value") or "") for one in found.get("TagList") or ()}


def _instance(found: Mapping[str, Any]) -> DbInstance:
    infos = [one for one in found.get("StatusInfos") or () if one.get("StatusType") == "read replication"]
    groups = found.get("DBParameterGroups") or ()
    return DbInstance(
        name=str(found["DBInstanceIdentifier"]),
        arn=str(found["DBInstanceArn"]),
        resource_id=str(found["DbiResourceId"]),
        status=str(found["DBInstanceStatus"]),
        engine=str(found["Engine"]),
        zone=str(found.get("AvailabilityZone") or ""),
        standby_zone=str(found.get("SecondaryAvailabilityZone") or ""),
        multi_az=bool(found.get("MultiAZ")),
        cluster=str(found.get("DBClusterIdentifier") or ""),
        source=str(
            found.get("ReadReplicaSourceDBInstanceIdentifier")
            or found.get("ReadReplicaSourceDBClusterIdentifier")
            or ""
        ),
        replication=str(infos[0].get("Status") or "") if infos else "",
        address=str((found.get("Endpoint") or {}).get("Address") or ""),
        restorable_until=found.get("LatestRestorableTime"),
        keeps_backups_days=int(found.get("BackupRetentionPeriod") or 0),
        tier=int(found.get("PromotionTier", 1)),
        pending=_pending(
            found.get("PendingModifiedValues"),
            [str(one["DBParameterGroupName"]) for one in groups if one.get("ParameterApplyStatus") == _PENDING_REBOOT],
        ),
        tags=tags_of(found),
        shape=_shape(found),
    )


def _pending(values: Mapping[str, Any] | None, groups: list[str]) -> tuple[str, ...]:
    return tuple(sorted([*(values or {}), *(f"parameter group {name}" for name in groups)]))


def _shape(found: Mapping[str, Any]) -> dict[str, Any]:
    """Left to themselves, a restored one gets the default network, its firewall and the default parameters."""
    subnets = (found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName")
    firewall = [one["VpcSecurityGroupId"] for one in found.get("VpcSecurityGroups") or ()]
    groups = [one["DBParameterGroupName"] for one in found.get("DBParameterGroups") or ()]
    every: dict[str, Any] = {
        "DBInstanceClass": found.get("DBInstanceClass"),
        "DBSubnetGroupName": subnets,
        "VpcSecurityGroupIds": firewall or None,
        "DBParameterGroupName": groups[0] if groups else None,
        "MultiAZ": bool(found.get("MultiAZ")),
        "PubliclyAccessible": bool(found.get("PubliclyAccessible")),
    }
    return {key: value for key, value in every.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Raw:
    """A cluster's own description, before its members are read."""

    found: Mapping[str, Any]
    members: Mapping[str, bool]
    """Name to: is it the writer?"""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "_Raw":
        members = {
            str(one["DBInstanceIdentifier"]): bool(one.get("IsClusterWriter"))
            for one in found.get("DBClusterMembers") or ()
        }
        return cls(found, members)


def _cluster(raw: _Raw, instances: list[DbInstance]) -> DbCluster:
    found = raw.found
    known = {one.name: one for one in instances}
    missing = sorted(raw.members.keys() - known.keys())
    if missing:
        raise ValueError(f"members {', '.join(missing)} are not described")
    return DbCluster(
        name=str(found["DBClusterIdentifier"]),
        arn=str(found["DBClusterArn"]),
        resource_id=str(found["DbClusterResourceId"]),
        status=str(found["Status"]),
        engine=str(found["Engine"]),
        writer=next((name for name, writes in raw.members.items() if writes), ""),
        readers=tuple(known[name] for name, writes in sorted(raw.members.items()) if not writes),
        source=str(found.get("ReplicationSourceIdentifier") or ""),
        restorable_until=found.get("LatestRestorableTime"),
        pending=_pending(found.get("PendingModifiedValues"), []),
    )
