"""``aurora_reader_available``: has the cluster a reader that RDS calls available?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.rds import DbCluster
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_database import database_of, read_database
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class AuroraReaderAvailable:
    """Of a cluster of Aurora or a Multi-AZ DB cluster of RDS."""

    name: ClassVar[str] = "aurora_reader_available"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return read_database(kind) if kind == "rds-cluster" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != "rds-cluster":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no DB cluster")
        found = await database_of(world, target)
        if isinstance(found, Look):
            return found
        readers = found.readers if isinstance(found, DbCluster) else ()
        return Look(Answer.of(any(one.available for one in readers)), str(found))
