"""What tests of nodes have in common. Each has nodes of its own, which are its pool: those of others do not count."""

from typing import Any

from remediator.actions import action_named
from remediator.actions.base import ActionContext
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.cases.node_cases import POOL, node_target
from tests.controlplane.words import READY
from tests.support.cluster import Object, Stage

CORDON, UNCORDON, DRAIN = (action_named(f"kubernetes.{name}") for name in ("cordon", "uncordon", "drain"))
FIRST, SECOND, THIRD = (f"int_0000000000000000000000000{number}" for number in (1, 2, 3))
"""Intents."""


async def context(stage: Stage, *, dry_run: bool = False, own_changes: bool = False) -> ActionContext:
    """A drain's permissions are enough for all three."""
    client = await stage.client(DRAIN.permissions("node", None), dry_run=dry_run)
    return ActionContext(client, own_changes=own_changes)


async def cordon_plan(ctx: ActionContext, target: Target, **params: Any) -> Plan:
    return await CORDON.plan(ctx, target, CORDON.params.model_validate({"pool": POOL, **params}))


async def drain_plan(ctx: ActionContext, target: Target, **params: Any) -> Plan:
    return await DRAIN.plan(ctx, target, DRAIN.params.model_validate({"pool": POOL, **params}))


async def uncordon_plan(ctx: ActionContext, target: Target, **params: Any) -> Plan:
    return await UNCORDON.plan(ctx, target, UNCORDON.params.model_validate(params))


async def node(stage: Stage, target: Target) -> Object:
    return await stage.get("Node", target.name)


async def closed(stage: Stage, target: Target) -> bool:
    return bool((await node(stage, target)).get("spec", {}).get("unschedulable"))


async def second_node(stage: Stage, first: Target) -> Target:
    found = await stage.list("Node", f"{POOL}={stage.namespace}")
    return node_target(next(one["metadata"]["name"] for one in found if one["metadata"]["name"] != first.name))


async def set_ready(stage: Stage, target: Target, ready: str) -> None:
    await stage.patch("Node", target.name, {"metadata": {"annotations": {READY: ready}}})
    await stage.until("Node", target.name, lambda found: _is_ready(found) == (ready == "True"))


def _is_ready(found: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found["status"].get("conditions", []))


async def names_on(stage: Stage, target: Target) -> set[str]:
    pods = await stage.list("Pod")
    return {
        str(pod["metadata"]["name"])
        for pod in pods
        if pod["spec"].get("nodeName") == target.name and "deletionTimestamp" not in pod["metadata"]
    }
