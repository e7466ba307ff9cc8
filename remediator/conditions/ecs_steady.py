"""``ecs_steady``: is the ECS service's deployment complete, with as many tasks as it wants?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws.ecs import READ_SERVICE, read_service
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class EcsSteady:
    """One that its circuit breaker gave up, or rolled back, is a known no as long as that is its last word."""

    name: ClassVar[str] = "ecs_steady"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_SERVICE,)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        try:
            service = await read_service(world.aws, target.within, target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        primary = service.primary
        why = f" ({primary.reason})" if primary is not None and primary.reason else ""
        return Look(Answer.of(service.steady), f"{service}{why}")
