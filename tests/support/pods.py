"""What tests of single pods have in common."""

from typing import Any

from remediator.actions import action_named
from remediator.actions.base import ActionContext
from remediator.clients.permissions import Permission
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.cases.pod_cases import pod_target
from tests.support.cluster import Object, Stage

EVICT, DELETE = action_named("kubernetes.evict_pod"), action_named("kubernetes.delete_pod")
INTENT = "int_00000000000000000000000001"
NEVER_READY = {"because": "never_ready", "for_at_least": "0s"}
STUCK = {"because": "stuck_terminating", "for_at_least": "0s", "force": True}


async def up(stage: Stage, kind: str = "Deployment", **options: Any) -> Target:
    await stage.workload("checkout", kind=kind, **options)
    await stage.rolled_out("checkout", kind)
    return await first_pod(stage, kind)


async def first_pod(stage: Stage, kind: str = "Deployment") -> Target:
    pods = await stage.pods("checkout")
    return pod_target(stage, min(pods, key=lambda pod: str(pod["metadata"]["name"])), kind.lower())


async def running(stage: Stage, behaviour: str = "never-ready", **options: Any) -> Target:
    """Its pods run and are not ready."""
    await stage.workload("checkout", behaviour=behaviour, **options)
    replicas = options.get("replicas", 3)
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("updatedReplicas") == replicas)
    for pod in await stage.pods("checkout"):
        await stage.until("Pod", pod["metadata"]["name"], lambda found: found["status"].get("phase") == "Running")
    return await first_pod(stage)


async def budget(stage: Stage, name: str = "checkout", **spec: Any) -> None:
    selector = {"matchLabels": {"app": "checkout"}}
    await stage.create(
        {"kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": {"selector": selector, **spec}}
    )
    await stage.until("PodDisruptionBudget", name, _counted)


def _counted(found: Object) -> bool:
    return bool(found["status"].get("observedGeneration", 0) >= found["metadata"]["generation"])


async def context(stage: Stage, *more: Permission) -> ActionContext:
    """May do what both actions need, and what a test adds."""
    stuck = DELETE.params.model_validate(STUCK)
    wanted = {*EVICT.permissions("pod", None), *DELETE.permissions("pod", stuck), *more}
    return ActionContext(await stage.client(wanted))


async def evict_plan(ctx: ActionContext, target: Target, **params: Any) -> Plan:
    return await EVICT.plan(ctx, target, EVICT.params.model_validate(params))


async def delete_plan(ctx: ActionContext, target: Target, params: dict[str, Any]) -> Plan:
    return await DELETE.plan(ctx, target, DELETE.params.model_validate(params))
