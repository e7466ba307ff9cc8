"""``dns_answers``: do Route 53's name servers answer what the failover of this run was to make them answer?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws import route53
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.playbooks.fields import TemplateText
from remediator.playbooks.template import Template, TemplateError
from remediator.targets import Target


class Params(ConditionParams):
    """What is expected, where the records do not say it."""

    values: tuple[TemplateText, ...] = Field(
        (), max_length=50, description="what may be answered; needed for aliases; may hold {{ vars.x }}"
    )


class DnsAnswers:
    """Asks the name servers' own data, with weights and health as they are. Resolvers elsewhere keep what they have for its TTL."""

    name: ClassVar[str] = "dns_answers"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return (*route53.READ_ZONES, *route53.READ_ANSWERS) if kind == "route53-record" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        if target.kind != "route53-record":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no record of Route 53")
        try:
            expected = [Template.parse(one).render(labels={}, vars=known.variables) for one in params.values]
            expected = expected or _of_this_run(known, target)
            if not expected:
                return Look(
                    Answer.UNKNOWN, "what is to be answered is not known (an alias has no values); say it in values"
                )
            name, kind = route53.name_and_type(target)
            zone = await route53.zone_of(world.aws, target.within)
            code, answered = await route53.answered(world.aws, zone, name, kind)
        except (TemplateError, TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        wanted = {route53.plain_value(one) for one in expected}
        shown = ", ".join(answered[:4]) or "nothing"
        right = code == "NOERROR" and bool(answered) and set(answered) <= wanted
        return Look(
            Answer.of(right), f"{name} {kind} is answered with {shown} ({code}), wanted {', '.join(sorted(wanted)[:4])}"
        )


def _of_this_run(known: Known, target: Target) -> list[str]:
    ours = [plan for plan in known.done if plan.action == "aws.route53_failover" and plan.target == target]
    return [str(one) for one in ours[-1].memory.get("answers", ())] if ours else []
