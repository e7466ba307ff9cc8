"""``kubernetes.rollout_undo``: give a workload the pod template of an earlier revision, as ``kubectl rollout undo`` does."""

from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes import old_pods
from remediator.actions.kubernetes.fresh_write import (
    SHOWN_INTENT,
    SHOWN_VERSION,
    Dependencies,
    owners_note,
    target_of_plan,
    write_fresh,
)
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.managers import last_writer
from remediator.clients.kubernetes.marks import FIELD_MANAGER, INTENT
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.ownership import owners_of
from remediator.clients.kubernetes.revision import CHANGE_CAUSE, UNDONE, NoWay, Revision, Way, way_back
from remediator.clients.kubernetes.rollout import rollout_of
from remediator.clients.kubernetes.workload import Workload
from remediator.clients.kubernetes.workloads import HISTORY
from remediator.clients.permissions import Permission, read_workload
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import WORKLOAD_KINDS, Target

_TEMPLATE = ("spec", "template")


class Params(ActionParams):
    """Without any: the revision before the present one, if it has other images."""

    to_revision: int | None = Field(
        None, ge=1, description="the number of the revision to go back to; absent: the one before"
    )
    same_images: Literal["refuse", "accept"] = Field(
        "refuse",
        description="accept: go back also where only the rest of the template differs, as it does after a restart",
    )
    evict_old_pods: bool = Field(
        False,
        description="evict, one at a time and as disruption budgets allow, the old pods that a StatefulSet or DaemonSet does not "
        "replace itself: all of them with the strategy OnDelete, else one that is broken and holds up the order",
    )


