"""``kubernetes.scale_namespace``: everything in a namespace to zero, every size remembered in the thing itself."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.kubernetes.fresh_write import SHOWN_INTENT
from remediator.actions.kubernetes.namespace_sizes import (
    Body,
    call,
    change,
    depends_on,
    landed_each,
    sizes_of_plan,
    write_each,
)
from remediator.actions.kubernetes.restore_namespace import restore_plan
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.sized import REPLICATED, Sized
from remediator.clients.kubernetes.sizes import WITH_CRON_JOBS, WITHOUT_CRON_JOBS, NamespaceSizes, read_sizes
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.runs.plan import Fidelity, Plan
from remediator.targets import Target


class Params(ActionParams):
    """What stays, and what becomes of CronJobs."""

    but_not: tuple[str, ...] = Field(
        (),
        alias="except",
        description="names of Deployments, StatefulSets, CronJobs and ScaledObjects that are left as they are",
    )
    cronjobs: Literal["keep", "suspend"] = Field(
        "keep", description="keep: they go on starting Jobs; suspend: until they are restored"
    )

    @property
    def kinds(self) -> Sequence[str]:
        return WITH_CRON_JOBS if self.cronjobs == "suspend" else WITHOUT_CRON_JOBS


class ScaleNamespace:
    """Writes each Deployment and StatefulSet, pauses each KEDA ScaledObject at zero, suspends CronJobs if told.

    A HorizontalPodAutoscaler switches itself off at zero and is left as it is. DaemonSets, Jobs and single pods go on.
    """

    name: ClassVar[str] = "kubernetes.scale_namespace"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"namespace"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind
        return (*read_sizes(params.kinds), *(RESOURCES[one].permission("patch") for one in params.kinds))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        sizes = await sizes_of_plan(ctx, target, params.kinds)
        _refuse_unknown_names(sizes, params.but_not)
        things = [thing for thing in sizes.things if not thing.at_nothing and not _excepted(thing, params.but_not)]
        _refuse_what_wakes_by_itself(sizes, things)
        if lost := [f"{thing.key} ({thing.size[:40]})" for thing in things if not thing.can_come_back]:
            text = f"a size that could not be given back: {', '.join(lost)[:300]}; set another by hand, or except it"
            raise PlanRefusedError("size_unreadable", text)
        if not things and not ctx.own_changes:
            raise PlanRefusedError("nothing_to_change", f"everything in namespace {target.name} is at zero already")
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=sizes.uid,
            depends_on=depends_on(sizes.uid, things),
            changes=tuple(change(thing, sizes, "nothing") for thing in things),
            calls=tuple(call(target, thing, thing.to_nothing(SHOWN_INTENT)) for thing in things),
            fidelity=Fidelity.SERVER,
            summary=_summary(target, things, params),
            params=params.model_dump(mode="json", by_alias=True),
            memory={
                "sizes": {thing.key: thing.size for thing in things},
                "autoscalers": {name: list(bounds) for name, bounds in sizes.bounds.items()},
            },
            owners=tuple(sorted({owner for thing in things for owner in thing.owners})),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        def body(thing: Sized) -> Body | None:
            return None if thing.at_nothing else thing.to_nothing(intent_id)

        return await write_each(ctx, plan, _params(plan).kinds, body)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the marks name the intent itself
        return await landed_each(ctx, plan, _params(plan).kinds, lambda thing: _ours(thing, intent_id))

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        params = _params(plan)
        try:
            sizes = await ctx.kubernetes.sizes.of(plan.target, params.kinds)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if sizes.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target} was made again since")
        running = sizes.running(params.but_not)
        return Look(Answer.of(not running), "; ".join(running[:3]) or f"namespace {plan.target.name} is at zero")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Raises FactsMissingError. What somebody scaled since is left as it is."""
        kinds = _params(plan).kinds
        try:
            sizes = await ctx.kubernetes.sizes.of(plan.target, kinds)
        except TargetNotFoundError:
            return None
        things = [thing for thing in sizes.things if _ours(thing, intent_id) and thing.restorable]
        if sizes.uid != plan.uid or not things:
            return None
        return restore_plan(plan.target, sizes, things, kinds)


def _params(plan: Plan) -> Params:
    return Params.model_validate(dict(plan.params))


def _ours(thing: Sized, intent_id: str) -> bool:
    return thing.intent == intent_id and thing.before is not None


def _excepted(thing: Sized, names: Sequence[str]) -> bool:
    """By its own name; a ScaledObject also with what it scales."""
    return thing.name in names or thing.scales.partition("/")[2] in names


def _refuse_unknown_names(sizes: NamespaceSizes, names: Sequence[str]) -> None:
    """A name that is mistyped would take away what was to be kept."""
    present = {thing.name for thing in sizes.things}
    if unknown := [name for name in names if name not in present]:
        raise PlanRefusedError(
            "unknown_exception", f"except names what is not there: {', '.join(sorted(unknown))[:200]}"
        )


def _refuse_what_wakes_by_itself(sizes: NamespaceSizes, things: Sequence[Sized]) -> None:
    keys = {thing.key for thing in things}
    for name, (aimed, minimum, _) in sizes.bounds.items():
        if minimum == 0 and aimed in keys:
            text = (
                f"HorizontalPodAutoscaler {name} may scale from zero (minReplicas 0), so it would bring {aimed} back; give it a "
                "minimum of 1 or except what it scales"
            )
            raise PlanRefusedError("scales_from_zero", text)


def _summary(target: Target, things: Sequence[Sized], params: Params) -> str:
    counts = Counter(thing.kind for thing in things)
    replicas = sum(int(thing.size) for thing in things if thing.kind in REPLICATED)
    words = {
        "deployment": "Deployments",
        "statefulset": "StatefulSets",
        "scaledobject": "ScaledObjects paused",
        "cronjob": "CronJobs suspended",
    }
    listed = (
        ", ".join(f"{counts[kind]} {word}" for kind, word in words.items() if counts[kind]) or "nothing that is left"
    )
    kept = f", except {', '.join(params.but_not)}" if params.but_not else ""
    going_on = "DaemonSets and Jobs go on" if params.cronjobs == "suspend" else "DaemonSets, Jobs and CronJobs go on"
    return f"scale namespace {target.name} to zero{kept}: {listed}, {replicas} replicas in all, each size remembered; {going_on}"
