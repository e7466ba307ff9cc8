"""What both changes of an ECS service ask of it first, and how its own starts and stops are told apart from what was there before."""

from typing import Any, Final

from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.clients.aws.ecs import EcsService, read_service
from remediator.errors import TargetNotFoundError
from remediator.runs.plan import Plan
from remediator.targets import Target

KINDS: Final = frozenset({"ecs-service"})


async def service_of_plan(ctx: ActionContext, target: Target) -> EcsService:
    """Read the service of a plan that is to be made.

    Raises:
        PlanRefusedError: there is none, it is not in service, or is scaled to zero.
        FactsMissingError: it could not be read.
    """
    try:
        service = await read_service(ctx.aws, target.within, target.name)
    except TargetNotFoundError as error:
        raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
    if service.status != "ACTIVE":
        raise PlanRefusedError("terminating", f"service {service.cluster}/{service.name} is {service.status}")
    return service


def refuse_during_deployment(ctx: ActionContext, service: EcsService) -> None:
    """A deployment that can still end by itself, by its circuit breaker too, is waited for (S8); the run's own does not count (S10)."""
    why = service.under_way
    if why is not None and not ctx.own_changes:
        raise PlanRefusedError(
            "deployment_in_progress",
            f"service {service.cluster}/{service.name}: a deployment is under way: {why}",
            kind="wait",
        )


def refuse_at_zero(service: EcsService) -> None:
    if service.desired == 0 and not service.daemon:
        raise PlanRefusedError(
            "scaled_to_zero",
            f"service {service.cluster}/{service.name} is scaled to zero; scale it up by hand if it is meant to run",
        )


def memory_of(service: EcsService) -> dict[str, Any]:
    """What tells later what is new."""
    return {"deployments": [one.id for one in service.deployments], "events": [id for id, _ in service.events]}


def new_messages(service: EcsService, plan: Plan) -> list[str]:
    """What the service has said since the plan was made, newest first."""
    known = set(plan.memory["events"])
    return [message for event, message in service.events if event not in known]
