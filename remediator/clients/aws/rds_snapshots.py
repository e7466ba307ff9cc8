"""Snapshots of databases that somebody asked for, and the automated ones of the backup window."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.rds import SERVICE, tags_of
from remediator.clients.permissions import IamPermission
from remediator.errors import TargetNotFoundError
from remediator.targets import Target


@dataclass(frozen=True, slots=True)
class Words:
    """What the calls for snapshots of one kind of database are named."""

    describe: str
    create: str
    listed: str
    made: str
    name: str
    of: str
    arn: str
    snapshot_arn: str
    permission: str


_KINDS: Final[Mapping[str, Words]] = {
    "rds-instance": Words(
        describe="describe_db_snapshots",
        create="create_db_snapshot",
        listed="DBSnapshots",
        made="DBSnapshot",
        name="DBSnapshotIdentifier",
        of="DBInstanceIdentifier",
        arn="arn:{partition}:rds:{region}:{account}:db:{name}",
        snapshot_arn="arn:{partition}:rds:{region}:{account}:snapshot:*",
        permission="DBSnapshot",
    ),
    "rds-cluster": Words(
        describe="describe_db_cluster_snapshots",
        create="create_db_cluster_snapshot",
        listed="DBClusterSnapshots",
        made="DBClusterSnapshot",
        name="DBClusterSnapshotIdentifier",
        of="DBClusterIdentifier",
        arn="arn:{partition}:rds:{region}:{account}:cluster:{name}",
        snapshot_arn="arn:{partition}:rds:{region}:{account}:cluster-snapshot:*",
        permission="DBClusterSnapshot",
    ),
}
MADE_OF: Final = frozenset(_KINDS)
"""Kinds of targets that snapshots are made of."""


@dataclass(frozen=True, slots=True)
class DbSnapshot:
    """One read of one snapshot."""

    name: str
    of: str
    """Name of the database."""
    status: str
    automated: bool
    made_at: datetime | None
    """When it was begun; None while it is only being asked for."""
    percent: int
    tags: Mapping[str, str]

    @property
    def available(self) -> bool:
        return self.status == "available"

    def __str__(self) -> str:
        begun = f", begun {self.made_at:%Y-%m-%d %H:%M:%S}Z" if self.made_at is not None else ""
        return f"snapshot {self.name}: {self.status}, {self.percent}%{begun}"


def permission_to_read(kind: str) -> IamPermission:
    """What ``snapshots_of`` and ``snapshot_named`` need."""
    return IamPermission(f"rds:Describe{_KINDS[kind].permission}s")


def permissions_to_make(kind: str) -> tuple[IamPermission, ...]:
    """What ``make_snapshot`` needs: IAM asks for the database and for the snapshot, and for its tags."""
    words = _KINDS[kind]
    return (
        IamPermission(f"rds:Create{words.permission}", words.arn, writes=True),
        IamPermission(f"rds:Create{words.permission}", words.snapshot_arn, writes=True),
        IamPermission("rds:AddTagsToResource", words.snapshot_arn, writes=True),
    )


def words_of(kind: str) -> tuple[str, str, str]:
    """Of the call that makes one: its name, and what it calls the snapshot and the database."""
    words = _KINDS[kind]
    return words.create, words.name, words.of


async def snapshots_of(api: AwsApi, target: Target) -> tuple[DbSnapshot, ...]:
    """Every one of this database that is there, oldest first. Raises FactsMissingError."""
    words = _KINDS[target.kind]
    listed = await api.pages(SERVICE, words.describe, words.listed, **{words.of: target.name})
    found = understood(f"snapshots of {target.name}", lambda: [_snapshot(one, words) for one in listed])
    return tuple(sorted(found, key=lambda one: (one.made_at is None, str(one.made_at), one.name)))


async def snapshot_named(api: AwsApi, target: Target, name: str) -> DbSnapshot | None:
    """That of this database and this name, if it is there. Raises FactsMissingError.

    RDS takes the name alone: for clusters, both names in one request are refused.
    """
    words = _KINDS[target.kind]
    try:
        answer = await api.read(SERVICE, words.describe, **{words.name: name})
    except TargetNotFoundError:
        return None
    found = understood(f"snapshot {name}", lambda: [_snapshot(one, words) for one in answer[words.listed]])
    return next((one for one in found if one.of == target.name), None)


async def make_snapshot(api: AwsApi, target: Target, name: str, tags: Mapping[str, str]) -> dict[str, Any] | None:
    """Ask for one. None: a dry-run, nothing was sent. Raises as ``AwsApi.write``."""
    words = _KINDS[target.kind]
    given = [{"Key": key, "Value": value} for key, value in tags.items()]
    return await api.write(SERVICE, words.create, **{words.name: name, words.of: target.name, "Tags": given})


def _snapshot(found: Mapping[str, Any], words: Words) -> DbSnapshot:
    return DbSnapshot(
        name=str(found[words.name]),
        of=str(found[words.of]),
        status=str(found["Status"]),
        automated=found.get("SnapshotType") == "automated",
        made_at=found.get("SnapshotCreateTime"),
        percent=int(found.get("PercentProgress") or 0),
        tags=tags_of(found),
    )
