"""What evicting and deleting one pod have in common: which pods, and how one sees that it went (S15).

A pod takes no mark with it when it goes, so its uid being gone, or its going since we began, is the mark.
"""

from datetime import datetime

from remediator.actions.base import ActionContext, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.single_pod import SinglePod
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.runs.plan import Plan
from remediator.targets import Target


async def pod_of_plan(ctx: ActionContext, target: Target) -> SinglePod:
    """The pod of a plan that is to be made.

    Raises:
        PlanRefusedError: nothing that remediator knows would make it anew.
        TargetNotFoundError, FactsMissingError: it is not there, or could not be read.
    """
    pod = await ctx.kubernetes.single_pods.read(target)
    if pod.mirror:
        raise PlanRefusedError(
            "mirror_pod", f"{pod.short} is made by its kubelet from a file; change that file on node {pod.node}"
        )
    if target.workload is None:
        why = f"belongs to {pod.controller}" if pod.controller else "has no controller, so nothing would make it anew"
        raise PlanRefusedError(
            "no_workload", f"{pod.short} {why}; only pods of Deployments, StatefulSets and DaemonSets are taken away"
        )
    if pod.ended:
        raise PlanRefusedError("pod_ended", f"{pod.short} has ended ({pod.phase}): there is nothing left to stop")
    return pod


async def read_planned(ctx: ActionContext, plan: Plan) -> SinglePod:
    """The pod that bears the plan's name now."""
    return await ctx.kubernetes.single_pods.read(plan.target)


async def landed_going(ctx: ActionContext, plan: Plan, begun_at: datetime) -> Look:
    """Is it gone, or going since we began?"""
    try:
        pod = await read_planned(ctx, plan)
    except TargetNotFoundError:
        return Look(Answer.YES, f"pod {plan.target.short} is gone")
    except FactsMissingError as error:
        return Look(Answer.UNKNOWN, str(error))
    if pod.uid != plan.uid:
        return Look(Answer.YES, f"pod {pod.short} of uid {plan.uid} is gone; another has its name")
    if pod.deletion_at is None:
        return Look(Answer.NO, f"pod {pod.short} is there, and nobody has deleted it")
    # The API gives whole seconds.
    going = pod.deletion_at >= begun_at.replace(microsecond=0)
    return Look(answer_of(going), f"pod {pod.short} is going; its time ends at {pod.deletion_at:%H:%M:%S}Z")


async def gone(ctx: ActionContext, plan: Plan) -> Look:
    """Is exactly this pod gone?"""
    try:
        pod = await read_planned(ctx, plan)
    except TargetNotFoundError:
        return Look(Answer.YES, f"pod {plan.target.short} is gone")
    except FactsMissingError as error:
        return Look(Answer.UNKNOWN, str(error))
    if pod.uid != plan.uid:
        return Look(Answer.YES, f"pod {pod.short} of uid {plan.uid} is gone; another has its name")
    return Look(Answer.NO, f"pod {pod.short} is {'going' if pod.terminating else 'there'}")
