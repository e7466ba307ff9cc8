"""``kubernetes.evict_pod``: have one pod replaced, as far as its disruption budget allows."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.kubernetes.pod_removal import gone, landed_going, pod_of_plan, read_planned
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.clients.kubernetes.budgets import objection
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.single_pod import SinglePod
from remediator.clients.kubernetes.single_pods import eviction_body
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target


class Params(ActionParams):
    """By default somebody must be left to answer."""

    last_replica: Literal["accept"] | None = Field(
        None, description="accept: also when no other pod of its controller is ready"
    )


class EvictPod:
    """One POST to the eviction API, bound to the pod's uid. Not undone: the pod is gone, and its controller makes another."""

    name: ClassVar[str] = "kubernetes.evict_pod"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"pod"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        pod = RESOURCES[kind]
        return (
            pod.permission("get"),
            pod.permission("list"),
            pod.permission("create", "eviction"),
            RESOURCES["poddisruptionbudget"].permission("list"),
        )

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        pod = await pod_of_plan(ctx, target)
        if pod.terminating:
            raise PlanRefusedError("pod_going", f"{pod.short} is going already", kind="wait")
        found = objection(pod, await ctx.kubernetes.budgets.of(pod.namespace))
        if found is not None and not found.passes:
            raise PlanRefusedError("budget_never_allows", found.text)
        if found is not None:
            raise PlanRefusedError("budget_exhausted", found.text, kind="wait")
        if not pod.of_daemon_set and params.last_replica != "accept":
            await _refuse_the_last(ctx, pod)
        lost = f"; what is in its {', '.join(pod.empty_dirs)} (emptyDir) is lost" if pod.empty_dirs else ""
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=pod.uid,
            depends_on={"uid": pod.uid},
            changes=(Change("pod", pod.uid, None),),
            calls=(Call("POST", path_of(target, "eviction"), eviction_body(pod.namespace, pod.name, pod.uid)),),
            fidelity=Fidelity.SERVER,
            summary=f"evict pod {pod.short} of {pod.controller} from node {pod.node or '(none yet)'}{lost}",
            params=params.model_dump(mode="json"),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # an eviction keeps no mark: the pod going is the mark

        async def present(pod: SinglePod) -> Dependencies:
            return {"uid": pod.uid}

        async def write(pod: SinglePod) -> Applied:
            await ctx.kubernetes.single_pods.evict(pod)
            return Applied(plan.summary, {"uid": pod.uid})

        return await write_once(
            plan,
            read=lambda: read_planned(ctx, plan),
            present=present,
            marked=lambda pod: pod.terminating,
            write=write,
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        return await landed_going(ctx, plan, begun_at)

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        return await gone(ctx, plan)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


async def _refuse_the_last(ctx: ActionContext, pod: SinglePod) -> None:
    """A budget need not exist, and one replica is an outage while it is replaced."""
    beside = [
        one
        for one in await ctx.kubernetes.single_pods.selected(pod.namespace)
        if one.controller_uid == pod.controller_uid and one.uid != pod.uid
    ]
    if not any(one.ready and not one.terminating for one in beside):
        raise PlanRefusedError(
            "last_replica",
            f"{pod.short} has no other ready pod of {pod.controller} beside it; scale out first, or say last_replica: accept",
        )
