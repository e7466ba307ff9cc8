"""S21: a dry-run validates on the server and changes nothing, whatever the action."""

import inspect
from typing import Any

import pytest

from remediator.actions import ACTIONS
from remediator.actions.base import Action, ActionContext
from remediator.clients.kubernetes.client import WRITES, KubernetesClient
from remediator.errors import NotSentError, PermanentError
from remediator.runs.plan import Fidelity
from remediator.sandbox.world import World
from tests.contract.conftest import CHECKOUT, may_write

INTENT = "int_00000000000000000000000001"
PARAMS: dict[str, dict[str, Any]] = {"kubernetes.rollout_restart": {}, "kubernetes.scale": {"to": 5}}
"""A new action needs a line here: without one the test below fails."""


def versions(world: World) -> dict[tuple[str, str, str], str]:
    registry, store = world.kubernetes.registry, world.kubernetes.store
    return {
        (resource.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj["metadata"][
            "resourceVersion"
        ]
        for resource in registry
        for obj in store.all(resource)
    }


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
async def test_no_object_changes_and_every_write_is_marked(world: World, dry: KubernetesClient, action: Action) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    before, ctx = versions(world), ActionContext(dry)
    plan = await action.plan(ctx, CHECKOUT, action.params.model_validate(PARAMS[action.name]))
    await action.apply(ctx, plan, INTENT)
    assert versions(world) == before
    assert world.kubernetes.changes("deployments", "shop", "checkout") == []
    sent = [received for received in world.kubernetes.requests if received.writes]
    assert [received.dry_run for received in sent] == ["All"] * len(plan.calls)
    assert plan.fidelity is Fidelity.SERVER


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
async def test_a_dry_run_says_what_the_real_server_would_refuse(
    world: World, dry: KubernetesClient, action: Action
) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    for subresource in ("", "scale"):
        world.kubernetes.deny("patch", "deployments", subresource)
    ctx = ActionContext(dry)
    plan = await action.plan(ctx, CHECKOUT, action.params.model_validate(PARAMS[action.name]))
    with pytest.raises(PermanentError, match="missing permission"):
        await action.apply(ctx, plan, INTENT)


async def test_the_client_forgetting_the_mark_is_caught_by_the_transport(world: World, dry: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    workload = await dry.workload(CHECKOUT)
    dry._api.dry_run = False
    with may_write():
        with pytest.raises(NotSentError, match="S21"):
            await dry.restart(workload, INTENT, dry.now())
        with pytest.raises(NotSentError, match="S21"):
            await dry.scale(CHECKOUT, 5, workload.resource_version, INTENT)
    assert not [received for received in world.kubernetes.requests if received.writes]


async def test_every_method_that_is_not_listed_as_a_write_only_reads(world: World, dry: KubernetesClient) -> None:
    """A new writing method must be listed in WRITES, and so meets the test that follows."""
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    workload = await dry.workload(CHECKOUT)
    calls: dict[str, tuple[Any, ...]] = {
        "workload": (CHECKOUT,),
        "find_workloads": ("prod", "shop", "checkout"),
        "pods_of": (workload,),
        "autoscalers_of": (workload,),
        "restart_marked_by": (workload, INTENT),
    }
    methods = {
        name
        for name, _ in inspect.getmembers(KubernetesClient, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert methods == set(calls) | WRITES | {"close"}
    for name, arguments in calls.items():
        await getattr(dry, name)(*arguments)
    assert not [received for received in world.kubernetes.requests if received.writes]


async def test_every_write_goes_out_marked(world: World, dry: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    workload = await dry.workload(CHECKOUT)
    calls: dict[str, tuple[Any, ...]] = {
        "restart": (workload, INTENT, dry.now()),
        "scale": (CHECKOUT, 5, workload.resource_version, INTENT),
    }
    assert set(calls) == WRITES
    for name, arguments in calls.items():
        await getattr(dry, name)(*arguments)
    sent = [received for received in world.kubernetes.requests if received.writes]
    assert [received.dry_run for received in sent] == ["All", "All"]
