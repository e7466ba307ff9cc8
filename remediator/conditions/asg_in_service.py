"""``asg_in_service``: has the Auto Scaling group as many healthy instances in service as it wants?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.autoscaling import READ_GROUP, READ_INSTANCE, group_of, read_group
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target

_REPLACED = "aws.asg_replace_instance"


class Params(ConditionParams):
    """Nothing to choose."""


class AsgInService:
    """Of an instance: the group that it is in, or was in when this run replaced it; and then it must be gone."""

    name: ClassVar[str] = "asg_in_service"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return (READ_GROUP, READ_INSTANCE) if kind == "ec2-instance" else (READ_GROUP,)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        replaced = [str(plan.memory["group"]) for plan in known.done if plan.action == _REPLACED]
        try:
            name: str | None = target.name
            if target.kind == "ec2-instance":
                name = replaced[-1] if replaced else await group_of(world.aws, target.name)
            if name is None:
                return Look(Answer.UNKNOWN, f"instance {target.name} is in no Auto Scaling group")
            group = await read_group(world.aws, name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        there = bool(replaced) and group.member(target.name) is not None
        told = f"{group}{f'; {target.name} is still there' if there else ''}"
        return Look(Answer.of(group.in_service >= group.desired > 0 and not there), told)
