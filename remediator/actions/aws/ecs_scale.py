"""``aws.ecs_scale``: how many tasks an ECS service is to run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from remediator.actions.aws.ecs_service import (
    KINDS,
    memory_of,
    new_messages,
    refuse_at_zero,
    refuse_during_deployment,
    service_of_plan,
)
from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.sizing import SizeParams
from remediator.actions.aws.write_once import not_there, write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws.ecs import (
    READ_SCALING,
    READ_SERVICE,
    SERVICE,
    WRITE_SERVICE,
    EcsService,
    read_service,
    scalers_of,
)
from remediator.clients.aws.ownership import stacks_of
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_STARTS_AND_STOPS = ("has started", "has stopped", "was unable to place")


class Params(SizeParams):
    """A number of tasks."""


@dataclass(frozen=True, slots=True)
class Sized:
    """A service and who else changes its size."""

    service: EcsService
    scalers: tuple[str, ...]


class EcsScale:
    """More tasks are kept when refuted, fewer put back.

    ECS keeps no mark of who set a number. What tells is the number, that the deployment was written since the plan, and that the
    service began to start or stop tasks since. Somebody who sets the very same number in the same seconds is taken for us; the
    number is absolute, so nothing is done twice by that.
    """

    name: ClassVar[str] = "aws.ecs_scale"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = KINDS
    effect_within: ClassVar[timedelta] = timedelta(minutes=20)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_SERVICE, READ_SCALING, WRITE_SERVICE)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        return "keep" if params.grows else "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        service = await service_of_plan(ctx, target)
        if service.daemon:
            raise PlanRefusedError(
                "daemon", f"service {service.cluster}/{service.name} runs one task on each instance; it has no number"
            )
        refuse_at_zero(service)
        if scalers := await scalers_of(ctx.aws, service.cluster, service.name):
            raise PlanRefusedError(
                "autoscaler_owns_size",
                f"{scalers[0]} sizes service {service.cluster}/{service.name} and would put it back: change its minimum or maximum "
                "where they are kept",
            )
        wanted = params.wanted(service.desired)
        if wanted == service.desired:
            raise PlanRefusedError(
                "nothing_to_change",
                f"service {service.cluster}/{service.name} wants {service.desired} tasks already, and may not get further"
                f"{params.bound}",
            )
        refuse_during_deployment(ctx, service)
        return _plan(
            self,
            target,
            service,
            wanted,
            fidelity=await fidelity_of(ctx, target, (WRITE_SERVICE,)),
            params=params.model_dump(mode="json"),
            owners=stacks_of(service.tags),
            summary=f"scale ECS service {service.cluster}/{service.name} from {service.desired} to {wanted} tasks",
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # the API takes no mark
        wanted = int(plan.changes[0].after)

        async def read() -> Sized:
            service = await read_service(ctx.aws, plan.target.within, plan.target.name)
            return Sized(service, await scalers_of(ctx.aws, service.cluster, service.name))

        return await write_once(
            plan,
            read=read,
            present=lambda sized: _dependencies(sized.service, sized.scalers),
            write=lambda sized: ctx.aws.write(
                SERVICE,
                "update_service",
                cluster=sized.service.cluster,
                service=sized.service.name,
                desiredCount=wanted,
            ),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        before, after = int(plan.changes[0].before), int(plan.changes[0].after)
        try:
            service = await read_service(ctx.aws, plan.target.within, plan.target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if service.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{service.name} was made again; the one that was to be scaled is gone")
        written = _written(service) != plan.memory["written"]
        moved = [one for one in new_messages(service, plan) if any(word in one for word in _STARTS_AND_STOPS)]
        if service.desired == after and written and moved:
            return Look(Answer.YES, f"{service.name} wants {after} since the plan: {moved[-1]}")
        if service.desired == before and not moved:
            return not_there(
                ctx, begun_at, f"{service.name} wants {before} tasks as before, and has started and stopped none"
            )
        return Look(Answer.UNKNOWN, f"{service.name} wants {service.desired} tasks; who set that cannot be told yet")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            service = await read_service(ctx.aws, plan.target.within, plan.target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if service.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{service.name} was made again since")
        return Look(answer_of(service.desired == int(plan.changes[0].after) and service.steady), str(service))

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Only while the number and the deployment are as this step left them."""
        del intent_id
        before, after = int(plan.changes[0].before), int(plan.changes[0].after)
        try:
            service = await read_service(ctx.aws, plan.target.within, plan.target.name)
            scalers = await scalers_of(ctx.aws, service.cluster, service.name)
        except TargetNotFoundError:
            return None
        if _dependencies(service, scalers) != {**plan.depends_on, "desired": after}:
            return None
        return _plan(
            self,
            plan.target,
            service,
            before,
            fidelity=plan.fidelity,
            # Not checked: what was there before may be more than a playbook may ask for.
            params=Params.model_construct(to=before).model_dump(mode="json"),
            owners=(),
            summary=f"put ECS service {service.cluster}/{service.name} back from {after} to {before} tasks",
        )


def _plan(
    action: EcsScale,
    target: Target,
    service: EcsService,
    wanted: int,
    *,
    fidelity: Fidelity,
    params: Mapping[str, Any],
    owners: tuple[str, ...],
    summary: str,
) -> Plan:
    body = {"cluster": service.cluster, "service": service.name, "desiredCount": wanted}
    return Plan(
        action=action.name,
        version=action.version,
        target=target,
        uid=service.uid,
        depends_on=_dependencies(service, ()),
        changes=(Change("desiredCount", service.desired, wanted),),
        calls=(Call("ecs:UpdateService", str(target), body),),
        fidelity=fidelity,
        summary=summary,
        params=params,
        memory={**memory_of(service), "written": _written(service)},
        owners=owners,
    )


def _dependencies(service: EcsService, scalers: tuple[str, ...]) -> dict[str, Any]:
    primary = service.primary
    return {
        "uid": service.uid,
        "desired": service.desired,
        "deployment": None if primary is None else primary.id,
        "autoscaler": scalers[0] if scalers else None,
    }


def _written(service: EcsService) -> str:
    primary = service.primary
    return "" if primary is None or primary.updated_at is None else primary.updated_at.isoformat()
