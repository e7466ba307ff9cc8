"""The database at AWS that conditions are asked about, read once; what could not be read is an unknown answer."""

from collections.abc import Mapping
from typing import Final

from remediator.answers import Answer
from remediator.clients.aws.rds import (
    READ_CLUSTER,
    READ_INSTANCE,
    READ_INSTANCES,
    DbCluster,
    DbInstance,
    read_cluster,
    read_instance,
)
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target

_READS: Final[Mapping[str, tuple[IamPermission, ...]]] = {
    "rds-instance": (READ_INSTANCE,),
    "rds-cluster": (READ_CLUSTER, READ_INSTANCES),
}


def read_database(kind: str) -> tuple[IamPermission, ...]:
    """What ``database_of`` needs."""
    return _READS.get(kind, ())


async def database_of(world: World, target: Target) -> DbInstance | DbCluster | Look:
    """The target, or the answer that says why it is unknown."""
    if target.kind not in _READS:
        return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no database of RDS")
    try:
        if target.kind == "rds-instance":
            return await read_instance(world.aws, target.name)
        return await read_cluster(world.aws, target.name)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
