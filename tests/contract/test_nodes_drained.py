"""kubernetes.cordon, uncordon and drain, and the conditions beside them, on the emulator and on a real API server.

Each test has nodes of its own, which are its pool: those of other tests do not count as being out of service.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.node import CORDONED, MOVED
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import OvertakenError
from remediator.runs.cursor import Outcome
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.cases.node_cases import POOL, filled_node, node_target, two_nodes
from tests.contract.conftest import may_write
from tests.controlplane.words import READY
from tests.support.carried_out import CarriedOut
from tests.support.cluster import Object, Stage

CORDON, UNCORDON, DRAIN = (action_named(f"kubernetes.{name}") for name in ("cordon", "uncordon", "drain"))
FIRST, SECOND, THIRD = (f"int_0000000000000000000000000{number}" for number in (1, 2, 3))
BEGUN = datetime.now(UTC)


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


async def ask(stage: Stage, name: str, target: Target, *, done: Iterable[Plan] = (), **params: Any) -> Look:
    condition = condition_named(name)
    given = condition.params.model_validate(params)
    client = await stage.client(condition.permissions(target.kind, given))
    known = Known(now=datetime.now(UTC), labels={}, done=tuple(done))
    return await condition.look(World(client, None, None), target, given, known)


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


async def test_a_cordon_is_marked_seen_and_undone_by_an_uncordon(stage: Stage) -> None:
    target = await two_nodes(stage)
    ctx = await context(stage)
    plan = await cordon_plan(ctx, target)
    assert (await CORDON.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.NO
    with may_write():
        await CORDON.apply(ctx, plan, FIRST)
        assert "found done already" in (await CORDON.apply(ctx, plan, FIRST)).summary
    assert (await CORDON.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.YES
    assert (await CORDON.verify(ctx, plan, None)).answer is Answer.YES
    assert (await node(stage, target))["metadata"]["annotations"][CORDONED] == FIRST
    undo = await CORDON.undo_plan(ctx, plan, FIRST)
    assert undo is not None
    with may_write():
        await UNCORDON.apply(ctx, undo, SECOND)
    assert not await closed(stage, target)
    assert CORDONED not in (await node(stage, target))["metadata"]["annotations"]
    assert (await UNCORDON.landed(ctx, undo, SECOND, BEGUN)).answer is Answer.YES
    assert (await UNCORDON.verify(ctx, undo, None)).answer is Answer.YES


async def test_a_node_that_somebody_opened_and_closed_again_is_theirs(stage: Stage) -> None:
    target = await two_nodes(stage)
    ctx = await context(stage)
    plan = await cordon_plan(ctx, target)
    with may_write():
        await CORDON.apply(ctx, plan, FIRST)
    undo = await CORDON.undo_plan(ctx, plan, FIRST)
    assert undo is not None
    await stage.patch("Node", target.name, {"spec": {"unschedulable": False}})
    assert await CORDON.undo_plan(ctx, plan, FIRST) is None
    with pytest.raises(OvertakenError, match="unschedulable"), may_write():
        await UNCORDON.apply(ctx, undo, SECOND)


async def test_only_what_remediator_cordoned_is_uncordoned_unless_told(stage: Stage) -> None:
    target = await two_nodes(stage)
    ctx = await context(stage)
    with pytest.raises(PlanRefusedError, match="open to new pods already"):
        await uncordon_plan(ctx, target)
    await stage.patch("Node", target.name, {"spec": {"unschedulable": True}})
    with pytest.raises(PlanRefusedError, match="cordoned already, by somebody else"):
        await cordon_plan(ctx, target)
    with pytest.raises(PlanRefusedError, match="any: true"):
        await uncordon_plan(ctx, target)
    plan = await uncordon_plan(ctx, target, any=True)
    with may_write():
        await UNCORDON.apply(ctx, plan, FIRST)
    assert not await closed(stage, target)


async def test_one_node_at_a_time(stage: Stage) -> None:
    first = await two_nodes(stage)
    second = await second_node(stage, first)
    ctx = await context(stage)
    await set_ready(stage, second, "False")
    for planned in (cordon_plan, drain_plan):
        with pytest.raises(PlanRefusedError, match=f"{second.name} not ready or cordoned already") as refused:
            await planned(ctx, first)
        assert (refused.value.code, refused.value.kind) == ("nodes_out", "refuse")
        with pytest.raises(PlanRefusedError, match="no other node"):
            await planned(ctx, first, max_unavailable_nodes=2)
    await set_ready(stage, second, "True")
    await stage.patch("Node", second.name, {"spec": {"unschedulable": True}})
    with pytest.raises(PlanRefusedError, match="max_unavailable_nodes is 1"):
        await cordon_plan(ctx, first)
    await stage.node()
    assert (await cordon_plan(ctx, first, max_unavailable_nodes=2)).summary.startswith(f"cordon node {first.name}")


async def test_a_node_that_is_sick_itself_may_be_closed(stage: Stage) -> None:
    """The alert that leads to a cordon is often that the node is not ready."""
    target = await two_nodes(stage)
    await set_ready(stage, target, "False")
    assert (await ask(stage, "nodes_unready", target, at_most=0)).answer is Answer.NO
    assert (await ask(stage, "nodes_unready", target, at_most=1000)).answer is Answer.YES
    assert (await cordon_plan(await context(stage), target)).uid


async def test_a_node_made_again_is_left_alone(stage: Stage) -> None:
    target = await two_nodes(stage)
    ctx = await context(stage)
    plans = [await cordon_plan(ctx, target), await drain_plan(ctx, target)]
    labels = (await node(stage, target))["metadata"]["labels"]
    await stage.delete("Node", target.name)
    await stage.gone("Node", target.name)
    for plan in plans:
        with pytest.raises(OvertakenError, match="is gone"), may_write():
            await action_named(plan.action).apply(ctx, plan, FIRST)
    await stage.create({"kind": "Node", "metadata": {"name": target.name, "labels": labels}})
    for plan in plans:
        with pytest.raises(OvertakenError, match="made again"), may_write():
            await action_named(plan.action).apply(ctx, plan, FIRST)
        assert (await action_named(plan.action).landed(ctx, plan, FIRST, BEGUN)).answer is Answer.UNKNOWN
        assert await action_named(plan.action).undo_plan(ctx, plan, FIRST) is None
    assert not await closed(stage, target)


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
    target = await filled_node(stage, replicas=3)
    ctx = await context(stage)
    plan = await drain_plan(ctx, target)
    assert "evict 3 pods" in plan.summary
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
    await stage.patch("Node", name, {"spec": {"unschedulable": True}})
    await stage.workload("checkout", replicas=2, pod=there)
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("unavailableReplicas") == 2)
    workload = stage.target("checkout")
    assert (await ask(stage, "pods_scheduled", workload)).answer is Answer.NO
    assert (await ask(stage, "pods_scheduled", node_target(name))).answer is Answer.NO
    await stage.patch("Node", name, {"spec": {"unschedulable": False}})
    await stage.rolled_out("checkout", within_s=40)
    assert (await ask(stage, "pods_scheduled", workload)).answer is Answer.YES
