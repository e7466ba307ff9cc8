"""kubernetes.delete_pod on the emulator and on a real API server."""

from datetime import UTC, datetime

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.errors import OvertakenError
from tests.contract.cases.pod_cases import stuck_terminating
from tests.contract.conftest import may_write
from tests.support.cluster import Object, Stage
from tests.support.pods import (
    DELETE,
    INTENT,
    NEVER_READY,
    STUCK,
    budget,
    context,
    delete_plan,
    evict_plan,
    running,
    up,
)


async def test_a_crash_looping_pod_below_its_budget_is_deleted_where_an_eviction_would_wait_for_ever(
    stage: Stage,
) -> None:
    target = await running(stage, replicas=2)
    await budget(stage, minAvailable=1)
    ctx = await context(stage)
    with pytest.raises(PlanRefusedError, match="AlwaysAllow") as refused:
        await evict_plan(ctx, target, last_replica="accept")
    assert refused.value.kind == "wait"
    plan = await delete_plan(ctx, target, NEVER_READY)
    assert "no disruption budget is asked" in plan.summary
    with may_write():
        await DELETE.apply(ctx, plan, INTENT)
    await stage.gone("Pod", target.name)


async def test_a_pod_that_is_ready_or_not_for_long_is_not_deleted(stage: Stage) -> None:
    target = await up(stage)
    ctx = await context(stage)
    with pytest.raises(PlanRefusedError, match="is ready"):
        await delete_plan(ctx, target, NEVER_READY)
    with pytest.raises(PlanRefusedError, match="not being deleted"):
        await delete_plan(ctx, target, STUCK)
    await stage.sicken("checkout", "never-ready")
    await stage.until("Deployment", "checkout", lambda found: not found["status"].get("readyReplicas"))
    with pytest.raises(PlanRefusedError, match="for_at_least is 10m") as early:
        await delete_plan(ctx, target, {"because": "never_ready"})
    assert early.value.kind == "wait"


async def test_one_that_got_ready_meanwhile_is_left(stage: Stage) -> None:
    target = await running(stage, replicas=2)
    ctx = await context(stage)
    plan = await delete_plan(ctx, target, NEVER_READY)
    await stage.sicken("checkout", "healthy")
    await stage.rolled_out("checkout")
    with pytest.raises(OvertakenError, match="ready"), may_write():
        await DELETE.apply(ctx, plan, INTENT)
    assert await stage.exists("Pod", target.name)


async def test_a_stuck_pod_is_forced_only_when_its_node_does_not_answer(stage: Stage) -> None:
    target, node = await stuck_terminating(stage)
    ctx = await context(stage)
    await stage.patch("Node", node, {"metadata": {"annotations": {"sandbox.remediator.dev/ready": "True"}}})
    await stage.until("Node", node, _ready)
    with pytest.raises(PlanRefusedError, match="which is ready"):
        await delete_plan(ctx, target, STUCK)
    await stage.patch("Node", node, {"metadata": {"annotations": {"sandbox.remediator.dev/ready": "False"}}})
    await stage.until("Node", node, lambda found: not _ready(found))
    plan = await delete_plan(ctx, target, STUCK)
    assert (await DELETE.landed(ctx, plan, INTENT, datetime.now(UTC))).answer is Answer.NO
    with may_write():
        await DELETE.apply(ctx, plan, INTENT)
    await stage.gone("Pod", target.name)
    assert (await DELETE.landed(ctx, plan, INTENT, datetime.now(UTC))).answer is Answer.YES


async def test_a_sets_stuck_pod_keeps_its_identity_while_it_may_still_run(stage: Stage) -> None:
    target, node = await stuck_terminating(stage, "StatefulSet")
    ctx = await context(stage)
    with pytest.raises(PlanRefusedError, match="may still run") as refused:
        await delete_plan(ctx, target, STUCK)
    assert refused.value.code == "identity_in_doubt"
    taints = (await stage.get("Node", node))["spec"].get("taints", [])
    vouched = {"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoSchedule"}
    await stage.patch("Node", node, {"spec": {"taints": [*taints, vouched]}})
    plan = await delete_plan(ctx, target, STUCK)
    assert "out of service" in plan.summary


def _ready(node: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions", []))
