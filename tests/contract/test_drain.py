"""kubernetes.drain, and the conditions beside it, on the emulator and on a real API server."""

from datetime import UTC, datetime

import pytest

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.node import CORDONED, MOVED
from remediator.errors import OvertakenError
from remediator.runs.cursor import Outcome
from tests.contract.cases.node_cases import POOL, filled_node, node_target, two_nodes
from tests.contract.conftest import may_write
from tests.support.carried_out import CarriedOut
from tests.support.cluster import Object, Stage
from tests.support.looks import ask
from tests.support.nodes import (
    CORDON,
    DRAIN,
    FIRST,
    SECOND,
    THIRD,
    closed,
    context,
    cordon_plan,
    drain_plan,
    names_on,
    node,
)

BEGUN = datetime.now(UTC)


async def test_a_drain_keeps_a_budget_over_several_passes(stage: Stage) -> None:
    target = await filled_node(stage, replicas=3)
    selector = {"matchLabels": {"app": "checkout"}}
    spec = {"selector": selector, "maxUnavailable": 1}
    await stage.create({"kind": "PodDisruptionBudget", "metadata": {"name": "checkout"}, "spec": spec})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("disruptionsAllowed") == 1)
    assert (await ask(stage, "node_empty", target)).answer is Answer.NO
    assert (await ask(stage, "room_elsewhere", target)).answer is Answer.YES
    ctx = await context(stage)
    planned = await drain_plan(ctx, target)
    run = CarriedOut(ctx.kubernetes, target, DRAIN.name, {"pool": POOL})
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert sum("PARTLY" in told for told in run.told) >= 1, run.told
    await stage.rolled_out("checkout")
    assert await names_on(stage, target) == set()
    assert (await ask(stage, "node_empty", target)).answer is Answer.YES
    assert (await ask(stage, "pods_ready_elsewhere", target, done=[planned])).answer is Answer.YES
    assert (await ask(stage, "pods_ready_elsewhere", target)).answer is Answer.UNKNOWN


async def test_a_pass_evicts_what_the_budget_allows_and_names_what_is_left(stage: Stage) -> None:
    # Slow, or else what takes the place of the first is ready before the others are asked about.
    target = await filled_node(stage, replicas=3, behaviour="slow:8")
    ctx = await context(stage)
    plan = await drain_plan(ctx, target)
    assert "evict 3 pods" in plan.summary
    assert plan.moves == (f"{stage.namespace}/checkout",)
    spec = {"selector": {"matchLabels": {"app": "checkout"}}, "maxUnavailable": 1}
    await stage.create({"kind": "PodDisruptionBudget", "metadata": {"name": "checkout"}, "spec": spec})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("disruptionsAllowed") == 1)
    with may_write():
        first = await DRAIN.apply(ctx, plan, FIRST)
    assert (first.complete, len(first.facts["evicted"]), len(first.facts["left"])) == (False, 1, 2)
    assert "disruption budget" in first.summary
    landed = await DRAIN.landed(ctx, plan, FIRST, BEGUN)
    assert (landed.answer, landed.partly) == (Answer.YES, True)
    assert (await DRAIN.landed(ctx, plan, SECOND, BEGUN)).answer is Answer.NO
    later = await drain_plan(ActionContext(ctx.kubernetes, own_changes=True), target)
    assert later.memory["moved"] == plan.memory["moved"]  # as many as were ready before the first pass
    assert set(plan.memory["moved"].values()) == {3}


