"""``aws.route53_failover``: let a name lead to the recovery site.

Three ways, chosen by the playbook, since they fit different records: all weight to one of several weighted records, other values for
a simple record (both one atomic batch, ``route53_records``), or the primary of a failover pair told to be down (``route53_primary``).
"""

import re
from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediator.actions.aws import route53_primary, route53_records
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.clients.aws import health_checks, route53
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import TargetNotFoundError
from remediator.runs.plan import Plan
from remediator.targets import Target

_VALUE = re.compile(r"[A-Za-z0-9][-_.:A-Za-z0-9]{0,252}")


class Params(ActionParams):
    """Exactly one of ``to``, ``values`` and ``away_from_primary``; all of them the playbook's words, never an alert's."""

    to: str | None = Field(
        None, min_length=1, max_length=128, description="identifier of the weighted record that gets all the weight"
    )
    values: tuple[str, ...] = Field((), max_length=20, description="what a simple record answers from now on")
    away_from_primary: bool = Field(
        False, description="the health check of the primary of a failover pair says unhealthy, whatever it sees"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum((self.to is not None, bool(self.values), self.away_from_primary)) != 1:
            raise ValueError("route53_failover needs exactly one of to, values and away_from_primary")
        if bad := [value for value in self.values if not _VALUE.fullmatch(value)]:
            raise ValueError(f"{bad[0]!r} is neither an address nor a name")
        return self


class Route53Failover:
    """Always asks (S14): where clients are sent is nothing that a machine decides alone. Undone by what was there before."""

    name: ClassVar[str] = "aws.route53_failover"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"route53-record"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind
        if params.away_from_primary:
            return (*route53.READ_RECORDS, *health_checks.READ_CHECK, *health_checks.SWITCH_CHECK)
        reads = health_checks.READ_STATUS if params.to is not None else ()
        return (*route53.READ_RECORDS, *reads, *route53.READ_CHANGES, *route53.CHANGE_RECORDS)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        name, _ = route53.name_and_type(target)
        if name.startswith("*"):
            raise PlanRefusedError("wildcard", f"{name} stands for many names; a failover is of one")
        try:
            found = await route53.records(ctx.aws, target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        asked = params.model_dump(mode="json")
        if params.away_from_primary:
            return await route53_primary.plan(ctx, self.name, self.version, target, found, asked)
        return await route53_records.plan(ctx, self.name, self.version, target, found, asked)

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        if _by_primary(plan):
            return await route53_primary.apply(ctx, plan)
        return await route53_records.apply(ctx, plan, intent_id)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at
        if _by_primary(plan):
            return await route53_primary.landed(ctx, plan)
        return await route53_records.landed(ctx, plan, intent_id)

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        if _by_primary(plan):
            return await route53_primary.verify(ctx, plan)
        return await route53_records.verify(ctx, plan, applied)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        if _by_primary(plan):
            return await route53_primary.undo_plan(ctx, plan)
        return await route53_records.undo_plan(ctx, plan, intent_id)


def _by_primary(plan: Plan) -> bool:
    return bool(plan.params["away_from_primary"])
