"""``kubernetes.delete_pod``: take away a pod that an eviction cannot help: one that never gets ready, or one that never goes."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.kubernetes.pod_removal import gone, landed_going, pod_of_plan, read_planned
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.node import OUT_OF_SERVICE
from remediator.clients.kubernetes.single_pod import SinglePod
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.durations import Duration, format_duration
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target


class Params(ActionParams):
    """``never_ready`` asks no disruption budget. ``stuck_terminating`` deletes by force, and must say so."""

    because: Literal["never_ready", "stuck_terminating"]
    for_at_least: Duration = Field(timedelta(minutes=10), description="so long it must have been so")
    force: bool = Field(
        False, description="true, with stuck_terminating only: do not wait for its kubelet, which may still run it"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.force != (self.because == "stuck_terminating"):
            raise ValueError(
                "because: stuck_terminating needs force: true, since nothing else ends such a pod"
                if not self.force
                else "because: never_ready takes no force: its kubelet answers and ends it"
            )
        return self


class DeletePod:
    """One DELETE bound to the pod's uid, so that a StatefulSet's next pod of the same name is never the one that goes. Not undone."""

    name: ClassVar[str] = "kubernetes.delete_pod"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"pod"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        pod = RESOURCES[kind]
        node = (RESOURCES["node"].permission("get", everywhere=True),) if params.force else ()
        return (pod.permission("get"), pod.permission("delete"), *node)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        pod = await pod_of_plan(ctx, target)
        if params.force:
            node = await _node_that_cannot_end_it(ctx, pod)
            since, why = pod.deletion_at, f"by force: it should have ended {{}} ago, and its node {pod.node} is {node}"
            depends_on = {"uid": pod.uid, "terminating": True, "node": node}
        else:
            _refuse_what_may_get_ready(pod)
            since, why = pod.not_ready_since, "which has not been ready for {}; no disruption budget is asked"
            depends_on = {"uid": pod.uid, "terminating": False, "ready": False}
        lasted = timedelta(0) if since is None else ctx.kubernetes.now() - since
        if lasted < params.for_at_least:
            state = "has been going" if params.force else "has not been ready"
            raise PlanRefusedError(
                "not_for_long",
                f"{pod.short} {state} for {_told(lasted)}, and for_at_least is {format_duration(params.for_at_least)}",
                kind="wait",
            )
        body = {"preconditions": {"uid": pod.uid}, **({"gracePeriodSeconds": 0} if params.force else {})}
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=pod.uid,
            depends_on=depends_on,
            changes=(Change("pod", pod.uid, None),),
            calls=(Call("DELETE", path_of(target), body),),
            fidelity=Fidelity.SERVER,
            summary=f"delete pod {pod.short} of {pod.controller}, {why.format(_told(lasted))}",
            params=params.model_dump(mode="json"),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # a deletion keeps no mark: the pod going is the mark
        force = bool(plan.params["force"])

        async def present(pod: SinglePod) -> Dependencies:
            known: dict[str, Any] = {"uid": pod.uid, "terminating": pod.terminating, "ready": pod.ready}
            return {**known, "node": await _node_state(ctx, pod)} if force else known

        async def write(pod: SinglePod) -> Applied:
            await ctx.kubernetes.single_pods.delete(pod, at_once=force)
            return Applied(plan.summary, {"uid": pod.uid})

        return await write_once(
            plan,
            read=lambda: read_planned(ctx, plan),
            present=present,
            marked=lambda pod: pod.terminating and not force,
            write=write,
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        # One that was going before we began tells nothing by going; a forced end is at once.
        return await (gone(ctx, plan) if plan.params["force"] else landed_going(ctx, plan, begun_at))

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        return await gone(ctx, plan)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _refuse_what_may_get_ready(pod: SinglePod) -> None:
    if pod.terminating:
        raise PlanRefusedError("pod_going", f"{pod.short} is going already", kind="wait")
    if pod.ready:
        raise PlanRefusedError("pod_ready", f"{pod.short} is ready; kubernetes.evict_pod moves pods that are")
    if not pod.node:
        raise PlanRefusedError(
            "pod_not_scheduled", f"{pod.short} has no node yet, and the next one would find none either"
        )


async def _node_that_cannot_end_it(ctx: ActionContext, pod: SinglePod) -> str:
    """In words, for the plan. Only such a pod may be ended behind its kubelet's back."""
    if not pod.terminating:
        raise PlanRefusedError("not_terminating", f"{pod.short} is not being deleted; kubernetes.evict_pod moves it")
    if pod.finalizers:
        held = ", ".join(pod.finalizers)
        raise PlanRefusedError("finalizers", f"{pod.short} is held by {held}; only who set them may take them off")
    state = await _node_state(ctx, pod)
    if state == "ready":
        raise PlanRefusedError(
            "node_ready", f"{pod.short} is on node {pod.node}, which is ready: its kubelet may still be ending it"
        )
    if pod.controller_kind == "StatefulSet" and state == "not ready":
        raise PlanRefusedError(
            "identity_in_doubt",
            f"{pod.short} may still run on node {pod.node}, and StatefulSets rely on there being one of each name: delete the node, "
            f"or taint it {OUT_OF_SERVICE} once it is certain that it is off",
        )
    return state


async def _node_state(ctx: ActionContext, pod: SinglePod) -> str:
    if not pod.node:
        return "none"
    try:
        node = await ctx.kubernetes.nodes.read(ctx.kubernetes.nodes.target(pod.node))
    except TargetNotFoundError:
        return "gone"
    if node.ready:
        return "ready"
    return "out of service" if node.has_taint(OUT_OF_SERVICE) else "not ready"


def _told(lasted: timedelta) -> str:
    return format_duration(timedelta(seconds=max(0, int(lasted.total_seconds()))))
