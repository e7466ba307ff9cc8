"""``aws.zonal_shift``: keep the traffic of a load balancer away from one availability zone for a while."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from remediator.actions.aws.fidelity import fidelity_of, only_on
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws import zonal_shifts
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.load_balancers import READ_LOAD_BALANCERS, LoadBalancer, load_balancer
from remediator.clients.aws.zonal_shifts import Managed, Shift
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_SHORTEST, _LONGEST = timedelta(minutes=10), timedelta(hours=72)


class Params(ActionParams):
    """A shift ends by itself, so it needs no `for:`."""

    away_from: str = Field(
        pattern=r"^[a-z]{2,5}[0-9]{1,2}-az[0-9]{1,2}$",
        description="id of the zone, such as use1-az1: the same for every account, unlike the names us-east-1a and so on",
    )
    expires_in: Duration = Field(default="1h", validate_default=True, description="10m to 72h, in whole minutes")

    @field_validator("expires_in")
    @classmethod
    def _is_possible(cls, lasts: Any) -> Any:
        if not _SHORTEST <= lasts <= _LONGEST or lasts % timedelta(minutes=1):
            raise ValueError(
                f"accepted: whole minutes from {format_duration(_SHORTEST)} to {format_duration(_LONGEST)}"
            )
        return lasts


@dataclass(frozen=True, slots=True)
class _Found:
    balancer: LoadBalancer
    managed: Managed
    shifts: tuple[Shift, ...]

    @property
    def uid(self) -> str:
        return self.balancer.arn

    @property
    def active(self) -> tuple[Shift, ...]:
        return tuple(shift for shift in self.shifts if shift.active)


class ZonalShift:
    """The comment of a shift is our mark. Undone by cancelling it, while it runs."""

    name: ClassVar[str] = "aws.zonal_shift"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"load-balancer"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (*READ_LOAD_BALANCERS, *zonal_shifts.READ_SHIFTS, *zonal_shifts.START_SHIFT, *zonal_shifts.CANCEL_SHIFT)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await _read(ctx.aws, target)
        except TargetNotFoundError as error:
            raise PlanRefusedError(
                "target_not_found", f"{target} does not exist, or zonal shift does not manage it ({error})"
            ) from None
        _refuse(found, params.away_from)
        minutes = params.expires_in // timedelta(minutes=1)
        lasts = format_duration(params.expires_in)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=found.uid,
            depends_on={**_dependencies(found), "shift": None},
            changes=(Change(f"traffic in {params.away_from}", "as in every zone", f"none for {lasts}"),),
            calls=(
                Call(
                    "arc-zonal-shift:StartZonalShift",
                    found.balancer.arn,
                    {"awayFrom": params.away_from, "expiresIn": f"{minutes}m", "comment": "remediator <intent id>"},
                ),
            ),
            fidelity=await fidelity_of(ctx, target, only_on(zonal_shifts.START_SHIFT, found.balancer.arn)),
            summary=f"keep the traffic of {target.name} away from {params.away_from} for {lasts}",
            params=params.model_dump(mode="json"),
            memory={"arn": found.balancer.arn, "minutes": minutes},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        cancelled = plan.depends_on["shift"]

        async def read() -> _Found:
            return await _read(ctx.aws, plan.target)

        def present(found: _Found) -> Mapping[str, Any]:
            ours = next((shift.id for shift in found.active if shift.id == cancelled), None)
            return {**_dependencies(found), "shift": ours}

        def marked(found: _Found) -> bool:
            """Ours was started, or the one that we cancel is over: each can happen only once."""
            if cancelled is None:
                return any(shift.intent == intent_id for shift in found.shifts)
            return any(shift.id == cancelled and not shift.active for shift in found.shifts)

        async def write(found: _Found) -> dict[str, Any] | None:
            if cancelled is not None:
                return {} if await zonal_shifts.cancel(ctx.aws, str(cancelled)) else None
            zone, minutes = str(plan.params["away_from"]), int(plan.memory["minutes"])
            made = await zonal_shifts.start(ctx.aws, found.balancer.arn, zone, minutes, intent_id)
            return None if made is None else {"shift": made.id}

        return await write_once(plan, read=read, present=present, write=write, facts=dict, marked=marked)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at
        try:
            found = await zonal_shifts.shifts(ctx.aws, str(plan.memory["arn"]))
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if (cancelled := plan.depends_on["shift"]) is not None:
            shift = next((one for one in found if one.id == cancelled), None)
            if shift is None:
                return Look(Answer.UNKNOWN, f"shift {cancelled} is not listed any more")
            # Whoever cancelled it: it was ours, and it can be ended only once.
            return Look(answer_of(not shift.active), f"shift {shift.id} is {shift.status}")
        ours = [shift for shift in found if shift.intent == intent_id]
        if ours:
            return Look(Answer.YES, f"shift {ours[0].id} has our comment and is {ours[0].status}")
        return Look(Answer.NO, f"none of {len(found)} shifts of {plan.target.name} has our comment")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            found = await zonal_shifts.managed(ctx.aws, str(plan.memory["arn"]))
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        zone = str(plan.params["away_from"])
        weight = found.weights.get(zone)
        if weight is None:
            return Look(Answer.UNKNOWN, f"{plan.target.name} has no weight for {zone}")
        wanted = weight > 0 if plan.depends_on["shift"] is not None else weight == 0
        return Look(answer_of(wanted), f"{zone} has weight {weight:g} in {plan.target.name}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Only of one that still runs and is ours."""
        if plan.depends_on["shift"] is not None:
            return None
        try:
            found = await _read(ctx.aws, plan.target)
        except TargetNotFoundError:
            return None
        ours = [shift for shift in found.active if shift.intent == intent_id]
        if found.uid != plan.uid or not ours:
            return None
        zone = str(plan.params["away_from"])
        return Plan(
            action=self.name,
            version=self.version,
            target=plan.target,
            uid=plan.uid,
            depends_on={"uid": plan.uid, "shift": ours[0].id},
            changes=(Change(f"traffic in {zone}", "none", "as in every zone"),),
            calls=(Call("arc-zonal-shift:CancelZonalShift", ours[0].id, {}),),
            fidelity=await fidelity_of(ctx, plan.target, only_on(zonal_shifts.CANCEL_SHIFT, found.balancer.arn)),
            summary=f"let {plan.target.name} use {zone} again",
            params=dict(plan.params),
            memory=dict(plan.memory),
        )


