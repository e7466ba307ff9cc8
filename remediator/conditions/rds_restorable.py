"""``rds_restorable``: could the database be restored to how it was a short while ago?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_database import database_of, read_database
from remediator.durations import Duration, format_duration
from remediator.targets import Target


class Params(ConditionParams):
    """How much may be missing."""

    within: Duration = Field(
        description="the newest state that can be restored is no older than this; RDS is about 5m behind"
    )


class RdsRestorable:
    """By the automated backups and their logs. Without them it is a no."""

    name: ClassVar[str] = "rds_restorable"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return read_database(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        found = await database_of(world, target)
        if isinstance(found, Look):
            return found
        if (until := found.restorable_until) is None:
            return Look(Answer.NO, f"{found.name} has no automated backups")
        seen = f"{found.name} can be restored to {until:%Y-%m-%d %H:%M:%S}Z, wanted within {format_duration(params.within)}"
        return Look(Answer.of(known.now - until <= params.within), seen)
