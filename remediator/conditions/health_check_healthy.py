"""``health_check_healthy``: do the checkers of a Route 53 health check reach what they check?"""

from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws import health_checks
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.playbooks.fields import TemplateText
from remediator.playbooks.template import Template, TemplateError
from remediator.targets import Target

_SHARE = 0.18
"""Route 53 itself calls an endpoint healthy when more than 18 % of its checkers do."""
_FRESH = timedelta(minutes=5)


class Params(ConditionParams):
    """Which check."""

    id: TemplateText = Field(description="id of the health check; may hold {{ vars.x }}")


class HealthCheckHealthy:
    """What the checkers see, not what the check says: one that is disabled says healthy, and an inverted one the opposite."""

    name: ClassVar[str] = "health_check_healthy"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return health_checks.READ_STATUS

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target
        try:
            check = Template.parse(params.id).render(labels={}, vars=known.variables)
            return await health(world.aws, check)
        except (TemplateError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))


async def health(api: AwsApi, check: str) -> Look:
    """What is checked, as its checkers see it now. Unknown for a kind of check that has none.

    Raises:
        FactsMissingError: it is not there, or could not be read.
    """
    try:
        found = await health_checks.health_check(api, check)
        if found.type not in health_checks.ASKS_AN_ENDPOINT:
            return Look(
                Answer.UNKNOWN, f"health check {check} is of type {found.type}, which has no checkers to be asked"
            )
        observations = await health_checks.observations(api, check)
    except TargetNotFoundError as error:
        raise FactsMissingError(f"there is no such health check: {error}") from None
    fresh = [one for one in observations if one.at is not None and api.now() - one.at <= _FRESH]
    if not fresh:
        return Look(Answer.UNKNOWN, f"no checker of {check} has seen anything in the last minutes")
    good = sum(one.success for one in fresh)
    return Look(Answer.of(good > _SHARE * len(fresh)), f"{good} of {len(fresh)} checkers of {check} reach it")