class RolloutUndo:
    """Replaces ``spec.template`` whole, so that the controller knows it as the one it had. A rollout under way is what it is for, and
    never a reason to wait (S8)."""

    name: ClassVar[str] = "kubernetes.rollout_undo"
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
        history = await ctx.kubernetes.workloads.revisions(workload)
        if ctx.own_changes and _is_back(workload) and old_pods.evicts(target.kind, params):
            return self._rest_of(workload, params)
        _refuse_what_would_not_roll(workload, params)
        found = way_back(workload, history, to_revision=params.to_revision, same_images=params.same_images == "accept")
        if isinstance(found, NoWay):
            raise PlanRefusedError(found.code, found.why, kind="wait" if found.settling else "refuse")
        return self._plan(workload, found, params)

    def _plan(self, workload: Workload, way: Way, params: Params) -> Plan:
        target, to = workload.target, way.to
        shown = f"<of {HISTORY[target.kind]} {to.name}>"
        annotations = {INTENT: SHOWN_INTENT, UNDONE: workload.template_hash, CHANGE_CAUSE: to.change_cause}
        body = {"metadata": {"resourceVersion": SHOWN_VERSION, "annotations": annotations}, "spec": {"template": shown}}
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=workload.uid,
            depends_on={
                "uid": workload.uid,
                "template": workload.template_hash,
                "revision": to.name,
                "revision_template": to.template_hash,
                "paused": False,
            },
            changes=(Change("spec.template", way.present.name, to.name), *_images(way.present, to)),
            calls=(Call("PATCH", path_of(target), body),),
            fidelity=Fidelity.SERVER,
            summary=f"roll {target.kind} {target.short} back from revision {way.present.number} to {to.number}{owners_note(workload)}",
            params=params.model_dump(mode="json"),
            memory={"left": workload.template_hash, "to": to.template_hash, "generation": workload.generation},
            owners=owners_of(workload, *_TEMPLATE),
        )

    def _rest_of(self, workload: Workload, params: Params) -> Plan:
        """Our own rollback is written; what remains are the pods that the workload does not replace by itself."""
        target = workload.target
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=workload.uid,
            depends_on={"uid": workload.uid, "template": workload.template_hash},
            changes=(Change("pods", "of the former template", "of the present one"),),
            calls=(),
            fidelity=Fidelity.SERVER,
            summary=f"evict the old pods that {target.kind} {target.short} does not replace itself",
            params=params.model_dump(mode="json"),
            memory={
                "left": workload.annotations[UNDONE],
                "to": workload.template_hash,
                "generation": workload.generation,
            },
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        evicts = old_pods.evicts(plan.target.kind, Params.model_validate(plan.params))
        kept: dict[str, Revision] = {}

        async def present(workload: Workload) -> Dependencies:
            if "revision" not in plan.depends_on:
                raise OvertakenError(
                    f"{plan.target} no longer has the template that this rollback gave it; nothing more was done"
                )
            history = await ctx.kubernetes.workloads.revisions(workload)
            kept.update((one.name, one) for one in history)
            to = kept.get(plan.depends_on["revision"])
            return {
                "uid": workload.uid,
                "template": workload.template_hash,
                "revision": to and to.name,
                "revision_template": to and to.template_hash,
                "paused": workload.paused,
                "intent": workload.annotations.get(INTENT),
            }

        async def write(workload: Workload) -> Applied:
            to = kept[plan.depends_on["revision"]]  # there, or the comparison had stopped it
            after = await ctx.kubernetes.workloads.replace_template(workload, to, intent_id)
            facts = {"generation": after.generation, "template": after.template_hash}
            return Applied(plan.summary, facts, complete=not evicts)

        def marked(workload: Workload) -> bool:
            return workload.annotations.get(INTENT) == intent_id

        applied = await write_fresh(ctx, plan, present=present, marked=marked, write=write)
        return await old_pods.evict_next(ctx, plan) if evicts and applied.complete else applied

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
            if workload.uid != plan.uid:
                return Look(Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to go back is gone")
            history = await ctx.kubernetes.workloads.revisions(workload)
            # A Deployment's controller copies annotations to the ReplicaSet, where they outlive the next writer.
            marks = [workload.annotations, *(one.annotations for one in history)]
            if any(found.get(INTENT) == intent_id for found in marks):
                return Look(
                    Answer.YES,
                    f"annotation {INTENT}={intent_id} is on {plan.target.short} or a revision of it",
                    partly=await old_pods.any_left(ctx, workload, Params.model_validate(plan.params)),
                )
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if workload.generation == plan.memory["generation"]:
            return Look(Answer.NO, f"nothing of {plan.target.short} but its status was written since the plan")
        # kubectl's undo replaces all annotations, ours too: then only who wrote the template can say anything.
        writer = last_writer(workload.managers, *_TEMPLATE)
        written_at = None if writer is None or writer.name == FIELD_MANAGER else writer.at
        if writer is not None and written_at is not None and written_at >= begun_at.replace(microsecond=0):
            return Look(Answer.UNKNOWN, f"{writer.name} wrote spec.template at {written_at:%H:%M:%S}Z, after we began")
        return Look(Answer.NO, f"annotation {INTENT}={intent_id} is nowhere on {plan.target.short} or a revision of it")

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
        """Forward again to the template that was left, while it is kept and nobody has written since."""
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
        except TargetNotFoundError:
            return None
        if workload.uid != plan.uid or workload.paused or not _is_back(workload):
            return None
        left, to = plan.memory["left"], plan.memory["to"]
        params = Params.model_validate(plan.params)
        if _templates(workload) == (left, to) and old_pods.evicts(
            workload.kind, params
        ):  # put back, save for some of its pods
            return self._rest_of(workload, params)
        if _templates(workload) != (to, left) or workload.annotations.get(INTENT) != intent_id:
            return None
        history = {one.template_hash: one for one in await ctx.kubernetes.workloads.revisions(workload)}
        if left not in history or to not in history:
            return None
        undo = self._plan(workload, Way(history[to], history[left]), params)
        # Only while the mark of the write that is put back is still there (S25).
        return replace(undo, depends_on={**undo.depends_on, "intent": intent_id}, owners=())


def _templates(workload: Workload) -> tuple[str, str | None]:
    """The present one, and the one that our last rollback took away."""
    return workload.template_hash, workload.annotations.get(UNDONE)


def _is_back(workload: Workload) -> bool:
    """Was its present template written by a rollback of ours? A restart of ours marks the template too."""
    writer = last_writer(workload.managers, *_TEMPLATE)
    ours = writer is not None and writer.name == FIELD_MANAGER
    return ours and UNDONE in workload.annotations and workload.intent != workload.annotations.get(INTENT)


def _images(present: Revision, to: Revision) -> tuple[Change, ...]:
    names = sorted({*present.images, *to.images})
    both = ((name, present.images.get(name), to.images.get(name)) for name in names)
    return tuple(Change(f"image of {name}", before, after) for name, before, after in both if before != after)


def _refuse_what_would_not_roll(workload: Workload, params: Params) -> None:
    """Each of these takes the patch with a 200 and then does nothing, or not what is meant."""
    name = f"{workload.kind} {workload.target.short}"
    if workload.paused:
        raise PlanRefusedError(
            "paused",
            f"{name} is paused, so nothing would roll; resume it first (kubectl rollout resume), if its owner agrees",
        )
    if workload.strategy == "OnDelete" and not params.evict_old_pods:
        raise PlanRefusedError(
            "on_delete",
            f"{name} has the strategy OnDelete: its pods change only when each is taken away; evict_old_pods: true does that",
        )
    if workload.partition > 0:
        raise PlanRefusedError(
            "partition",
            f"{name} has partition {workload.partition}: pods below it have the former template already, and it holds back the others "
            "by itself; raise the partition instead",
        )
