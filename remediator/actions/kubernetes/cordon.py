"""``kubernetes.cordon``: no new pods on a node. Those that are there stay."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.kubernetes.node_service import (
    CORDON,
    VERSION,
    OutOfServiceParams,
    cordon_plan,
    is_cordoned,
    landed_by_mark,
    refuse_one_too_many,
    uncordon_plan,
    write_mark,
)
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.node import cordon_body
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.runs.plan import Plan
from remediator.targets import Target

_NODE = RESOURCES["node"]


class Params(OutOfServiceParams):
    """See there."""


class Cordon:
    """Sets ``spec.unschedulable`` and notes on the node that it was us. Its undo is an uncordon."""

    name: ClassVar[str] = CORDON
    version: ClassVar[int] = VERSION
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"node"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return tuple(_NODE.permission(verb, everywhere=True) for verb in ("get", "list", "patch"))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        node = await ctx.kubernetes.nodes.read(target)
        if node.unschedulable:
            who = "by remediator" if node.cordoned_by else "by somebody else"
            raise PlanRefusedError("already_cordoned", f"node {node.name} is cordoned already, {who}")
        refuse_one_too_many(node, await ctx.kubernetes.nodes.all(), params)
        return cordon_plan(target, node, params.model_dump(mode="json"))

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        return await write_mark(
            ctx, plan, intent_id, body=cordon_body, marked=lambda node: node.cordoned_by == intent_id
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the mark names the intent itself
        return await landed_by_mark(ctx, plan, intent_id)

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        return await is_cordoned(ctx, plan, wanted=True)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Only while the node is cordoned by this very intent: one that somebody opened and closed again is theirs."""
        try:
            node = await ctx.kubernetes.nodes.read(plan.target)
        except TargetNotFoundError:
            return None
        if node.uid != plan.uid or node.cordoned_by != intent_id:
            return None
        return uncordon_plan(plan.target, node, {})
