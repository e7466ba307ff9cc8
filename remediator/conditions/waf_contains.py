"""``waf_contains``: is the target's address blocked by its address set?"""

import ipaddress
from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws import waf
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose: the target says the set and the address."""


class WafContains:
    """Of the set, as an entry or within one. Whether a rule of a web ACL uses the set is not asked."""

    name: ClassVar[str] = "waf_contains"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return waf.READ_SETS if kind == "waf-address" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != "waf-address":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no address of a WAF set")
        try:
            found = await waf.ip_set(world.aws, target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        holds = found.holds(ipaddress.ip_network(target.name))
        return Look(Answer.of(holds), f"{target.name} is {'' if holds else 'not '}in IP set {found.name}")
