"""``kubernetes.rollout_restart``: replace every pod of a Deployment or StatefulSet by its own rollout, as kubectl does."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.fresh_write import (
    BUILT_FOR,
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
from remediator.errors import FactsMissingError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_RESTARTED_AT_FIELD = f"spec.template.metadata.annotations[{RESTARTED_AT}]"


class Params(ActionParams):
    """Restart every pod; there is nothing to choose."""


class RolloutRestart:
    """Changes the pod template's annotations; the workload's own strategy replaces the pods. Not undone: old pods are gone (S24)."""

    name: ClassVar[str] = "kubernetes.rollout_restart"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = BUILT_FOR

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        workload = RESOURCES[kind]
        return (*read_workload(kind), workload.permission("patch"), RESOURCES[HISTORY[kind]].permission("list"))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        workload = await target_of_plan(ctx, target)
        _refuse_what_would_not_restart(workload)
        refuse_during_rollout(ctx, workload)
        outage = ", all at once (its strategy is Recreate)" if workload.strategy == "Recreate" else ""
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
            summary=f"restart the {workload.replicas} pods of {target.kind} {target.short}{outage}{owners_note(workload)}",
            params=params.model_dump(mode="json"),
            memory={"generation": workload.generation},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        async def present(workload: Workload) -> Dependencies:
            return _present(workload)

        async def write(workload: Workload) -> Applied:
            after = await ctx.kubernetes.workloads.restart(workload, intent_id, ctx.kubernetes.now())
            return Applied(plan.summary, {"generation": after.generation, "template": after.template_hash})

        return await write_fresh(
            ctx, plan, present=present, marked=lambda found: found.intent == intent_id, write=write
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the mark names the intent itself
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
            if workload.uid != plan.uid:
                return Look(
                    Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to be restarted is gone"
                )
            marked = await ctx.kubernetes.workloads.restart_marked_by(workload, intent_id)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        where = f"annotation {INTENT}={intent_id}"
        return Look(
            answer_of(marked), f"{where} {'is' if marked else 'is nowhere'} on {plan.target.short} or a revision of it"
        )

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied  # the read is newer than our write, so its generation is ours or a later one
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if workload.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since")
        rollout = rollout_of(workload)
        return Look(answer_of(rollout.done), rollout.reason)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _present(workload: Workload) -> Dependencies:
    return {"uid": workload.uid, "template": workload.template_hash, "paused": workload.paused}


def _refuse_what_would_not_restart(workload: Workload) -> None:
    """Each of these takes the patch with a 200 and then does nothing, or not what is meant."""
    name = f"{workload.kind} {workload.target.short}"
    if workload.paused:
        raise PlanRefusedError(
            "paused",
            f"{name} is paused, so nothing would roll; resume it first (kubectl rollout resume), if its owner agrees",
        )
    if workload.replicas == 0:
        raise PlanRefusedError(
            "scaled_to_zero",
            f"{name} is scaled to zero, so there is nothing to restart; scale it up if it is meant to run",
        )
    if workload.strategy == "OnDelete":
        raise PlanRefusedError(
            "on_delete", f"{name} has the strategy OnDelete: pods change only when each is deleted by hand"
        )
    if workload.partition > 0:
        raise PlanRefusedError(
            "partition",
            f"{name} has partition {workload.partition}: pods below that ordinal would not restart; "
            "set the partition to 0, or delete those pods by hand",
        )
