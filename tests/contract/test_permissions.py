"""Each action and condition asks for exactly the permissions that it declares: no more are granted, none is missing."""

from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions import ACTIONS
from remediator.actions.base import Action, ActionContext
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import Permission, Right
from remediator.conditions import CONDITIONS
from remediator.conditions.base import Condition, Known
from remediator.conditions.base import World as Clients
from remediator.engine.finding import permissions_to_find
from remediator.sandbox.kubernetes import routes
from remediator.sandbox.world import World
from remediator.targets import WORKLOAD_KINDS, Target
from tests.contract.conftest import may_write
from tests.support.clock import T0

INTENT = "int_00000000000000000000000001"
PARAMS: dict[str, dict[str, Any]] = {"kubernetes.rollout_restart": {}, "kubernetes.scale": {"to": 5}}
WORKLOAD_ACTIONS = [action for action in ACTIONS if action.name in PARAMS]
"""The others: `test_every_action.py`."""


def asked_for(world: World) -> set[Permission]:
    found = set()
    for received in world.kubernetes.requests:
        at = routes.parse(received.path, world.kubernetes.registry)
        verb = {"GET": "get" if at.name else "list", "PATCH": "patch"}[received.method]
        resource = f"{at.resource.plural}/{at.subresource}" if at.subresource else at.resource.plural
        found.add(Permission(at.resource.group, resource, verb))
    return found


@pytest.mark.parametrize("action", WORKLOAD_ACTIONS, ids=lambda action: action.name)
async def test_an_action_asks_for_what_it_declares(world: World, kubernetes: KubernetesClient, action: Action) -> None:
    params = action.params.model_validate(PARAMS[action.name])
    declared: set[Right] = set()
    for kind in sorted(action.target_kinds):
        declared |= set(action.permissions(kind, params))
        target, ctx = Target.kubernetes("prod", "shop", kind, "checkout"), ActionContext(kubernetes)
        world.deploy("shop", "checkout", plural=f"{kind}s")
        await world.rolled_out("shop", "checkout", plural=f"{kind}s")
        plan = await action.plan(ctx, target, params)
        await action.landed(ctx, plan, INTENT, datetime.now(UTC))
        with may_write():
            applied = await action.apply(ctx, plan, INTENT)
        await action.verify(ctx, plan, applied)
        await action.undo_plan(ctx, plan, INTENT)
    assert asked_for(world) == declared


@pytest.mark.parametrize(
    "condition",
    [one for one in CONDITIONS if one.name in ("replicas_ready", "rollout_complete")],
    ids=lambda condition: condition.name,
)
async def test_a_condition_asks_for_what_it_declares(
    world: World, kubernetes: KubernetesClient, condition: Condition
) -> None:
    for kind in WORKLOAD_KINDS:
        target = Target.kubernetes("prod", "shop", kind, "checkout")
        await condition.look(Clients(kubernetes, None, None), target, condition.params(), Known(now=T0, labels={}))
    declared = {one for kind in WORKLOAD_KINDS for one in condition.permissions(kind, condition.params())}
    assert asked_for(world) == declared


async def test_finding_a_target_asks_for_what_is_declared(world: World, kubernetes: KubernetesClient) -> None:
    await kubernetes.workloads.find("prod", "shop", "checkout")
    assert asked_for(world) == set(permissions_to_find("workload"))
