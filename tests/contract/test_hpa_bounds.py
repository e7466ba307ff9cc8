"""kubernetes.hpa_bounds on the emulator and on the real server (S13, S15, S16, S25)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.marks import INTENT
from remediator.errors import OvertakenError
from tests.contract.cases.autoscaler_cases import autoscaler, scaled_object, target_of
from tests.contract.cases.workload_cases import up
from tests.contract.doing import FIRST, SECOND, Doing
from tests.support.cluster import Object, Stage

BOUNDS, HPA, KEDA = "kubernetes.hpa_bounds", "HorizontalPodAutoscaler", "ScaledObject"
RAISE: Object = {"max_by": 2, "bound": 10}


async def bounds_of(stage: Stage, kind: str = HPA) -> tuple[int, int]:
    spec = (await stage.get(kind, "checkout"))["spec"]
    names = ("minReplicas", "maxReplicas") if kind == HPA else ("minReplicaCount", "maxReplicaCount")
    return spec[names[0]], spec[names[1]]


async def on(stage: Stage, **params: Any) -> Doing:
    """On the autoscaler of a running workload."""
    await up(stage, "Deployment")
    await autoscaler(stage)
    return await Doing.on(stage, BOUNDS, target_of(stage), **params)


async def write(stage: Stage, spec: Object) -> None:
    """Somebody else moves a bound."""
    await stage.patch(HPA, "checkout", {"spec": spec})


@pytest.mark.parametrize(
    ("params", "after"),
    [
        (RAISE, (2, 7)),
        ({"max_by": 9, "bound": 8}, (2, 8)),
        ({"max_by": -9}, (2, 2)),
        ({"min_by": 9, "bound": 8}, (5, 5)),
        ({"min_by": -9}, (1, 5)),
        ({"min": 4}, (4, 5)),
        ({"max": 9}, (2, 9)),
    ],
)
async def test_one_bound_is_moved_and_the_other_is_kept(stage: Stage, params: Any, after: tuple[int, int]) -> None:
    bounds = await on(stage, **params)
    plan = await bounds.do()
    assert await bounds_of(stage) == after
    assert await bounds.verify(plan) is Answer.YES
    assert (await stage.get(HPA, "checkout"))["metadata"]["annotations"][INTENT] == FIRST


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"max_by": 2, "bound": 5}, "nothing_to_change"),
        ({"max_by": 2, "bound": 3}, "nothing_to_change"),
        ({"min": 6}, "bounds_crossed"),
        ({"max": 1}, "bounds_crossed"),
        ({"max": 8, "scaled_object": True}, "no_scaled_object"),
    ],
)
async def test_what_would_not_help_is_refused(stage: Stage, params: Any, code: str) -> None:
    bounds = await on(stage, **params)
    with pytest.raises(PlanRefusedError) as refused:
        await bounds.plan()
    assert (refused.value.code, await bounds_of(stage)) == (code, (2, 5))


async def test_what_was_above_a_playbooks_most_comes_back(stage: Stage) -> None:
    bounds = await on(stage, max=9)
    await write(stage, {"maxReplicas": 5000})
    plan = await bounds.do()
    undo = await bounds.undo_plan(plan)
    assert undo is not None
    await bounds.apply(undo, SECOND)
    assert await bounds_of(stage) == (2, 5000)


async def test_a_workload_must_have_exactly_one(stage: Stage) -> None:
    target = await up(stage, "Deployment")
    bounds = await Doing.on(stage, BOUNDS, target, **RAISE)
    with pytest.raises(PlanRefusedError, match="no autoscaler") as none:
        await bounds.plan()
    await autoscaler(stage)
    plan = await bounds.plan()
    await autoscaler(stage, "second")
    with pytest.raises(PlanRefusedError, match="more than one") as many:
        await bounds.plan()
    assert (none.value.code, many.value.code) == ("no_autoscaler", "many_autoscalers")
    with pytest.raises(OvertakenError, match="more than one"):
        await bounds.apply(plan)


async def test_an_autoscaler_of_a_workload_that_is_switched_off_is_refused(stage: Stage) -> None:
    bounds = await on(stage, **RAISE)
    off = {
        "type": "ScalingActive",
        "status": "False",
        "reason": "ScalingDisabled",
        "message": "",
        "lastTransitionTime": None,
    }
    await stage.patch("Deployment", "checkout", {"spec": {"replicas": 0}})
    off["lastTransitionTime"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    counts = {"currentReplicas": 0, "desiredReplicas": 0, "conditions": [off]}
    await stage.patch(HPA, "checkout", {"status": counts}, subresource="status")
    with pytest.raises(PlanRefusedError, match="0 replicas") as refused:
        await bounds.plan()
    assert refused.value.code == "autoscaler_idle"


async def test_kedas_own_is_refused_naming_the_way_and_its_object_changed_in_its_place(stage: Stage) -> None:
    target = await up(stage, "Deployment")
    await scaled_object(stage)
    with pytest.raises(PlanRefusedError, match="scaled_object: true") as refused:
        await (await Doing.on(stage, BOUNDS, target, **RAISE)).plan()
    assert refused.value.code == "scaled_object_owns_bounds"
    bounds = await Doing.on(stage, BOUNDS, target, **RAISE, scaled_object=True)
    plan = await bounds.plan()
    assert plan.calls[0].resource.endswith("/scaledobjects/checkout")
    assert plan.changes[0].field == "spec.maxReplicaCount"
    await bounds.apply(plan)
    assert await bounds_of(stage, KEDA) == (2, 7)
    assert (await stage.get(HPA, "keda-hpa-checkout"))["spec"]["maxReplicas"] == 5
    assert (await bounds.landed(plan)).answer is Answer.YES


async def test_a_paused_scaled_object_is_refused(stage: Stage) -> None:
    target = await up(stage, "Deployment")
    await scaled_object(stage)
    paused = {"autoscaling.keda.sh/paused-replicas": "0"}
    await stage.patch(KEDA, "checkout", {"metadata": {"annotations": paused}})
    with pytest.raises(PlanRefusedError, match="paused-replicas") as refused:
        await (await Doing.on(stage, BOUNDS, target, **RAISE, scaled_object=True)).plan()
    assert refused.value.code == "autoscaler_idle"


async def test_a_bound_moved_by_somebody_overtakes_it_whichever_it_is(stage: Stage) -> None:
    bounds = await on(stage, **RAISE)
    plan = await bounds.plan()
    await write(stage, {"minReplicas": 3})
    with pytest.raises(OvertakenError, match="minimum was 2 when planned and is 3"):
        await bounds.apply(plan)
    assert await bounds_of(stage) == (3, 5)


async def test_its_status_may_change_meanwhile(stage: Stage) -> None:
    bounds = await on(stage, **RAISE)
    plan = await bounds.plan()
    await stage.patch(HPA, "checkout", {"status": {"currentReplicas": 4, "desiredReplicas": 4}}, subresource="status")
    await bounds.apply(plan)
    assert await bounds_of(stage) == (2, 7)


async def test_one_made_again_is_left_alone_at_every_step(stage: Stage) -> None:
    bounds = await on(stage, **RAISE)
    plan = await bounds.do()
    await stage.delete(HPA, "checkout")
    await stage.gone(HPA, "checkout")
    with pytest.raises(OvertakenError, match="gone"):
        await bounds.apply(plan)
    assert await bounds.undo_plan(plan) is None
    await autoscaler(stage)
    with pytest.raises(OvertakenError, match="made again"):
        await bounds.apply(plan)
    assert (await bounds.landed(plan)).answer is Answer.UNKNOWN
    assert await bounds.verify(plan) is Answer.UNKNOWN
    assert await bounds.undo_plan(plan) is None
    assert await bounds_of(stage) == (2, 5)


async def test_the_mark_tells_ours_from_theirs(stage: Stage) -> None:
    begun = datetime.now(UTC)
    bounds = await on(stage, **RAISE)
    plan = await bounds.plan()
    await write(stage, {"maxReplicas": 7})
    assert (await bounds.landed(plan, FIRST)).answer is not Answer.YES
    assert (await bounds.landed(plan, FIRST, begun)).answer is Answer.UNKNOWN


async def test_what_was_moved_is_put_back_only_while_nobody_has_written_since(stage: Stage) -> None:
    bounds = await on(stage, **RAISE)
    plan = await bounds.do()
    undo = await bounds.undo_plan(plan)
    assert undo is not None
    assert (undo.changes[0].before, undo.changes[0].after) == (7, 5)
    for value in (8, 7):  # also when it ends at what we had set
        await write(stage, {"maxReplicas": value})
        assert await bounds.undo_plan(plan) is None
    await write(stage, {"maxReplicas": 5})
    with pytest.raises(OvertakenError):
        await bounds.apply(undo, SECOND)


async def test_who_keeps_the_autoscaler_is_named(stage: Stage) -> None:
    await up(stage, "Deployment")
    await autoscaler(stage, labels={"kustomize.toolkit.fluxcd.io/name": "apps"})
    plan = await (await Doing.on(stage, BOUNDS, target_of(stage), **RAISE)).plan()
    assert plan.owners == ("Flux kustomization apps",)
