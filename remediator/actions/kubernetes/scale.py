"""``kubernetes.scale``: set or change the number of replicas of a Deployment or StatefulSet that no autoscaler owns."""

from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.fresh_write import (
    BUILT_FOR,
    SHOWN_VERSION,
    Dependencies,
    owners_note,
    refuse_during_rollout,
    target_of_plan,
    write_fresh,
)
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.marks import intent_manager
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.ownership import owners_of
from remediator.clients.kubernetes.workload import Autoscaler, Workload, scale_body
from remediator.clients.kubernetes.workloads import scale_marked_by
from remediator.clients.permissions import Permission, read_workload
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target


class Params(ActionParams):
    """Exactly one of ``to``, ``by`` and ``by_percent``. The latter two need the bound that they move towards."""

    to: int | None = Field(None, ge=0, le=1000, description="the number of replicas to have")
    by: int | None = Field(None, ge=-100, le=100, description="replicas to add; negative removes")
    by_percent: int | None = Field(
        None,
        ge=-100,
        le=1000,
        description="so many percent of the present replicas more or fewer, rounded up, at least one",
    )
    max_replicas: int | None = Field(
        None, gt=0, le=1000, description="never more than this; required for a positive `by` or `by_percent`"
    )
    min_replicas: int | None = Field(
        None, gt=0, le=1000, description="never fewer than this; required for a negative `by` or `by_percent`"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(given is not None for given in (self.to, self.by, self.by_percent)) != 1:
            raise ValueError("scale needs exactly one of to, by and by_percent")
        if self.direction == 0:
            raise ValueError(f"{self._said} changes nothing; accepted: a number below or above 0")
        accepted = None if self.direction is None else "max_replicas" if self.direction > 0 else "min_replicas"
        for name in ("max_replicas", "min_replicas"):
            if (getattr(self, name) is not None) != (name == accepted):
                why = f"{self._said} needs {name}" if name == accepted else f"{name} has no meaning here; leave it out"
                raise ValueError(why)
        return self

    @property
    def direction(self) -> int | None:
        """Above or below 0; None for ``to``, which says none."""
        return self.by if self.by is not None else self.by_percent

    @property
    def _said(self) -> str:
        return f"by: {self.by}" if self.by is not None else f"by_percent: {self.by_percent}"

    def wanted(self, replicas: int) -> int:
        """From so many replicas to how many; never against the direction that is given."""
        if self.direction is None:
            return self.to if self.to is not None else replicas
        step = self.by if self.by is not None else _share(replicas, self.direction)
        if self.max_replicas is not None:
            return max(min(replicas + step, self.max_replicas), replicas)
        return min(max(replicas + step, self.min_replicas or 1), replicas)


def _share(replicas: int, percent: int) -> int:
    """Away from zero, so that a small share of a small number is one and not none."""
    size = -(-replicas * abs(percent) // 100)
    return size if percent > 0 else -size


class Scale:
    """Writes ``spec.replicas`` through the scale subresource. Whether the pods can run is for the remedy's verify to say: nothing
    checks quotas or room on nodes when the number is taken."""

    name: ClassVar[str] = "kubernetes.scale"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = BUILT_FOR

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        autoscalers = RESOURCES["horizontalpodautoscaler"].permission("list")
        return (*read_workload(kind), RESOURCES[kind].permission("patch", "scale"), autoscalers)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        """More replicas are kept, fewer are put back (S24). ``to`` says no direction: what was before is put back."""
        return "keep" if params.direction is not None and params.direction > 0 else "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        workload = await target_of_plan(ctx, target)
        if autoscalers := await ctx.kubernetes.autoscalers.of(workload):
            raise PlanRefusedError("autoscaler_owns_size", _way_out(autoscalers[0]))
        if workload.replicas == 0:
            raise PlanRefusedError(
                "scaled_to_zero", f"{target.short} is scaled to zero; scale it up by hand if it is meant to run"
            )
        wanted = params.wanted(workload.replicas)
        if wanted == workload.replicas:
            raise PlanRefusedError(
                "nothing_to_change",
                f"{target.short} has {workload.replicas} replicas already, and may not get further{_bound(params)}",
            )
        refuse_during_rollout(ctx, workload)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=workload.uid,
            depends_on={"uid": workload.uid, "replicas": workload.replicas, "autoscaler": None},
            changes=(Change("spec.replicas", workload.replicas, wanted),),
            calls=(Call("PATCH", path_of(target, "scale"), scale_body(SHOWN_VERSION, wanted)),),
            fidelity=Fidelity.SERVER,
            summary=f"scale {target.kind} {target.short} from {workload.replicas} to {wanted} replicas{owners_note(workload)}",
            params=params.model_dump(mode="json"),
            memory={"replicas": workload.replicas, "generation": workload.generation},
            owners=owners_of(workload, "spec", "replicas"),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        wanted = int(plan.changes[0].after)

        async def present(workload: Workload) -> Dependencies:
            autoscalers = await ctx.kubernetes.autoscalers.of(workload)
            return {
                "uid": workload.uid,
                "replicas": workload.replicas,
                "autoscaler": str(autoscalers[0]) if autoscalers else None,
                "written_by": _writers(workload),
            }

        def marked(workload: Workload) -> bool:
            return scale_marked_by(workload, intent_id)

        async def write(workload: Workload) -> Applied:
            after = await ctx.kubernetes.workloads.scale(plan.target, wanted, workload.resource_version, intent_id)
            return Applied(plan.summary, {"replicas": after.replicas})

        return await write_fresh(ctx, plan, present=present, marked=marked, write=write)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if workload.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to be scaled is gone")
        if scale_marked_by(workload, intent_id):
            return Look(Answer.YES, f"managedFields of {plan.target.short} name our write")
        if workload.generation == plan.memory.get("generation"):
            return Look(Answer.NO, f"nothing in {plan.target.short} was changed since the plan was made")
        # Whoever writes the field takes our mark away, so a later writer hides whether we did. A write through the scale subresource
        # has no time there, any other one whole seconds.
        owners = [manager for manager in workload.managers if manager.owns("spec", "replicas")]
        earlier = begun_at.replace(microsecond=0)
        if owners and all(manager.at is not None and manager.at < earlier for manager in owners):
            return Look(Answer.NO, f"spec.replicas was last written before we began, by {_writers(workload)}")
        return Look(Answer.UNKNOWN, f"{_writers(workload)} may have written spec.replicas after we began")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied  # the plan says how many there are to be
        wanted = int(plan.changes[0].after)
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if workload.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since")
        seen = f"{workload.replicas} wanted, {workload.total} there, {workload.available} available"
        done = (
            workload.observed_generation >= workload.generation
            and workload.replicas == workload.total == wanted
            and workload.available >= wanted
        )
        return Look(answer_of(done), seen)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Raises FactsMissingError when it cannot be read who wrote last, OvertakenError never: what is not ours is left alone."""
        before, after = int(plan.changes[0].before), int(plan.changes[0].after)
        try:
            workload = await ctx.kubernetes.workloads.read(plan.target)
        except TargetNotFoundError:
            return None
        mark = intent_manager(intent_id)
        if (workload.uid, workload.replicas, _writers(workload)) != (plan.uid, after, mark):
            return None
        if await ctx.kubernetes.autoscalers.of(workload):
            return None
        return Plan(
            action=self.name,
            version=self.version,
            target=plan.target,
            uid=plan.uid,
            depends_on={"uid": plan.uid, "replicas": after, "autoscaler": None, "written_by": mark},
            changes=(Change("spec.replicas", after, before),),
            calls=(Call("PATCH", path_of(plan.target, "scale"), scale_body(SHOWN_VERSION, before)),),
            fidelity=Fidelity.SERVER,
            summary=f"put {plan.target.kind} {plan.target.short} back from {after} to {before} replicas",
            # Not checked: what was there before may be more than a playbook may ask for.
            params=Params.model_construct(to=before).model_dump(mode="json"),
            memory={"replicas": after, "generation": workload.generation},
        )


def _writers(workload: Workload) -> str:
    """Who owns ``spec.replicas``. We alone, after a write of ours: whoever wrote since either took it over or shares it."""
    return ", ".join(sorted({one.name for one in workload.managers if one.owns("spec", "replicas")}))


def _bound(params: Params) -> str:
    bound = params.max_replicas or params.min_replicas
    return "" if bound is None else f" (bound {bound})"


def _way_out(autoscaler: Autoscaler) -> str:
    if autoscaler.scaled_object is not None:
        return (
            f"{autoscaler} owns its size and would put it back: change its minReplicaCount or maxReplicaCount "
            "(kubernetes.hpa_bounds with scaled_object: true), or pause it with the annotation autoscaling.keda.sh/paused-replicas"
        )
    return (
        f"{autoscaler} owns its size ({autoscaler.min_replicas} to {autoscaler.max_replicas}) and would put it back: raise its "
        "minReplicas or maxReplicas (kubernetes.hpa_bounds), or remove it"
    )
