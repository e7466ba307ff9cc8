"""kubernetes.rollout_undo on the emulator and on real controllers (S8, S13, S15, S16, S25)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.revision import UNDONE
from remediator.errors import OvertakenError
from remediator.runs.cursor import Outcome
from tests.contract.cases.workload_cases import NEW_IMAGE, OLD_IMAGE, deploy, on_delete, released, up
from tests.contract.doing import FIRST, SECOND, Doing
from tests.controlplane.words import BEHAVIOUR
from tests.support.carried_out import CarriedOut
from tests.support.cluster import Object, Stage

UNDO, RESTART = "kubernetes.rollout_undo", "kubernetes.rollout_restart"


def template(found: Object) -> Object:
    made: Object = found["spec"]["template"]
    return made


async def break_release(stage: Stage, kind: str) -> None:
    """Somebody deploys a release that never becomes ready."""
    containers = [{"name": "app", "image": NEW_IMAGE}]
    change = {"metadata": {"annotations": {BEHAVIOUR: "never-ready"}}, "spec": {"containers": containers}}
    await stage.patch(kind, "checkout", {"spec": {"template": change}})


async def has_new_pod(stage: Stage, kind: str) -> None:
    field = "updatedNumberScheduled" if kind == "DaemonSet" else "updatedReplicas"
    await stage.until(kind, "checkout", lambda found: found["status"].get(field))


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
async def test_a_rollout_that_fails_is_undone_in_its_middle(stage: Stage, kind: str) -> None:
    target = await up(stage, kind)
    before = template(await stage.get(kind, "checkout"))
    await break_release(stage, kind)
    await has_new_pod(stage, kind)
    undo = await Doing.on(stage, UNDO, target)
    plan = await undo.plan()
    assert "from revision 2 to 1" in plan.summary
    assert (plan.changes[1].before, plan.changes[1].after) == (NEW_IMAGE, OLD_IMAGE)
    await undo.apply(plan)
    await stage.rolled_out("checkout", kind)
    assert await undo.verify(plan) is Answer.YES
    found = await stage.get(kind, "checkout")
    assert template(found) == before
    assert found["metadata"]["annotations"][INTENT] == FIRST
    kept = await stage.list("ReplicaSet" if kind == "Deployment" else "ControllerRevision")
    assert len([one for one in kept if one["metadata"]["ownerReferences"][0]["name"] == "checkout"]) == 2


async def test_a_stateful_set_that_waits_for_a_broken_pod_is_undone_by_taking_it_away(stage: Stage) -> None:
    """A template that is put back is not enough: the controller waits for the broken pod first."""
    target = await up(stage, "StatefulSet", replicas=2)
    await break_release(stage, "StatefulSet")
    await has_new_pod(stage, "StatefulSet")
    undo = await Doing.on(stage, UNDO, target, evict_old_pods=True)
    run = CarriedOut(undo.client, target, UNDO, {"evict_old_pods": True})
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    images = {pod["spec"]["containers"][0]["image"] for pod in await stage.pods("checkout")}
    assert images == {OLD_IMAGE}


async def test_an_on_delete_set_goes_back_and_forward_again_pod_by_pod(stage: Stage) -> None:
    target = await on_delete(stage)
    await deploy(stage, "StatefulSet")
    undo = await Doing.on(stage, UNDO, target, evict_old_pods=True)
    for pod in await stage.pods("checkout"):
        await stage.delete("Pod", pod["metadata"]["name"])
        await stage.until("StatefulSet", "checkout", lambda found: found["status"].get("readyReplicas") == 2)
    run = CarriedOut(undo.client, target, UNDO, {"evict_old_pods": True}, if_refuted="undo", verified=Answer.NO)
    cursor = await run.go()
    assert cursor.outcome is Outcome.REFUTED, (cursor.note, run.told)
    assert "undone" in cursor.note
    images = {pod["spec"]["containers"][0]["image"] for pod in await stage.pods("checkout")}
    assert images == {NEW_IMAGE}


@pytest.mark.parametrize(
    ("spec", "params", "code"),
    [
        ({"paused": True}, {}, "paused"),
        ({}, {"to_revision": 9}, "no_previous_revision"),
        ({}, {"to_revision": 2}, "nothing_to_change"),
    ],
)
async def test_what_cannot_go_back_is_refused(stage: Stage, spec: Object, params: Any, code: str) -> None:
    target = await released(stage, "Deployment")
    await stage.patch("Deployment", "checkout", {"spec": spec, "metadata": {"annotations": {"note": "x"}}})
    undo = await Doing.on(stage, UNDO, target, **params)
    await stage.until("Deployment", "checkout", _observed)
    with pytest.raises(PlanRefusedError) as refused:
        await undo.plan()
    assert (refused.value.code, refused.value.kind) == (code, "refuse")


async def test_without_history_there_is_no_way_back(stage: Stage) -> None:
    target = await up(stage, "Deployment", spec={"revisionHistoryLimit": 0})
    undo = await Doing.on(stage, UNDO, target)
    with pytest.raises(PlanRefusedError, match="revisionHistoryLimit") as refused:
        await undo.plan()
    assert refused.value.code == "no_previous_revision"


@pytest.mark.parametrize(
    ("strategy", "code"),
    [({"type": "OnDelete"}, "on_delete"), ({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}, "partition")],
)
async def test_a_set_that_would_not_roll_is_refused(stage: Stage, strategy: Object, code: str) -> None:
    target = await up(stage, "StatefulSet", spec={"updateStrategy": strategy})
    undo = await Doing.on(stage, UNDO, target)
    with pytest.raises(PlanRefusedError) as refused:
        await undo.plan()
    assert refused.value.code == code


async def test_a_restart_before_is_no_release_to_go_back_from(stage: Stage) -> None:
    target = await up(stage, "Deployment")
    await (await Doing.on(stage, RESTART, target)).do()
    await stage.rolled_out("checkout")
    with pytest.raises(PlanRefusedError, match="same images") as refused:
        await (await Doing.on(stage, UNDO, target)).plan()
    assert refused.value.code == "same_images"
    assert (await (await Doing.on(stage, UNDO, target, same_images="accept")).plan()).uid


async def test_what_a_rollback_took_away_is_never_brought_back_by_one(stage: Stage) -> None:
    target = await released(stage, "Deployment")
    undo = await Doing.on(stage, UNDO, target)
    await undo.do()
    await stage.rolled_out("checkout")
    with pytest.raises(PlanRefusedError, match="took away") as refused:
        await undo.plan()
    assert refused.value.code == "would_flip_flop"
    await deploy(stage, "Deployment", "registry.example.net/app:3.0")
    await stage.rolled_out("checkout")
    again = await undo.plan()
    assert again.changes[1].after == OLD_IMAGE


async def test_a_release_in_between_overtakes_it(stage: Stage) -> None:
    target = await released(stage, "Deployment")
    undo = await Doing.on(stage, UNDO, target)
    plan = await undo.plan()
    await deploy(stage, "Deployment", "registry.example.net/app:3.0")
    with pytest.raises(OvertakenError, match="template was"):
        await undo.apply(plan)
    assert not [one for one in await stage.audit() if one.writes]


async def test_a_revision_that_is_gone_overtakes_it(stage: Stage) -> None:
    target = await released(stage, "Deployment")
    undo = await Doing.on(stage, UNDO, target)
    plan = await undo.plan()
    await stage.delete("ReplicaSet", plan.depends_on["revision"])
    await stage.gone("ReplicaSet", plan.depends_on["revision"])
    with pytest.raises(OvertakenError, match="revision was"):
        await undo.apply(plan)


async def test_a_target_made_again_is_left_alone_at_every_step(stage: Stage) -> None:
    target = await released(stage, "Deployment")
    undo = await Doing.on(stage, UNDO, target)
    plan = await undo.plan()
    await stage.delete("Deployment", "checkout", {"propagationPolicy": "Background"})
    await stage.gone("Deployment", "checkout")
    with pytest.raises(OvertakenError, match="gone"):
        await undo.apply(plan)
    assert (await undo.landed(plan)).answer is Answer.UNKNOWN
    assert await undo.undo_plan(plan) is None
    await stage.workload("checkout")
    await stage.rolled_out("checkout")
    with pytest.raises(OvertakenError, match="made again"):
        await undo.apply(plan)
    assert (await undo.landed(plan)).answer is Answer.UNKNOWN
    assert await undo.verify(plan) is Answer.UNKNOWN
    assert await undo.undo_plan(plan) is None


async def test_the_mark_tells_ours_from_theirs(stage: Stage) -> None:
    begun = datetime.now(UTC)
    target = await released(stage, "Deployment")
    undo = await Doing.on(stage, UNDO, target)
    plan = await undo.do()
    assert (await undo.landed(plan, FIRST)).answer is Answer.YES
    assert (await undo.landed(plan, SECOND)).answer is Answer.NO
    await stage.patch("Deployment", "checkout", {"metadata": {"annotations": {INTENT: None}}})
    await deploy(stage, "Deployment", "registry.example.net/app:3.0")
    look = await undo.landed(plan, SECOND, begun)
    assert look.answer is Answer.UNKNOWN
    assert "wrote spec.template" in look.seen


async def test_it_goes_forward_again_only_while_nobody_has_written_since(stage: Stage) -> None:
    target = await released(stage, "Deployment")
    undo = await Doing.on(stage, UNDO, target)
    plan = await undo.do()
    await stage.until("Deployment", "checkout", _observed)
    forward = await undo.undo_plan(plan)
    assert forward is not None
    assert forward.changes[1].after == NEW_IMAGE
    await deploy(stage, "Deployment", "registry.example.net/app:3.0")
    assert await undo.undo_plan(plan) is None
    with pytest.raises(OvertakenError):
        await undo.apply(forward, SECOND)


async def test_other_annotations_stay_and_the_left_template_is_noted(stage: Stage) -> None:
    """kubectl would take all annotations from the old revision, and with them who owns it now."""
    target = await released(stage, "Deployment")
    mark = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}
    await stage.patch("Deployment", "checkout", {"metadata": {"annotations": mark}})
    await stage.until("Deployment", "checkout", _observed)
    undo = await Doing.on(stage, UNDO, target)
    plan = await undo.do()
    assert plan.owners == ("Argo CD application shop",)
    kept = (await stage.get("Deployment", "checkout"))["metadata"]["annotations"]
    assert kept.items() >= mark.items()
    assert UNDONE in kept


def _observed(found: Object) -> bool:
    return bool(found["status"].get("observedGeneration", 0) >= found["metadata"]["generation"])
