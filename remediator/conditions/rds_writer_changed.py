"""``rds_writer_changed``: does another instance, zone or region write than before this run's failover?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.rds import DbInstance
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_database import database_of, read_database
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class RdsWriterChanged:
    """Only after a failover of this run: before one there is nothing to compare with. RDS may show the zone some minutes late."""

    name: ClassVar[str] = "rds_writer_changed"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return read_database(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        ours = [plan for plan in known.done if plan.action == "aws.rds_failover" and plan.target == target]
        if not ours:
            return Look(Answer.UNKNOWN, "this run has failed over no database of RDS")
        found = await database_of(world, target)
        if isinstance(found, Look):
            return found
        if found.resource_id != ours[-1].uid:
            return Look(Answer.UNKNOWN, f"{target.short} was made again since it was failed over")
        before, now = str(ours[-1].memory["writer"]), found.zone if isinstance(found, DbInstance) else found.writer
        return Look(
            Answer.of(now not in ("", before)), f"{before or 'nobody'} wrote before, {now or 'nobody'} does now"
        )
