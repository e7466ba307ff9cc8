"""S21: a dry-run validates on the server and changes nothing, whatever the action."""

import inspect
from typing import Any

import pytest

from remediator.actions import ACTIONS
from remediator.actions.base import Action, ActionContext
from remediator.clients.kubernetes.api import WRITES, KubernetesApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import Permission
from remediator.errors import NotSentError, PermanentError
from remediator.runs.plan import Fidelity
from remediator.sandbox import workloads
from remediator.sandbox.world import World
from tests.contract.conftest import CHECKOUT, may_write

INTENT = "int_00000000000000000000000001"
PARAMS: dict[str, dict[str, Any]] = {"kubernetes.rollout_restart": {}, "kubernetes.scale": {"to": 5}}
WORKLOAD_ACTIONS = [action for action in ACTIONS if action.name in PARAMS]
"""The others: `test_every_action.py`."""
"""A new action needs a line here: without one the test below fails."""


PATH = "/apis/apps/v1/namespaces/shop/deployments/checkout"
MAY = Permission("apps", "deployments", "get")


async def world_with_checkout(world: World) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")


def versions(world: World) -> dict[tuple[str, str, str], str]:
    registry, store = world.kubernetes.registry, world.kubernetes.store
    return {
        (resource.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj["metadata"][
            "resourceVersion"
        ]
        for resource in registry
        for obj in store.all(resource)
    }


@pytest.mark.parametrize("action", WORKLOAD_ACTIONS, ids=lambda action: action.name)
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


@pytest.mark.parametrize("action", WORKLOAD_ACTIONS, ids=lambda action: action.name)
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
    workload = await dry.workloads.read(CHECKOUT)
    dry._api.dry_run = False
    with may_write():
        with pytest.raises(NotSentError, match="S21"):
            await dry.workloads.restart(workload, INTENT, dry.now())
        with pytest.raises(NotSentError, match="S21"):
            await dry.workloads.scale(CHECKOUT, 5, workload.resource_version, INTENT)
    assert not [received for received in world.kubernetes.requests if received.writes]


async def test_every_method_that_is_not_listed_as_a_write_only_reads(world: World, dry: KubernetesClient) -> None:
    """A new writing method must be listed in WRITES, and so meets the test that follows; ``stream`` has no dry-run."""
    await world_with_checkout(world)
    asked = {"spec": {"resourceAttributes": {"group": "apps", "resource": "deployments", "verb": "get"}}}
    calls: dict[str, tuple[Any, ...]] = {
        "get": (PATH, MAY),
        "text": (PATH, MAY),
        "ask": ("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", MAY, asked),
    }
    methods = {name for name, _ in inspect.getmembers(KubernetesApi, inspect.isfunction) if not name.startswith("_")}
    assert methods == set(calls) | WRITES | {"stream", "close"}
    for name, arguments in calls.items():
        await getattr(dry._api, name)(*arguments)
    with may_write(), pytest.raises(NotSentError, match="no dry-run"):
        async with dry._api.stream("/api/v1/namespaces/shop/pods/checkout-1/exec", (MAY,), (("command", "ls"),)):
            pass
    sent = [received for received in world.kubernetes.requests if received.writes]
    assert not [received for received in sent if "/authorization.k8s.io/" not in received.path]
    assert not [received for received in world.kubernetes.requests if received.path.endswith("/exec")]


async def test_every_write_goes_out_marked(world: World, dry: KubernetesClient) -> None:
    await world_with_checkout(world)
    uid = world.kubernetes.get("deployments", "shop", "checkout")["metadata"]["uid"]
    made = {**workloads.manifest("deployments", "shop", "other"), "apiVersion": "apps/v1", "kind": "Deployment"}
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "patch": ((PATH, MAY, {"spec": {"replicas": 5}}), {"field_manager": "remediator"}),
        "create": ((PATH.rpartition("/")[0], MAY, made), {"field_manager": "remediator"}),
        "delete": ((PATH, MAY), {"uid": uid}),
    }
    assert set(calls) == WRITES
    before = versions(world)
    for name, (arguments, named) in calls.items():
        await getattr(dry._api, name)(*arguments, **named)
    sent = [received for received in world.kubernetes.requests if received.writes]
    assert [received.dry_run for received in sent] == ["All"] * len(WRITES)
    assert versions(world) == before
