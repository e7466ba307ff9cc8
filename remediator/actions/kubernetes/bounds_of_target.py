"""Where the bounds of a target's autoscaler are kept: exactly one place, or a reason why there is none."""

from dataclasses import dataclass

from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.bounds import Bounds
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError
from remediator.runs.plan import Plan
from remediator.targets import Target


@dataclass(frozen=True, slots=True)
class Found:
    """The target's own uid, and what keeps its bounds."""

    uid: str
    bounds: Bounds


async def find(ctx: ActionContext, target: Target, *, scaled_object: bool) -> Found:
    """Raises TargetNotFoundError, FactsMissingError, and PlanRefusedError where there is not exactly one of the kind that is meant."""
    if target.kind == "horizontalpodautoscaler":
        autoscaler = await ctx.kubernetes.bounds.read(target)
        uid = autoscaler.uid
    else:
        uid = (await ctx.kubernetes.workloads.read(target)).uid
        autoscaler = _only(target, await ctx.kubernetes.bounds.of_workload(target))
    made_by = autoscaler.scaled_object
    if made_by is None and scaled_object:
        raise PlanRefusedError(
            "no_scaled_object", f"{autoscaler} is made by no KEDA ScaledObject: leave scaled_object out"
        )
    if made_by is not None and not scaled_object:
        raise PlanRefusedError(
            "scaled_object_owns_bounds",
            f"{autoscaler} is made by KEDA ScaledObject {target.namespace}/{made_by}, which puts it back: scaled_object: true changes "
            "that in its place",
        )
    if made_by is None:
        return Found(uid, autoscaler)
    made = await ctx.kubernetes.bounds.of_scaled_object(target.namespace, made_by)
    if made.aim != autoscaler.aim:
        # What says that it made the autoscaler is text that whoever may write the autoscaler can choose.
        raise PlanRefusedError(
            "scaled_object_of_another",
            f"{autoscaler} says that it is made by {made}, which scales {'/'.join(made.aim[1:])} and not "
            f"{'/'.join(autoscaler.aim[1:])}: mend its owner reference or its name",
        )
    return Found(uid, made)


def _only(target: Target, found: tuple[Bounds, ...]) -> Bounds:
    if len(found) == 1:
        return found[0]
    if not found:
        raise PlanRefusedError(
            "no_autoscaler", f"no autoscaler scales {target.short}: change its size (kubernetes.scale)"
        )
    named = ", ".join(str(one) for one in found)
    raise PlanRefusedError(
        "many_autoscalers", f"{target.short} has more than one autoscaler ({named}): leave one of them"
    )


async def read(ctx: ActionContext, target: Target, *, scaled_object: bool) -> Found:
    try:
        return await find(ctx, target, scaled_object=scaled_object)
    except PlanRefusedError as refused:
        raise OvertakenError(f"{refused}; nothing was done") from None


async def same(ctx: ActionContext, plan: Plan, *, scaled_object: bool) -> Bounds | Look:
    """What the plan was made for, or that it cannot be told."""
    try:
        found = await find(ctx, plan.target, scaled_object=scaled_object)
    except (TargetNotFoundError, FactsMissingError, PlanRefusedError) as error:
        return Look(Answer.UNKNOWN, str(error))
    if (found.uid, found.bounds.uid) != (plan.uid, plan.depends_on["autoscaler"]):
        return Look(Answer.UNKNOWN, f"{plan.target.short} or its autoscaler was made again since")
    return found.bounds
