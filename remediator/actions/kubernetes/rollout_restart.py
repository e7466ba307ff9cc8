"""``kubernetes.rollout_restart``: replace every pod of a workload by its own rollout, as kubectl does."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes import old_pods
from remediator.actions.kubernetes.fresh_write import (
    SHOWN_INTENT,
    SHOWN_TIME,
    SHOWN_VERSION,
    Dependencies,
    owners_note,
    refuse_during_rollout,
    target_of_plan,
    write_fresh,
)
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.rollout import rollout_of
from remediator.clients.kubernetes.workload import RESTARTED_AT, Workload, restart_body
from remediator.clients.kubernetes.workloads import HISTORY
from remediator.clients.permissions import Permission, read_workload
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import WORKLOAD_KINDS, Target

_RESTARTED_AT_FIELD = f"spec.template.metadata.annotations[{RESTARTED_AT}]"


class Params(ActionParams):
    """What to do with pods that the rollout does not reach by itself; without these nothing needs to be said."""

    partition: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: of a StatefulSet with a partition, restart only the pods that it reaches"
    )
    evict_old_pods: bool = Field(
        False,
        description="evict, one at a time and as disruption budgets allow, the old pods that a StatefulSet or DaemonSet does not "
        "replace itself: all of them with the strategy OnDelete, else one that is broken and holds up the order",
    )


class RolloutRestart:
    """Changes the pod template's annotations; the workload's own strategy replaces the pods, or with ``evict_old_pods`` one pass after
    another does. Not undone: old pods are gone (S24)."""

    name: ClassVar[str] = "kubernetes.rollout_restart"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset(WORKLOAD_KINDS)

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        workload, history = RESOURCES[kind], RESOURCES[HISTORY[kind]]
        return (
            *read_workload(kind),
            workload.permission("patch"),
            history.permission("list"),
            *old_pods.permissions(kind, params),
        )

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        workload = await target_of_plan(ctx, target, self.target_kinds)
        _refuse_what_would_not_restart(workload, params)
        refuse_during_rollout(ctx, workload)
        body = restart_body(SHOWN_VERSION, SHOWN_INTENT, SHOWN_TIME)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=workload.uid,
            depends_on=dict(_present(workload)),
            changes=(Change(_RESTARTED_AT_FIELD, workload.template_annotations.get(RESTARTED_AT), SHOWN_TIME),),
            calls=(Call("PATCH", path_of(target), body),),
            fidelity=Fidelity.SERVER,
            summary=f"restart {_reach(workload)}{owners_note(workload)}",
            params=params.model_dump(mode="json"),
            memory={"generation": workload.generation},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        evicts = old_pods.evicts(plan.target.kind, Params.model_validate(plan.params))

        async def present(workload: Workload) -> Dependencies:
            if evicts and await ctx.kubernetes.workloads.restart_marked_by(workload, intent_id):
                raise OvertakenError(
                    f"the template of {plan.target} was changed since this restart began; no more pods are evicted"
                )
            return _present(workload)

        async def write(workload: Workload) -> Applied:
            after = await ctx.kubernetes.workloads.restart(workload, intent_id, ctx.kubernetes.now())
            facts = {"generation": after.generation, "template": after.template_hash}
            return Applied(plan.summary, facts, complete=not evicts)

        applied = await write_fresh(
            ctx, plan, present=present, marked=lambda found: found.intent == intent_id, write=write
        )
        # Only a pass that wrote nothing yet may fail with "nothing was done".
        return await old_pods.evict_next(ctx, plan) if evicts and applied.complete else applied

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the mark names the intent itself
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
            if workload.uid != plan.uid:
                return Look(
                    Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to be restarted is gone"
                )
            marked = await ctx.kubernetes.workloads.restart_marked_by(workload, intent_id)
            partly = marked and await old_pods.any_left(ctx, workload, Params.model_validate(plan.params))
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        where = f"annotation {INTENT}={intent_id}"
        return Look(
            answer_of(marked),
            f"{where} {'is' if marked else 'is nowhere'} on {plan.target.short} or a revision of it",
            partly=partly,
        )

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied  # the read is newer than our write, so its generation is ours or a later one
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if workload.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since")
        rollout = rollout_of(workload, by_hand=old_pods.evicts(workload.kind, Params.model_validate(plan.params)))
        return Look(answer_of(rollout.done), rollout.reason)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _present(workload: Workload) -> Dependencies:
    return {"uid": workload.uid, "template": workload.template_hash, "paused": workload.paused}


def _reach(workload: Workload) -> str:
    """Which pods, and how, for people."""
    whose = f"{workload.kind} {workload.target.short}"
    how = ", all at once (its strategy is Recreate)" if workload.strategy == "Recreate" else ""
    if workload.strategy == "OnDelete":
        how = ", evicting one at a time as disruption budgets allow (its strategy is OnDelete)"
    if workload.partition == 0:
        return f"the {workload.replicas} pods of {whose}{how}"
    reached = workload.replicas - workload.partition
    return f"the {reached} of {workload.replicas} pods of {whose} that its partition {workload.partition} lets it reach{how}"


def _refuse_what_would_not_restart(workload: Workload, params: Params) -> None:
    """Each of these takes the patch with a 200 and then does nothing, or not what is meant."""
    name = f"{workload.kind} {workload.target.short}"
    if workload.paused:
        raise PlanRefusedError(
            "paused",
            f"{name} is paused, so nothing would roll; resume it first (kubectl rollout resume), if its owner agrees",
        )
    if workload.replicas == 0:
        way_out = "no node wants a pod of it" if workload.kind == "daemonset" else "scale it up if it is meant to run"
        raise PlanRefusedError("scaled_to_zero", f"{name} has no pods, so there is nothing to restart; {way_out}")
    if workload.strategy == "OnDelete" and not params.evict_old_pods:
        raise PlanRefusedError(
            "on_delete",
            f"{name} has the strategy OnDelete: its pods change only when each is taken away; evict_old_pods: true does that",
        )
    if workload.partition >= workload.replicas:
        raise PlanRefusedError(
            "partition",
            f"{name} has partition {workload.partition} and {workload.replicas} pods, so none would restart; lower the partition",
        )
    if workload.partition > 0 and params.partition == "refuse":
        raise PlanRefusedError(
            "partition",
            f"{name} has partition {workload.partition}: only {workload.replicas - workload.partition} of its "
            f"{workload.replicas} pods would restart; lower the partition, or say partition: accept",
        )
