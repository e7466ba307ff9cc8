"""``aws.ecs_restart``: a new deployment of an ECS service, which replaces every task by the service's own rules."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.ecs_service import (
    KINDS,
    memory_of,
    new_messages,
    refuse_at_zero,
    refuse_during_deployment,
    service_of_plan,
)
from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.write_once import not_there, write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws.ecs import READ_SERVICE, SERVICE, WRITE_SERVICE, EcsService, read_service
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_TELLS_OF_ONE = ("(deployment ", "rolling back")
"""Of a deployment that the circuit breaker rolled back, the service's own messages are all that is left."""


class Params(ActionParams):
    """The task definition stays; an image tag that was moved meanwhile is pulled anew, as AWS does it."""

    all_at_once: Literal["refuse", "accept"] = Field(
        "refuse",
        description="accept: also a service whose minimumHealthyPercent is 0, which may stop all its tasks before it starts others",
    )


class EcsRestart:
    """Mark: a deployment of the same task definition that was not there when the plan was made. ECS does not say whose it is; another
    one forced by somebody in the same seconds is taken for ours, and does the same."""

    name: ClassVar[str] = "aws.ecs_restart"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = KINDS
    effect_within: ClassVar[timedelta] = timedelta(minutes=45)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_SERVICE, WRITE_SERVICE)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        service = await service_of_plan(ctx, target)
        refuse_at_zero(service)
        if service.controller != "ECS":
            raise PlanRefusedError(
                "other_controller",
                f"deployments of service {service.cluster}/{service.name} are made by {service.controller}: begin one there",
            )
        if service.minimum_healthy == 0 and params.all_at_once != "accept":
            raise PlanRefusedError(
                "all_at_once",
                f"service {service.cluster}/{service.name} has minimumHealthyPercent 0, so all its tasks may stop at once; raise "
                "that, or let the playbook say all_at_once: accept",
            )
        refuse_during_deployment(ctx, service)
        body = _body(service)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=service.uid,
            depends_on=_dependencies(service),
            changes=(Change("deployment", service.deployments[0].id, "a new one of the same task definition"),),
            calls=(Call("ecs:UpdateService", str(target), body),),
            fidelity=await fidelity_of(ctx, target, (WRITE_SERVICE,)),
            summary=f"restart ECS service {service.cluster}/{service.name} by a new deployment{_breaker(service)}",
            params=params.model_dump(mode="json"),
            memory=memory_of(service),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # the API takes no mark
        return await write_once(
            plan,
            read=lambda: read_service(ctx.aws, plan.target.within, plan.target.name),
            present=_dependencies,
            write=lambda service: ctx.aws.write(SERVICE, "update_service", **_body(service)),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        found = await _same(ctx, plan)
        if isinstance(found, Look):
            return found
        known = set(plan.memory["deployments"])
        new = [one for one in found.deployments if one.id not in known]
        ours = [one for one in new if one.task_definition == plan.depends_on["task_definition"]]
        if ours:
            return Look(Answer.YES, f"deployment {ours[0].id} of {found.name} is new, {ours[0].rollout}")
        if new:
            return Look(Answer.UNKNOWN, f"{found.name} was deployed anew with {new[0].task_definition} meanwhile")
        if told := [one for one in new_messages(found, plan) if any(word in one for word in _TELLS_OF_ONE)]:
            return Look(Answer.UNKNOWN, f"{found.name} has no new deployment any more, but says: {told[0]}")
        return not_there(ctx, begun_at, f"{found.name} has no new deployment")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        found = await _same(ctx, plan)
        if isinstance(found, Look):
            return found
        primary = found.primary
        new = primary is not None and primary.id not in plan.memory["deployments"]
        told = f"{found}{f' ({primary.reason})' if primary is not None and primary.reason else ''}"
        return Look(answer_of(new and found.steady), told)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


async def _same(ctx: ActionContext, plan: Plan) -> EcsService | Look:
    try:
        service = await read_service(ctx.aws, plan.target.within, plan.target.name)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    if service.uid != plan.uid:
        return Look(Answer.UNKNOWN, f"{plan.target.name} was made again since")
    return service


def _dependencies(service: EcsService) -> dict[str, Any]:
    primary = service.primary
    return {
        "uid": service.uid,
        "task_definition": service.task_definition,
        "deployment": None if primary is None else primary.id,
        "controller": service.controller,
    }


def _body(service: EcsService) -> dict[str, Any]:
    return {"cluster": service.cluster, "service": service.name, "forceNewDeployment": True}


def _breaker(service: EcsService) -> str:
    return (
        "" if service.circuit_breaker else " (it has no circuit breaker: tasks that fail are started again and again)"
    )
