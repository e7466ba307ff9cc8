"""One step of many writes: a size of each thing in a namespace, every one marked by itself, so that doing it again finds it done."""

from collections.abc import Callable, Sequence
from typing import Any

from remediator.actions.base import ActionContext, Applied, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import ConflictError, TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.sized import Sized
from remediator.clients.kubernetes.sizes import NamespaceSizes
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError, PermanentError, TransientError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

READS = 5
"""How often one write that met a conflict is prepared anew."""

Body = dict[str, Any]


async def sizes_of_plan(ctx: ActionContext, target: Target, kinds: Sequence[str]) -> NamespaceSizes:
    """Read the namespace of a plan that is to be made.

    Raises:
        PlanRefusedError: it does not exist or is being deleted.
        FactsMissingError: it could not be read.
    """
    try:
        sizes = await ctx.kubernetes.sizes.of(target, kinds)
    except TargetNotFoundError as error:
        raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
    if sizes.terminating:
        raise PlanRefusedError("terminating", f"namespace {target.name} is being deleted")
    return sizes


def call(target: Target, thing: Sized, body: Body) -> Call:
    """As a plan shows it."""
    shown = {**body, "metadata": {**body["metadata"], "resourceVersion": "<as read just before>"}}
    return Call("PATCH", RESOURCES[thing.kind].path(target.name, thing.name), shown)


def depends_on(uid: str, things: Sequence[Sized]) -> dict[str, Any]:
    """The namespace and the things. Not their sizes: those are remembered as they are when they are taken away."""
    return {"uid": uid, "things": {thing.key: thing.uid for thing in things}}


async def write_each(
    ctx: ActionContext, plan: Plan, kinds: Sequence[str], body_of: Callable[[Sized], Body | None]
) -> Applied:
    """Write what ``body_of`` says of each thing of the plan, None being done already.

    What could not be written, after something was, is left to the next pass.

    Raises:
        OvertakenError: the namespace, or the first thing, is another; nothing was written.
        TransientError, PermanentError: the first write failed so; nothing was written.
        OutcomeUnknownError: one was sent, and no answer came: ``landed_each`` tells how far it went.
    """
    sizes = await _read(ctx, plan, kinds)
    written, left = 0, ""
    for key in plan.depends_on["things"]:
        try:
            written += await _write(ctx, plan, sizes.get(key), body_of)
        except (OvertakenError, TransientError, PermanentError) as error:
            if not written:
                raise
            left = str(error)
            break
    return Applied(f"{plan.summary}; left for later: {left}" if left else plan.summary, {}, complete=not left)


async def _read(ctx: ActionContext, plan: Plan, kinds: Sequence[str]) -> NamespaceSizes:
    try:
        sizes = await ctx.kubernetes.sizes.of(plan.target, kinds)
    except TargetNotFoundError:
        raise OvertakenError(f"{plan.target} is gone; nothing was done") from None
    except FactsMissingError as error:
        raise TransientError(f"nothing was written: {error}") from None
    if sizes.uid != plan.uid:
        raise OvertakenError(f"{plan.target} was deleted and made again since the plan; nothing was done")
    return sizes


async def _write(ctx: ActionContext, plan: Plan, thing: Sized | None, body_of: Callable[[Sized], Body | None]) -> bool:
    """Returns whether anything was written. What is gone has no size any more."""
    for reads_left in reversed(range(READS)):
        if thing is None:
            return False
        if thing.uid != plan.depends_on["things"][thing.key]:
            raise OvertakenError(f"{thing.key} was deleted and made again since the plan")
        if (body := body_of(thing)) is None:
            return False
        try:
            await ctx.kubernetes.sizes.write(plan.target, thing, body)
            return True
        except TargetNotFoundError:
            return False
        except ConflictError:
            if not reads_left:
                raise
        try:
            thing = await ctx.kubernetes.sizes.again(plan.target, thing)
        except FactsMissingError as error:
            raise TransientError(f"not written: {error}") from None
    raise AssertionError("the last attempt returns or raises")


async def landed_each(ctx: ActionContext, plan: Plan, kinds: Sequence[str], marked: Callable[[Sized], bool]) -> Look:
    """Which of the plan's things carry our mark: all, some (the rest is still to be done) or none."""
    try:
        sizes = await ctx.kubernetes.sizes.of(plan.target, kinds)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    if sizes.uid != plan.uid:
        return Look(Answer.UNKNOWN, f"{plan.target} was made again since")
    wanted = plan.depends_on["things"]
    present = [thing for thing in sizes.things if wanted.get(thing.key) == thing.uid]
    count = sum(map(marked, present))
    seen = f"{count} of {len(present)} things of {plan.target.name} have our mark"
    return Look(Answer.of(count > 0), seen, partly=0 < count < len(present))


def change(thing: Sized, sizes: NamespaceSizes, after: str) -> Change:
    """Of an autoscaled thing without its size, which changes all the time: an approval is bound to this."""
    before = "as its autoscaler has it" if sizes.scaled(thing.key) else thing.size
    return Change(f"{thing.key} size", before, after)
