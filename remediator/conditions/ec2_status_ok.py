"""``ec2_status_ok``: does the EC2 instance run and pass both of EC2's own checks?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.ec2 import READ_STATUS, read_checks
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target

_NOT_TOLD = frozenset({"initializing", "insufficient-data"})


class Params(ConditionParams):
    """Nothing to choose."""


class Ec2StatusOk:
    """The checks lag by a minute or two. One that has not been made yet is unknown."""

    name: ClassVar[str] = "ec2_status_ok"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_STATUS,)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        try:
            checks = await read_checks(world.aws, target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if checks.state == "running" and not _NOT_TOLD.isdisjoint((checks.system, checks.instance)):
            return Look(Answer.UNKNOWN, str(checks))
        return Look(Answer.of(checks.ok), str(checks))
