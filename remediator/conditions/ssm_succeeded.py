"""``ssm_succeeded``: did the command of this run's ``aws.ssm_run`` end well?"""

from datetime import datetime
from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.ssm import READ_COMMANDS, command_of, read_ran
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.redaction import last_of, redacted
from remediator.targets import Target

_RAN = "aws.ssm_run"
_SHOWN = 400


class Params(ConditionParams):
    """Nothing to choose."""


class SsmSucceeded:
    """One that failed is a known no, with the end of what it said."""

    name: ClassVar[str] = "ssm_succeeded"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return READ_COMMANDS

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        ran = [plan for plan in known.done if plan.action == _RAN]
        if not ran:
            return Look(Answer.UNKNOWN, f"this run has run no command on {target.name}")
        plan = ran[-1]
        try:
            command = await command_of(world.aws, plan, datetime.fromisoformat(plan.memory["at"]))
            if command is None:
                return Look(Answer.UNKNOWN, f"no command on {target.name} has our mark")
            found = await read_ran(world.aws, command.id, target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        said = last_of(redacted(found.errors or found.output), _SHOWN)
        told = f"{command.id} is {found.status}{'' if found.code is None else f' with exit code {found.code}'}"
        if not found.ended:
            return Look(Answer.UNKNOWN, told)
        good = found.status == "Success"
        return Look(Answer.of(good), told if good else f"{told}: {said}")
