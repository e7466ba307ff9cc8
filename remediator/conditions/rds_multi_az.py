"""``rds_multi_az``: has the instance a standby in another zone that is ready to take over?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.rds import READ_INSTANCE, read_instance
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class RdsMultiAz:
    """Of an instance that stands by itself; whether a cluster has a reader is asked by ``aurora_reader_available``."""

    name: ClassVar[str] = "rds_multi_az"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return (READ_INSTANCE,) if kind == "rds-instance" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != "rds-instance":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no DB instance")
        try:
            found = await read_instance(world.aws, target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        return Look(Answer.of(found.multi_az and bool(found.standby_zone)), str(found))
