"""Changes of workloads: read one, refuse what no action of theirs may do, write once (S16)."""

from collections.abc import Awaitable, Callable, Collection

from remediator.actions.base import ActionContext, Applied, PlanRefusedError
from remediator.actions.kubernetes.write_once import Dependencies as Dependencies
from remediator.actions.kubernetes.write_once import write_once
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.rollout import rollout_of
from remediator.clients.kubernetes.workload import Workload
from remediator.runs.plan import Plan
from remediator.targets import Target

SHOWN_VERSION = "<as read just before>"
SHOWN_INTENT = "<intent id>"
SHOWN_TIME = "<time of writing>"

BUILT_FOR = frozenset({"deployment", "statefulset"})


async def target_of_plan(ctx: ActionContext, target: Target, kinds: Collection[str] = BUILT_FOR) -> Workload:
    """Read the target of a plan that is to be made.

    Raises:
        PlanRefusedError: it does not exist, or is of a kind for which this action is not built.
        FactsMissingError: it could not be read.
    """
    if target.kind not in kinds:
        raise PlanRefusedError(
            "kind_not_built",
            f"{target} is a {target.kind}; this action is for {' and '.join(sorted(kinds))} only",
        )
    try:
        return await ctx.kubernetes.workloads.read(target)
    except TargetNotFoundError as error:
        raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None


def refuse_during_rollout(ctx: ActionContext, workload: Workload) -> None:
    """A rollout that can still end by itself is waited for (S8); the run's own does not count (S10)."""
    rollout = rollout_of(workload)
    if rollout.under_way and not ctx.own_changes:
        raise PlanRefusedError(
            "rollout_under_way", f"{workload.target.short}: a rollout is under way: {rollout.reason}", kind="wait"
        )


def owners_note(workload: Workload) -> str:
    """Who else keeps this workload in shape, for the plan's reader."""
    return f"; owned by {', '.join(workload.owners)}" if workload.owners else ""


async def write_fresh(
    ctx: ActionContext,
    plan: Plan,
    *,
    present: Callable[[Workload], Awaitable[Dependencies]],
    marked: Callable[[Workload], bool],
    write: Callable[[Workload], Awaitable[Applied]],
) -> Applied:
    """Carry a plan out once.

    ``present`` tells what the plan depends on as it is now; ``marked``, whether our own write is there already (one that was still
    on its way when it was given up); ``write`` sends the one request.

    Raises:
        OvertakenError: the target is gone, another, or not as planned; nothing was written.
        TransientError: it could not be read, or (ConflictError) somebody else wrote each time that we read; nothing was written.
    """
    return await write_once(
        plan,
        read=lambda: ctx.kubernetes.workloads.read(plan.target),
        present=present,
        marked=marked,
        write=write,
        facts=lambda workload: {"generation": workload.generation},
    )
