"""``rds_available``: does RDS call the database available?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.rds import DbInstance
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_database import database_of, read_database
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class RdsAvailable:
    """RDS says so of a database that no client gets through to, too: as the only question it proves little."""

    name: ClassVar[str] = "rds_available"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return read_database(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        found = await database_of(world, target)
        if isinstance(found, Look):
            return found
        writes = isinstance(found, DbInstance) or bool(found.writer)
        return Look(Answer.of(found.available and writes), str(found))
