"""``kubernetes.restore_namespace``: every size back that ``kubernetes.scale_namespace`` took away."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.kubernetes.fresh_write import SHOWN_INTENT
from remediator.actions.kubernetes.namespace_sizes import (
    Body,
    call,
    depends_on,
    landed_each,
    sizes_of_plan,
    write_each,
)
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.sized import REPLICATED, Sized
from remediator.clients.kubernetes.sizes import WITH_CRON_JOBS, NamespaceSizes, read_sizes
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.runs.plan import Change, Fidelity, Plan
from remediator.targets import Target

NAME = "kubernetes.restore_namespace"
VERSION = 1


class Params(ActionParams):
    """There is nothing to choose: what carries a remembered size gets it back."""


class RestoreNamespace:
    """In the other order: CronJobs, then KEDA, then what it scales.

    What somebody has given a size meanwhile keeps that, and the old one is forgotten. Not undone.
    """

    name: ClassVar[str] = NAME
    version: ClassVar[int] = VERSION
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"namespace"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (*read_sizes(WITH_CRON_JOBS), *(RESOURCES[one].permission("patch") for one in reversed(WITH_CRON_JOBS)))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        del params
        sizes = await sizes_of_plan(ctx, target, WITH_CRON_JOBS)
        things = [thing for thing in sizes.things if thing.before is not None]
        if spoilt := [thing.key for thing in things if not thing.restorable]:
            text = f"what {', '.join(spoilt)[:200]} remembers is no size; set it by hand and remove the annotation"
            raise PlanRefusedError("size_unreadable", text)
        if not things and not ctx.own_changes:
            raise PlanRefusedError("nothing_to_change", f"nothing in namespace {target.name} remembers a size")
        return restore_plan(target, sizes, things, WITH_CRON_JOBS)

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        def body(thing: Sized) -> Body | None:
            if thing.before is None:
                return None
            back = thing.key in plan.memory["sizes"] and thing.at_nothing and thing.restorable
            return thing.back(intent_id) if back else thing.forget(intent_id)

        return await write_each(ctx, plan, plan.memory["kinds"], body)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the marks name the intent itself

        def marked(thing: Sized) -> bool:
            return thing.intent == intent_id and thing.before is None

        return await landed_each(ctx, plan, plan.memory["kinds"], marked)

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            sizes = await ctx.kubernetes.sizes.of(plan.target, plan.memory["kinds"])
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if sizes.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target} was made again since")
        waiting = [
            f"{thing.key} wants {thing.size} and has {thing.available} available"
            for thing in sizes.things
            if thing.kind in REPLICATED and thing.key in plan.depends_on["things"] and not thing.is_up
        ]
        return Look(Answer.of(not waiting), "; ".join(waiting[:3]) or f"namespace {plan.target.name} is up again")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def restore_plan(target: Target, sizes: NamespaceSizes, things: Sequence[Sized], kinds: Sequence[str]) -> Plan:
    """To give these things back what they remember."""
    ordered = sorted(things, key=lambda thing: -WITH_CRON_JOBS.index(thing.kind))
    # A zero that somebody else wrote since is theirs (S25), save where an autoscaler writes.
    back = [thing for thing in ordered if thing.at_nothing and (not thing.taken_over or sizes.scaled(thing.key))]
    others = [thing for thing in ordered if thing not in back and not sizes.scaled(thing.key)]
    note = f"; left, since somebody has set them: {', '.join(thing.key for thing in others)[:300]}" if others else ""
    return Plan(
        action=NAME,
        version=VERSION,
        target=target,
        uid=sizes.uid,
        depends_on=depends_on(sizes.uid, ordered),
        changes=tuple(Change(f"{thing.key} size", "nothing", thing.before) for thing in back),
        calls=tuple(
            call(target, thing, thing.back(SHOWN_INTENT) if thing in back else thing.forget(SHOWN_INTENT))
            for thing in ordered
        ),
        fidelity=Fidelity.SERVER,
        summary=f"give {len(back)} things in namespace {target.name} the size back that they remember{note}",
        params={},
        memory={"kinds": list(kinds), "sizes": {thing.key: thing.before for thing in back}},
    )
