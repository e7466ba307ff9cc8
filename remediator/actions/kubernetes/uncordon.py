"""``kubernetes.uncordon``: pods may be placed on a node again."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.kubernetes.node_service import (
    UNCORDON,
    VERSION,
    cordon_plan,
    is_cordoned,
    landed_by_mark,
    uncordon_plan,
    write_mark,
)
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.node import uncordon_body
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.runs.plan import Plan
from remediator.targets import Target

_NODE = RESOURCES["node"]


class Params(ActionParams):
    """Whoever cordons a node by hand has a reason that remediator does not know."""

    any: bool = Field(False, description="true: also a node that somebody else cordoned")


class Uncordon:
    """Clears ``spec.unschedulable`` and takes our notes off. Its undo is a cordon."""

    name: ClassVar[str] = UNCORDON
    version: ClassVar[int] = VERSION
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"node"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return tuple(_NODE.permission(verb, everywhere=True) for verb in ("get", "patch"))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        node = await ctx.kubernetes.nodes.read(target)
        if not node.unschedulable:
            raise PlanRefusedError("nothing_to_change", f"node {node.name} is open to new pods already")
        if node.cordoned_by is None and not params.any:
            raise PlanRefusedError(
                "not_ours", f"node {node.name} was cordoned by somebody else; uncordon it by hand, or say any: true"
            )
        return uncordon_plan(target, node, params.model_dump(mode="json"))

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        return await write_mark(ctx, plan, intent_id, body=uncordon_body, marked=lambda node: node.intent == intent_id)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the mark names the intent itself
        return await landed_by_mark(ctx, plan, intent_id)

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        return await is_cordoned(ctx, plan, wanted=False)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Only while nobody has cordoned it since."""
        try:
            node = await ctx.kubernetes.nodes.read(plan.target)
        except TargetNotFoundError:
            return None
        if (node.uid, node.unschedulable, node.intent) != (plan.uid, False, intent_id):
            return None
        return cordon_plan(plan.target, node, {}, after=intent_id)