async def _read(api: AwsApi, target: Target) -> _Found:
    balancer = await load_balancer(api, target)
    managed = await zonal_shifts.managed(api, balancer.arn)
    return _Found(balancer, managed, await zonal_shifts.shifts(api, balancer.arn))


def _dependencies(found: _Found) -> dict[str, Any]:
    return {
        "uid": found.uid,
        "zones": sorted(found.managed.weights),
        "shifted": sorted(shift.away_from for shift in found.active),
        "autoshifted": sorted(found.managed.autoshifts),
    }


def _refuse(found: _Found, zone: str) -> None:
    name = found.balancer.name
    if found.balancer.state not in ("active", "active_impaired"):
        raise PlanRefusedError("not_active", f"{name} is {found.balancer.state or 'in no known state'}", kind="wait")
    if zone not in found.managed.weights:
        zones = ", ".join(sorted(found.managed.weights)) or "none"
        raise PlanRefusedError("no_such_zone", f"{name} is not in {zone}; its zones: {zones}")
    if found.managed.autoshifts:
        raise PlanRefusedError(
            "autoshift_under_way", f"AWS itself keeps {name} away from {found.managed.autoshifts[0]} now", kind="wait"
        )
    if found.active:
        shift = found.active[0]
        raise PlanRefusedError(
            "shift_under_way",
            f"{name} is kept away from {shift.away_from} until {shift.expires_at:%Y-%m-%d %H:%M}Z; one shift at a time",
            kind="wait",
        )
    left = [one for one, weight in found.managed.weights.items() if one != zone and weight > 0]
    if not left:
        raise PlanRefusedError("no_zone_left", f"{name} would have no zone left without {zone}")
