"""Conditions on the history, the restarts, the size and the autoscaler of a workload, as clients that hold what they declare."""

from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.answers import Answer
from remediator.clients.permissions import Permission, in_cluster
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.cases.autoscaler_cases import autoscaler, target_of
from tests.contract.cases.workload_cases import deploy, on_delete, released, up
from tests.contract.doing import Doing
from tests.contract.test_every_action import permissions_of
from tests.controlplane.words import BEHAVIOUR
from tests.support.cluster import Stage

HPA = "HorizontalPodAutoscaler"


def needed(name: str, target: Target, **params: Any) -> tuple[Permission, ...]:
    condition = condition_named(name)
    return in_cluster(condition.permissions(target.kind, condition.params.model_validate(params)))


async def ask(stage: Stage, name: str, target: Target, **params: Any) -> Look:
    condition = condition_named(name)
    client = await stage.client(needed(name, target, **params))
    known = Known(now=datetime.now(UTC), labels={})
    return await condition.look(World(client, None, None), target, condition.params.model_validate(params), known)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_a_release_leaves_a_revision_to_go_back_to(stage: Stage, kind: str) -> None:
    target = await up(stage, kind)
    assert (await ask(stage, "previous_revision", target)).answer is Answer.NO
    await deploy(stage, kind)
    await stage.rolled_out("checkout", kind)
    assert (await ask(stage, "previous_revision", target)).answer is Answer.YES


async def test_a_restart_leaves_none_unless_the_same_images_will_do(stage: Stage) -> None:
    target = await up(stage, "Deployment")
    await (await Doing.on(stage, "kubernetes.rollout_restart", target)).do()
    await stage.rolled_out("checkout")
    look = await ask(stage, "previous_revision", target)
    assert look.answer is Answer.NO
    assert "same images" in look.seen
    assert (await ask(stage, "previous_revision", target, same_images="accept")).answer is Answer.YES


async def test_what_was_rolled_back_is_nothing_to_go_back_to(stage: Stage) -> None:
    target = await released(stage, "Deployment")
    await (await Doing.on(stage, "kubernetes.rollout_undo", target)).do()
    await stage.rolled_out("checkout")
    assert (await ask(stage, "previous_revision", target)).answer is Answer.NO


async def test_a_rollout_of_on_delete_has_an_end_where_this_run_evicts(stage: Stage) -> None:
    target = await on_delete(stage)
    doing = await Doing.on(stage, "kubernetes.rollout_restart", target, evict_old_pods=True)
    plan = await doing.plan()
    condition = condition_named("rollout_complete")
    client = await stage.client(condition.permissions(target.kind, condition.params()))

    async def look(*done: Plan) -> Answer:
        known = Known(now=datetime.now(UTC), labels={}, done=done)
        return (await condition.look(World(client, None, None), target, condition.params(), known)).answer

    assert await look() is Answer.UNKNOWN
    assert await look(plan) is Answer.YES
    await doing.apply(plan)
    assert await look(plan) is Answer.NO


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_a_rollout_is_recent_by_the_clock(stage: Stage, kind: str) -> None:
    target = await up(stage, kind)
    assert (await ask(stage, "recent_rollout", target, within="1h")).answer is Answer.YES
    condition = condition_named("recent_rollout")
    client = await stage.client(needed("recent_rollout", target, within="1h"))
    later = Known(now=datetime.now(UTC).replace(year=2030), labels={})
    params = condition.params.model_validate({"within": "1h"})
    assert (await condition.look(World(client, None, None), target, params, later)).answer is Answer.NO


async def test_a_container_that_was_started_again_is_a_no(stage: Stage) -> None:
    target = await up(stage, "Deployment", replicas=1)
    assert (await ask(stage, "no_restarts", target, within="5m")).answer is Answer.YES
    (pod,) = await stage.pods("checkout")
    name = pod["metadata"]["name"]
    await stage.patch("Pod", name, {"metadata": {"annotations": {BEHAVIOUR: "crash-loop"}}})
    await stage.until("Pod", name, lambda found: found["status"]["containerStatuses"][0]["restartCount"])
    assert (await ask(stage, "no_restarts", target, within="5m")).answer is Answer.NO


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({"above": 2}, Answer.YES),
        ({"above": 3}, Answer.NO),
        ({"below": 4}, Answer.YES),
        ({"below": 3}, Answer.NO),
        ({"equals": 3}, Answer.YES),
        ({"equals": 2}, Answer.NO),
    ],
)
async def test_the_wanted_number_is_compared(stage: Stage, params: Any, answer: Answer) -> None:
    await stage.workload("checkout")
    assert (await ask(stage, "replicas", stage.target("checkout"), **params)).answer is answer


async def test_the_autoscaler_of_a_workload_is_seen_and_whether_it_may_add_more(stage: Stage) -> None:
    target = await up(stage, "Deployment")
    assert (await ask(stage, "autoscaled", target)).answer is Answer.NO
    assert (await ask(stage, "autoscaler_below_maximum", target)).answer is Answer.NO
    await autoscaler(stage)
    assert (await ask(stage, "autoscaled", target)).answer is Answer.YES
    assert (await ask(stage, "autoscaled", target_of(stage))).answer is Answer.YES
    await stage.until(HPA, "checkout", lambda found: found["status"].get("currentReplicas") == 3)
    for maximum, answer in ((4, Answer.YES), (3, Answer.NO)):
        await stage.patch(HPA, "checkout", {"spec": {"maxReplicas": maximum}})
        for asked in (target, target_of(stage)):
            assert (await ask(stage, "autoscaler_below_maximum", asked)).answer is answer


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("previous_revision", {}),
        ("recent_rollout", {"within": "1h"}),
        ("no_restarts", {"within": "1h"}),
        ("replicas", {"above": 1}),
        ("autoscaler_below_maximum", {}),
        ("autoscaled", {}),
    ],
)
async def test_what_cannot_be_read_is_unknown_and_what_is_asked_is_declared(
    emulated_stage: Stage, name: str, params: Any
) -> None:
    await emulated_stage.workload("checkout")
    target = emulated_stage.target("checkout")
    await emulated_stage.rolled_out("checkout")
    await ask(emulated_stage, name, target, **params)
    asked = set().union(*map(permissions_of, await emulated_stage.audit()))
    wanted = needed(name, target, **params)
    assert asked == {(one.group, one.resource, one.verb) for one in wanted}
    condition = condition_named(name)
    for left_out in wanted:
        client = await emulated_stage.client([one for one in wanted if one != left_out])
        known = Known(now=datetime.now(UTC), labels={})
        chosen = condition.params.model_validate(params)
        look = await condition.look(World(client, None, None), target, chosen, known)
        assert look.answer is Answer.UNKNOWN
        assert f"missing permission: {left_out}" in look.seen
    gone = emulated_stage.target("gone")
    if name not in ("autoscaled", "autoscaler_below_maximum"):
        assert (await ask(emulated_stage, name, gone, **params)).answer is Answer.UNKNOWN
