"""kubernetes.cordon and kubernetes.uncordon on the emulator and on a real API server; what holds for every work on a node."""

from datetime import UTC, datetime

import pytest

from remediator.actions import action_named
from remediator.actions.base import Action, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.node import CORDONED
from remediator.errors import OvertakenError
from tests.contract.cases.node_cases import POOL, two_nodes
from tests.contract.conftest import may_write
from tests.support.cluster import Stage
from tests.support.looks import ask
from tests.support.nodes import (
    CORDON,
    DRAIN,
    FIRST,
    SECOND,
    UNCORDON,
    closed,
    context,
    cordon_plan,
    drain_plan,
    node,
    second_node,
    set_ready,
    uncordon_plan,
)

BEGUN = datetime.now(UTC)


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


@pytest.mark.parametrize("action", [CORDON, DRAIN], ids=lambda one: one.name)
async def test_a_node_that_somebody_closed_again_stays_closed(stage: Stage, action: Action) -> None:
    """kubectl leaves our annotations where they are: only who wrote the field tells whose cordon it is."""
    target = await two_nodes(stage)
    ctx = await context(stage)
    plan = await action.plan(ctx, target, action.params.model_validate({"pool": POOL}))
    with may_write():
        await action.apply(ctx, plan, FIRST)
    undo = await action.undo_plan(ctx, plan, FIRST)
    assert undo is not None
    for value in (None, True):
        await stage.patch("Node", target.name, {"spec": {"unschedulable": value}})
    assert (await node(stage, target))["metadata"]["annotations"][CORDONED] == FIRST
    kept = await action.undo_plan(ctx, plan, FIRST)
    assert kept is None or not kept.changes
    with pytest.raises(OvertakenError, match="cordoned_by"), may_write():
        await UNCORDON.apply(ctx, undo, SECOND)
    with pytest.raises(PlanRefusedError, match="any: true"):
        await uncordon_plan(ctx, target)
    assert await closed(stage, target)


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
