"""kubernetes.evict_pod, and the conditions beside it, on the emulator and on a real API server."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from remediator.actions import action_named
from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import BudgetExhaustedError
from remediator.conditions.base import Look
from remediator.errors import OvertakenError, PermanentError, TransientError
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.conftest import may_write
from tests.support.cluster import Stage
from tests.support.looks import ask
from tests.support.pods import (
    EVICT,
    INTENT,
    NEVER_READY,
    budget,
    context,
    delete_plan,
    evict_plan,
    first_pod,
    up,
)


async def settled(stage: Stage, name: str, target: Target, plan: Plan) -> Look:
    """Asked until it is yes."""
    async with asyncio.timeout(60):
        while True:
            look = await ask(stage, name, target, done=[plan])
            if look.answer is Answer.YES:
                return look
            await asyncio.sleep(0.1)


async def test_an_evicted_pod_is_replaced_and_seen_to_be(stage: Stage) -> None:
    target = await up(stage)
    ctx, begun = await context(stage), datetime.now(UTC)
    plan = await evict_plan(ctx, target)
    assert (await ask(stage, "pod_replaced", target, done=[plan])).answer is Answer.NO
    with may_write():
        await EVICT.apply(ctx, plan, INTENT)
    assert (await EVICT.landed(ctx, plan, INTENT, begun)).answer is Answer.YES
    await stage.gone("Pod", target.name)
    assert (await EVICT.verify(ctx, plan, None)).answer is Answer.YES
    assert "3 of 3 pods are ready" in (await settled(stage, "pod_replaced", target, plan)).seen
    assert await EVICT.undo_plan(ctx, plan, INTENT) is None


async def test_a_budget_refuses_an_eviction_and_then_allows_it(stage: Stage) -> None:
    target = await up(stage)
    await budget(stage, minAvailable=3)
    ctx = await context(stage)
    allowing = await ask(stage, "disruption_allowed", target)
    assert (allowing.answer, "needs 3 healthy pods of 3" in allowing.seen) == (Answer.NO, True)
    with pytest.raises(PlanRefusedError, match="never lets one go") as never:
        await evict_plan(ctx, target)
    assert (never.value.code, never.value.kind) == ("budget_never_allows", "refuse")
    await stage.patch("PodDisruptionBudget", "checkout", {"spec": {"minAvailable": 2}})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("disruptionsAllowed") == 1)
    assert (await ask(stage, "disruption_allowed", target)).answer is Answer.YES
    plan = await evict_plan(ctx, target)
    with may_write():
        await EVICT.apply(ctx, plan, INTENT)
    await stage.gone("Pod", target.name)


async def test_a_budget_that_is_used_up_is_waited_for(stage: Stage) -> None:
    target = await up(stage)
    ctx = await context(stage)
    plan = await evict_plan(ctx, target)
    await budget(stage, maxUnavailable=1)
    other = next(pod for pod in await stage.pods("checkout") if pod["metadata"]["name"] != target.name)
    sick = {"metadata": {"annotations": {"sandbox.remediator.dev/behaviour": "never-ready"}}}
    await stage.patch("Pod", other["metadata"]["name"], sick)
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("disruptionsAllowed") == 0)
    with pytest.raises(PlanRefusedError, match="needs 2 healthy pods of 3 and has 2") as waits:
        await evict_plan(ctx, target)
    assert (waits.value.code, waits.value.kind) == ("budget_exhausted", "wait")
    with pytest.raises(BudgetExhaustedError, match="checkout needs 2 healthy pods and has 2"), may_write():
        await EVICT.apply(ctx, plan, INTENT)
    assert await stage.exists("Pod", target.name)


async def test_two_budgets_are_refused_by_name(stage: Stage) -> None:
    target = await up(stage)
    await budget(stage, "one", maxUnavailable=1)
    await budget(stage, "two", maxUnavailable=1)
    ctx = await context(stage)
    with pytest.raises(PlanRefusedError, match=f"{stage.namespace}/one.*{stage.namespace}/two"):
        await evict_plan(ctx, target)
    assert (await ask(stage, "disruption_allowed", target)).answer is Answer.NO


async def test_two_budgets_made_after_the_plan_are_no_lost_answer(stage: Stage) -> None:
    """The server says 500, which for any other request would mean that nobody knows."""
    target = await up(stage)
    ctx = await context(stage)
    plan = await evict_plan(ctx, target)
    await budget(stage, "one", maxUnavailable=1)
    await budget(stage, "two", maxUnavailable=1)
    with pytest.raises(PermanentError, match="more than one PodDisruptionBudget"), may_write():
        await EVICT.apply(ctx, plan, INTENT)
    assert await stage.exists("Pod", target.name)


async def test_a_pod_that_is_gone_before_we_write_is_overtaken(stage: Stage) -> None:
    target = await up(stage)
    ctx = await context(stage)
    plan = await evict_plan(ctx, target)
    await stage.delete("Pod", target.name, {"gracePeriodSeconds": 0})
    await stage.gone("Pod", target.name)
    with pytest.raises(OvertakenError, match="gone"), may_write():
        await EVICT.apply(ctx, plan, INTENT)


async def test_what_was_going_before_we_began_is_not_ours(stage: Stage) -> None:
    target = await up(stage, annotations={"sandbox.remediator.dev/stuck-terminating": "true"})
    ctx = await context(stage)
    plan = await evict_plan(ctx, target)
    await stage.delete("Pod", target.name, {"gracePeriodSeconds": 1})
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert (await EVICT.landed(ctx, plan, INTENT, later)).answer is Answer.NO
    with pytest.raises(PlanRefusedError, match="going already"):
        await evict_plan(ctx, target)


async def test_pods_that_nothing_would_replace_are_refused(stage: Stage) -> None:
    containers = [{"name": "app", "image": "registry.example.net/app:1.0"}]
    await stage.create({"kind": "Pod", "metadata": {"name": "bare"}, "spec": {"containers": containers}})
    ctx = await context(stage)
    bare = Target.kubernetes("prod", stage.namespace, "pod", "bare")
    with pytest.raises(PlanRefusedError, match="no controller") as refused:
        await evict_plan(ctx, bare)
    assert refused.value.code == "no_workload"
    await stage.workload("checkout", replicas=1, pod={"volumes": [{"name": "cache", "emptyDir": {}}]})
    await stage.rolled_out("checkout")
    only = await first_pod(stage)
    with pytest.raises(PlanRefusedError, match="last_replica: accept"):
        await evict_plan(ctx, only)
    plan = await evict_plan(ctx, only, last_replica="accept")
    assert "cache (emptyDir) is lost" in plan.summary


@pytest.mark.parametrize("action", ["kubernetes.evict_pod", "kubernetes.delete_pod"])
async def test_the_next_pod_of_a_set_with_the_same_name_is_not_killed(stage: Stage, action: str) -> None:
    if action == "kubernetes.evict_pod":
        target = await up(stage, "StatefulSet", replicas=2)
    else:
        await stage.workload("checkout", kind="StatefulSet", replicas=1, behaviour="never-ready")
        await stage.until("Pod", "checkout-0", lambda found: found["status"].get("phase") == "Running")
        target = await first_pod(stage, "StatefulSet")
    ctx = await context(stage)
    plan = await (
        evict_plan(ctx, target) if action == "kubernetes.evict_pod" else delete_plan(ctx, target, NEVER_READY)
    )
    # Its own write is held back until another pod bears the name: what the read before it saw is the old one.
    old = await ctx.kubernetes.single_pods.read(target)
    await stage.delete("Pod", target.name, {"gracePeriodSeconds": 0})
    made = await stage.until("Pod", target.name, lambda found: found["metadata"]["uid"] != plan.uid)
    with may_write():
        with pytest.raises(OvertakenError):
            await action_named(action).apply(ctx, plan, INTENT)
        with pytest.raises(TransientError):
            await ctx.kubernetes.single_pods.evict(old)
        with pytest.raises(TransientError):
            await ctx.kubernetes.single_pods.delete(old)
    now = await stage.get("Pod", target.name)
    assert (now["metadata"]["uid"], "deletionTimestamp" in now["metadata"]) == (made["metadata"]["uid"], False)
    assert (await action_named(action).landed(ctx, plan, INTENT, datetime.now(UTC))).answer is Answer.YES