async def test_daemons_and_the_kubelets_own_stay(stage: Stage) -> None:
    target = await filled_node(stage)
    there = {"nodeSelector": {POOL: stage.namespace}, "tolerations": [{"operator": "Exists"}]}
    await stage.workload("agent", kind="DaemonSet", pod=there)
    await stage.rolled_out("agent", "DaemonSet")
    containers = [{"name": "app", "image": "registry.example.net/app:1.0"}]
    mirror = {"name": "static", "annotations": {"kubernetes.io/config.mirror": "0123"}}
    spec = {"containers": containers, "nodeName": target.name, "tolerations": [{"operator": "Exists"}]}
    await stage.create({"kind": "Pod", "metadata": mirror, "spec": spec})
    kept = {one for one in await names_on(stage, target) if not one.startswith("checkout")}
    ctx = await context(stage)
    plan = await drain_plan(ctx, target)
    with may_write():
        assert (await DRAIN.apply(ctx, plan, FIRST)).complete
    await stage.rolled_out("checkout")
    assert await names_on(stage, target) == kept
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("pod", "accept", "says"),
    [
        ({"volumes": [{"name": "cache", "emptyDir": {}}]}, {"empty_dir": "accept"}, "empty_dir: accept"),
        (None, {"unmanaged": "accept"}, "unmanaged: accept"),
    ],
    ids=["empty_dir", "unmanaged"],
)
async def test_what_would_be_lost_is_refused_unless_told(
    stage: Stage, pod: Object | None, accept: dict[str, str], says: str
) -> None:
    if pod is None:
        target = await two_nodes(stage)
        containers = [{"name": "app", "image": "registry.example.net/app:1.0"}]
        spec = {"containers": containers, "nodeName": target.name, "tolerations": [{"operator": "Exists"}]}
        await stage.create({"kind": "Pod", "metadata": {"name": "bare"}, "spec": spec})
        await stage.until("Pod", "bare", lambda found: found["status"].get("phase") == "Running")
    else:
        target = await filled_node(stage, replicas=1, pod=pod)
    ctx = await context(stage)
    with pytest.raises(PlanRefusedError, match=says) as refused:
        await drain_plan(ctx, target)
    assert refused.value.code == "pods_forbid_it"
    plan = await drain_plan(ctx, target, **accept)
    with may_write():
        await DRAIN.apply(ctx, plan, FIRST)
    assert await names_on(stage, target) == set()


async def test_without_room_elsewhere_nothing_is_begun(stage: Stage) -> None:
    name, there = await stage.node()
    target = node_target(name)
    containers = [
        {"name": "app", "image": "registry.example.net/app:1.0", "resources": {"requests": {"cpu": "3"}}},
    ]
    await stage.workload("checkout", replicas=2, pod={**there, "containers": containers})
    await stage.rolled_out("checkout")
    await stage.node(capacity={"cpu": "4", "memory": "8Gi", "pods": "20"})
    ctx = await context(stage)
    with pytest.raises(PlanRefusedError, match="has room for it") as refused:
        await drain_plan(ctx, target)
    assert refused.value.code == "no_room_elsewhere"
    assert (await ask(stage, "room_elsewhere", target)).answer is Answer.NO
    workload = stage.target("checkout")
    assert (await ask(stage, "room_elsewhere", node_target("nobody"))).answer is Answer.UNKNOWN
    assert (await ask(stage, "room_elsewhere", workload)).answer is Answer.YES
    assert (await ask(stage, "room_elsewhere", workload, pods=20)).answer is Answer.NO
    assert not await closed(stage, target)


async def test_a_pod_that_may_run_nowhere_else_forbids_it(stage: Stage) -> None:
    name, there = await stage.node()
    await stage.node()
    only_here = {**there, "nodeSelector": {**there["nodeSelector"], "kubernetes.io/hostname": name}}
    await stage.workload("checkout", replicas=1, pod=only_here)
    await stage.rolled_out("checkout")
    with pytest.raises(PlanRefusedError, match="node selector"):
        await drain_plan(await context(stage), node_target(name))


async def test_a_budget_that_never_allows_any_is_no_reason_to_begin(stage: Stage) -> None:
    target = await filled_node(stage)
    spec = {"selector": {"matchLabels": {"app": "checkout"}}, "maxUnavailable": 0}
    await stage.create({"kind": "PodDisruptionBudget", "metadata": {"name": "checkout"}, "spec": spec})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("expectedPods") == 2)
    with pytest.raises(PlanRefusedError, match="never lets one go"):
        await drain_plan(await context(stage), target)


