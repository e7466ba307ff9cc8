"""A failover without a change of records: the health check of the primary is told to say unhealthy.

Disabled alone would count as healthy, and inverted alone as the opposite of what the checkers see, so a primary that is down already
would come back. Disabled and inverted is unhealthy whatever they see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.actions.aws.fidelity import fidelity_of, only_on
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws import health_checks, route53
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.errors import AwsRefusedError
from remediator.clients.aws.health_checks import HealthCheck
from remediator.clients.aws.route53 import Records
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_WRITTEN_SINCE = "HealthCheckVersionMismatch"


@dataclass(frozen=True, slots=True)
class _Found:
    records: Records
    check: HealthCheck

    @property
    def uid(self) -> str:
        return self.records.uid


async def plan(
    ctx: ActionContext, action: str, version: int, target: Target, found: Records, params: Mapping[str, Any]
) -> Plan:
    """Raises PlanRefusedError where there is no failover pair whose primary has a health check of its own."""
    check_id = _check_of_primary(found)
    try:
        check = await health_checks.health_check(ctx.aws, check_id)
    except TargetNotFoundError as error:
        raise FactsMissingError(f"the health check of the primary is gone: {error}") from None
    if check.forced == "unhealthy":
        raise PlanRefusedError(
            "nothing_to_change", f"health check {check.id} of the primary of {found.name} says unhealthy already"
        )
    return Plan(
        action=action,
        version=version,
        target=target,
        uid=found.uid,
        depends_on=_dependencies(_Found(found, check)),
        changes=_changes(check, inverted=True, disabled=True),
        calls=(_call(check, inverted=True, disabled=True),),
        fidelity=await _fidelity(ctx, target, check),
        summary=f"let {found.name} {found.type} lead to its secondary: health check {check.id} of its primary says unhealthy, "
        "also to every other record that has it",
        params=dict(params),
        memory={"undoes": None, "answers": _answers(found)},
    )


async def apply(ctx: ActionContext, plan: Plan) -> Applied:
    """One write against the version that was planned with."""
    wanted = {change.field: bool(change.after) for change in plan.changes}

    async def write(found: _Found) -> dict[str, Any] | None:
        try:
            version = await health_checks.switch(
                ctx.aws,
                found.check,
                inverted=wanted.get("Inverted", found.check.inverted),
                disabled=wanted.get("Disabled", found.check.disabled),
            )
        except AwsRefusedError as error:
            if error.code == _WRITTEN_SINCE:
                raise OvertakenError(
                    f"health check {found.check.id} was changed since it was read; nothing was done"
                ) from None
            raise
        return None if version is None else {"version": version}

    return await write_once(plan, read=lambda: _read(ctx.aws, plan), present=_dependencies, write=write, facts=dict)


async def landed(ctx: ActionContext, plan: Plan) -> Look:
    """A check takes no mark, but every write counts its version on, and ours is only taken against the one planned with: a version one
    higher, with what we wanted, is ours, or somebody wrote just the same in the same moment and ours was refused."""
    try:
        check = await health_checks.health_check(ctx.aws, str(plan.depends_on["health_check"]))
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    planned = int(plan.depends_on["version"])
    seen = f"health check {check.id} has version {check.version}, planned with {planned}"
    if check.version == planned:
        return Look(Answer.NO, seen)
    if check.version == planned + 1 and _as_wanted(check, plan):
        return Look(Answer.YES, f"{seen}: the one write since was ours")
    return Look(
        Answer.UNKNOWN, f"{seen}, inverted {check.inverted}, disabled {check.disabled}: not what we would have left"
    )


async def verify(ctx: ActionContext, plan: Plan) -> Look:
    """Checkers take it over within a minute; what is answered then, ``dns_answers`` says."""
    try:
        check = await health_checks.health_check(ctx.aws, str(plan.depends_on["health_check"]))
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    said = check.forced or "what its checkers see"
    return Look(answer_of(_as_wanted(check, plan)), f"health check {check.id} says {said}")


async def undo_plan(ctx: ActionContext, plan: Plan) -> Plan | None:
    """As it was before, if nobody has written since."""
    if plan.memory["undoes"] is not None:
        return None
    try:
        found = await _read(ctx.aws, plan)
    except TargetNotFoundError:
        return None
    check = found.check
    if found.uid != plan.uid or check.version != int(plan.depends_on["version"]) + 1 or not _as_wanted(check, plan):
        return None
    before = {"inverted": bool(plan.depends_on["inverted"]), "disabled": bool(plan.depends_on["disabled"])}
    return Plan(
        action=plan.action,
        version=plan.version,
        target=plan.target,
        uid=plan.uid,
        depends_on=_dependencies(found),
        changes=_changes(check, **before),
        calls=(_call(check, **before),),
        fidelity=await _fidelity(ctx, plan.target, check),
        summary=f"let health check {check.id} of the primary say what it said before",
        params=dict(plan.params),
        memory={"undoes": check.version, "answers": []},
    )


async def _read(api: AwsApi, plan: Plan) -> _Found:
    found = await route53.records(api, plan.target)
    return _Found(found, await health_checks.health_check(api, str(plan.depends_on["health_check"])))


async def _fidelity(ctx: ActionContext, target: Target, check: HealthCheck) -> Fidelity:
    named = f"arn:{ctx.aws.partition}:route53:::healthcheck/{check.id}"
    return await fidelity_of(ctx, target, only_on(health_checks.SWITCH_CHECK, named))


def _dependencies(found: _Found) -> dict[str, Any]:
    return {
        "uid": found.uid,
        "pair": sorted(f"{one.role} {one.identifier} {one.leads_to} {one.health_check}" for one in found.records.sets),
        "health_check": found.check.id,
        "version": found.check.version,
        "inverted": found.check.inverted,
        "disabled": found.check.disabled,
    }


def _check_of_primary(found: Records) -> str:
    roles = {one.role: one for one in found.sets}
    if set(roles) != {"PRIMARY", "SECONDARY"}:
        raise PlanRefusedError(
            "no_failover_pair",
            f"{found.name} {found.type} has {found.sets[0].routing} records, and only a pair of primary and secondary can be led "
            "away from its primary; accepted: to for weighted records, values for a simple one",
        )
    if not roles["PRIMARY"].health_check:
        raise PlanRefusedError(
            "no_health_check",
            f"the primary of {found.name} {found.type} has no health check of its own that could say unhealthy; give it one",
        )
    if roles["SECONDARY"].health_check == roles["PRIMARY"].health_check:
        raise PlanRefusedError(
            "same_health_check",
            f"primary and secondary of {found.name} {found.type} have one health check: both would be down",
        )
    return roles["PRIMARY"].health_check


def _answers(found: Records) -> list[str]:
    return [value for one in found.sets if one.role == "SECONDARY" for value in one.values]


def _as_wanted(check: HealthCheck, plan: Plan) -> bool:
    present = {"Inverted": check.inverted, "Disabled": check.disabled}
    return all(present[change.field] == change.after for change in plan.changes)


def _changes(check: HealthCheck, *, inverted: bool, disabled: bool) -> tuple[Change, ...]:
    both = (Change("Inverted", check.inverted, inverted), Change("Disabled", check.disabled, disabled))
    return tuple(change for change in both if change.before != change.after)


def _call(check: HealthCheck, *, inverted: bool, disabled: bool) -> Call:
    return Call(
        "route53:UpdateHealthCheck",
        f"healthcheck/{check.id}",
        {"HealthCheckVersion": check.version, "Inverted": inverted, "Disabled": disabled},
    )
