"""``kubernetes.hpa_bounds``: move one bound of an autoscaler, or of the KEDA ScaledObject that made it."""

from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.bounds_of_target import Found, find, read, same
from remediator.actions.kubernetes.fresh_write import BUILT_FOR, SHOWN_INTENT, SHOWN_VERSION
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.answers import Answer
from remediator.clients.kubernetes.bounds import Bounds, Side, bounds_body
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.managers import last_writer
from remediator.clients.kubernetes.marks import FIELD_MANAGER, INTENT
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.ownership import owners_of
from remediator.clients.permissions import Permission, read_workload
from remediator.conditions.base import Look
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_HPA, _KEDA = RESOURCES["horizontalpodautoscaler"], RESOURCES["scaledobject"]


class Params(ActionParams):
    """Exactly one of ``min``, ``max``, ``min_by`` and ``max_by``. The latter two need a ``bound`` upwards."""

    min: int | None = Field(None, ge=0, le=1000, description="the least replicas to have")
    max: int | None = Field(None, ge=1, le=1000, description="the most replicas to have")
    min_by: int | None = Field(None, ge=-100, le=100, description="so many more (negative: fewer) at least")
    max_by: int | None = Field(None, ge=-100, le=100, description="so many more (negative: fewer) at most")
    bound: int | None = Field(
        None, ge=1, le=1000, description="how far min_by or max_by may get; required for a positive one"
    )
    scaled_object: bool = Field(
        False, description="the autoscaler is made by a KEDA ScaledObject, whose counts are changed in its place"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = {name: getattr(self, name) for name in ("min", "max", "min_by", "max_by")}
        named = [name for name, value in given.items() if value is not None]
        if len(named) != 1:
            raise ValueError("hpa_bounds needs exactly one of min, max, min_by and max_by")
        if self.step == 0:
            raise ValueError(f"{named[0]}: 0 changes nothing; accepted: a number below or above 0")
        if self.step is None and self.bound is not None:
            raise ValueError(f"bound has no meaning beside {named[0]}; leave it out")
        if self.step is not None and self.step > 0 and self.bound is None:
            raise ValueError(f"{named[0]}: {self.step} needs bound")
        return self

    @property
    def side(self) -> Side:
        return "minimum" if self.min is not None or self.min_by is not None else "maximum"

    @property
    def step(self) -> int | None:
        """Above or below 0; None for ``min`` and ``max``, which say no direction."""
        return self.min_by if self.min_by is not None else self.max_by

    def wanted(self, minimum: int, maximum: int) -> int:
        """The bound to have. A step stops at the other bound, and never goes against its own direction."""
        if self.step is None:
            return self.min if self.min is not None else self.max or 0
        present = minimum if self.side == "minimum" else maximum
        lowest, highest = (1, maximum) if self.side == "minimum" else (max(minimum, 1), 1000)
        if self.step > 0:
            return max(min(present + self.step, self.bound or highest, highest), present)
        return min(max(present + self.step, self.bound or lowest, lowest), present)


class HpaBounds:
    """Of an autoscaler itself, or of the one that scales the target. Where the size then goes is for the remedy's verify to say."""

    name: ClassVar[str] = "kubernetes.hpa_bounds"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = BUILT_FOR | {"horizontalpodautoscaler"}

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        find = (*read_workload(kind), _HPA.permission("list")) if kind in BUILT_FOR else (_HPA.permission("get"),)
        change = (
            (_KEDA.permission("get"), _KEDA.permission("patch"))
            if params.scaled_object
            else (_HPA.permission("patch"),)
        )
        return (*find, *change)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        """More is kept, less is put back (S24). ``min`` and ``max`` say no direction: what was before is put back."""
        return "keep" if params.step is not None and params.step > 0 else "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        if target.kind not in self.target_kinds:
            kinds = " and ".join(sorted(self.target_kinds))
            raise PlanRefusedError("kind_not_built", f"{target} is a {target.kind}; this action is for {kinds} only")
        try:
            found = await find(ctx, target, scaled_object=params.scaled_object)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        bounds = found.bounds
        if bounds.idle:
            raise PlanRefusedError("autoscaler_idle", f"{bounds} does not scale now: {bounds.idle}")
        wanted, side = params.wanted(bounds.minimum, bounds.maximum), params.side
        if wanted == bounds.of(side):
            bound = "" if params.bound is None else f" (bound {params.bound})"
            raise PlanRefusedError(
                "nothing_to_change", f"{bounds} has the {side} {wanted} already, and may not get further{bound}"
            )
        if (side == "minimum" and wanted > bounds.maximum) or (side == "maximum" and wanted < bounds.minimum):
            raise PlanRefusedError(
                "bounds_crossed",
                f"{bounds} goes from {bounds.minimum} to {bounds.maximum}; a {side} of {wanted} would cross: move the other first",
            )
        return _plan(target, found, params, wanted)

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        params, wanted = Params.model_validate(plan.params), int(plan.changes[0].after)

        async def present(found: Found) -> Dependencies:
            return {**_present(found), "intent": found.bounds.annotations.get(INTENT)}

        async def write(found: Found) -> Applied:
            after = await ctx.kubernetes.bounds.write(found.bounds, params.side, wanted, intent_id)
            return Applied(plan.summary, {params.side: after.of(params.side)})

        return await write_once(
            plan,
            read=lambda: read(ctx, plan.target, scaled_object=params.scaled_object),
            present=present,
            marked=lambda found: found.bounds.annotations.get(INTENT) == intent_id,
            write=write,
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        params = Params.model_validate(plan.params)
        found = await same(ctx, plan, scaled_object=params.scaled_object)
        if isinstance(found, Look):
            return found
        if found.annotations.get(INTENT) == intent_id:
            return Look(Answer.YES, f"annotation {INTENT}={intent_id} is on {found}")
        writer = last_writer(found.managers, *found.field(params.side))
        if _written(found, params.side) == plan.memory["written"] and found.of(params.side) == plan.changes[0].before:
            return Look(Answer.NO, f"the {params.side} of {found} was not written since the plan")
        written_at = None if writer is None or writer.name == FIELD_MANAGER else writer.at
        if writer is not None and written_at is not None and written_at >= begun_at.replace(microsecond=0):
            # Whoever replaces the object whole takes our mark away.
            return Look(
                Answer.UNKNOWN, f"{writer.name} wrote the {params.side} at {written_at:%H:%M:%S}Z, after we began"
            )
        return Look(Answer.NO, f"annotation {INTENT}={intent_id} is not on {found}")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied  # the plan says which bound there is to be
        params = Params.model_validate(plan.params)
        found = await same(ctx, plan, scaled_object=params.scaled_object)
        if isinstance(found, Look):
            return found
        return Look(
            answer_of(found.of(params.side) == int(plan.changes[0].after)),
            f"{found} goes from {found.minimum} to {found.maximum}",
        )

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Only while the bound is as we left it and nobody else has written it since (S25)."""
        params = Params.model_validate(plan.params)
        before, after = int(plan.changes[0].before), int(plan.changes[0].after)
        try:
            found = await find(ctx, plan.target, scaled_object=params.scaled_object)
        except (TargetNotFoundError, PlanRefusedError):
            return None
        bounds, field = found.bounds, found.bounds.field(params.side)
        ours = {**plan.depends_on, params.side: after, "intent": intent_id}
        mark = bounds.annotations.get(INTENT)
        if {**_present(found), "intent": mark} != ours or any(
            one.owns(*field) and one.name != FIELD_MANAGER for one in bounds.managers
        ):
            return None
        # With the parameters of the step: as a parameter, what was there before may be more than a playbook may ask for.
        return _plan(plan.target, found, params, before, mark=intent_id)


def _plan(target: Target, found: Found, params: Params, wanted: int, *, mark: str | None = None) -> Plan:
    bounds, side = found.bounds, params.side
    before = bounds.of(side)
    field = ".".join(bounds.field(side))
    back = "back " if mark is not None else ""
    return Plan(
        action=HpaBounds.name,
        version=HpaBounds.version,
        target=target,
        uid=found.uid,
        depends_on=_present(found) if mark is None else {**_present(found), "intent": mark},
        changes=(Change(field, before, wanted),),
        calls=(Call("PATCH", bounds.path, bounds_body(bounds.kind, SHOWN_VERSION, SHOWN_INTENT, side, wanted)),),
        fidelity=Fidelity.SERVER,
        summary=f"move the {side} of {bounds} {back}from {before} to {wanted} replicas",
        params=params.model_dump(mode="json"),
        memory={"written": _written(bounds, side)},
        owners=owners_of(bounds, *bounds.field(side)) if mark is None else (),
    )


def _present(found: Found) -> dict[str, Any]:
    """The other bound too: moved meanwhile, the two could cross."""
    bounds = found.bounds
    return {"uid": found.uid, "autoscaler": bounds.uid, "minimum": bounds.minimum, "maximum": bounds.maximum}


def _written(bounds: Bounds, side: Side) -> list[str] | None:
    """Who wrote the bound last, and when, in whole seconds."""
    writer = last_writer(bounds.managers, *bounds.field(side))
    return None if writer is None else [writer.name, str(writer.at)]