async def test_who_opens_the_node_stops_the_drain(stage: Stage) -> None:
    target = await filled_node(stage)
    ctx = await context(stage)
    plan = await drain_plan(ctx, target)
    spec = {"selector": {"matchLabels": {"app": "checkout"}}, "maxUnavailable": 1}
    await stage.create({"kind": "PodDisruptionBudget", "metadata": {"name": "checkout"}, "spec": spec})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("disruptionsAllowed") == 1)
    with may_write():
        assert not (await DRAIN.apply(ctx, plan, FIRST)).complete
    await stage.patch("Node", target.name, {"spec": {"unschedulable": False}})
    left = await names_on(stage, target)
    later = await drain_plan(ActionContext(ctx.kubernetes, own_changes=True), target)
    with pytest.raises(OvertakenError, match="uncordoned by somebody"), may_write():
        await DRAIN.apply(ctx, later, FIRST)
    assert left <= await names_on(stage, target)


async def test_cordon_then_drain_undone_in_turn(stage: Stage) -> None:
    target = await filled_node(stage)
    ctx = await context(stage, own_changes=True)
    cordoning = await cordon_plan(ctx, target)
    with may_write():
        await CORDON.apply(ctx, cordoning, FIRST)
        draining = await drain_plan(ctx, target)
        assert [change.field for change in draining.changes] == ["pods"]
        assert (await DRAIN.apply(ctx, draining, SECOND)).complete
    annotations = (await node(stage, target))["metadata"]["annotations"]
    assert (annotations[INTENT], annotations[CORDONED]) == (SECOND, FIRST)
    await stage.rolled_out("checkout")
    landed = await DRAIN.landed(ctx, draining, SECOND, BEGUN)
    assert (landed.answer, landed.partly) == (Answer.YES, False)
    undo = await DRAIN.undo_plan(ctx, draining, SECOND)
    assert undo is not None
    assert (undo.calls, undo.changes) == ((), ())
    with may_write():
        await action_named(undo.action).apply(ctx, undo, THIRD)
    assert await closed(stage, target)
    assert (await action_named(undo.action).verify(ctx, undo, None)).answer is Answer.YES
    before = await CORDON.undo_plan(ctx, cordoning, FIRST)
    assert before is not None
    with may_write():
        await action_named(before.action).apply(ctx, before, THIRD)
    assert not await closed(stage, target)
    assert not {CORDONED, MOVED} & set((await node(stage, target))["metadata"]["annotations"])


async def test_a_rehearsal_of_cordon_and_drain_goes_through_and_changes_nothing(stage: Stage) -> None:
    target = await filled_node(stage)
    before, pods = await node(stage, target), await names_on(stage, target)
    ctx = await context(stage, dry_run=True, own_changes=True)
    await CORDON.apply(ctx, await cordon_plan(ctx, target), FIRST)
    drained = await DRAIN.apply(ctx, await drain_plan(ctx, target), SECOND)
    assert len(drained.facts["evicted"]) == 2
    after = await node(stage, target)
    assert (after["spec"], after["metadata"].get("annotations")) == (
        before["spec"],
        before["metadata"].get("annotations"),
    )
    assert await names_on(stage, target) == pods


async def test_pods_without_a_node_are_seen(stage: Stage) -> None:
    name, there = await stage.node()
    # Not by a cordon: the scheduler hears of one a moment late, and places pods meanwhile.
    only_there = {**there, "nodeSelector": {**there["nodeSelector"], "shop.example.com/open": "yes"}}
    await stage.workload("checkout", replicas=2, pod=only_there)
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("unavailableReplicas") == 2)
    workload = stage.target("checkout")
    assert (await ask(stage, "pods_scheduled", workload)).answer is Answer.NO
    assert (await ask(stage, "pods_scheduled", node_target(name))).answer is Answer.NO
    await stage.patch("Node", name, {"metadata": {"labels": {"shop.example.com/open": "yes"}}})
    await stage.rolled_out("checkout", within_s=40)
    assert (await ask(stage, "pods_scheduled", workload)).answer is Answer.YES
