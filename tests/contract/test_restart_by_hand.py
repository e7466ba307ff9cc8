"""kubernetes.rollout_restart where the rollout does not reach every pod by itself: OnDelete, partitions, a broken pod in the way."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.marks import INTENT
from remediator.errors import OvertakenError, PermanentError
from remediator.runs.cursor import Outcome
from remediator.targets import Target
from tests.contract.cases.workload_cases import ON_DELETE, on_delete, up
from tests.contract.doing import FIRST, Doing
from tests.controlplane.words import BEHAVIOUR
from tests.support.carried_out import CarriedOut
from tests.support.cluster import Object, Stage

RESTART = "kubernetes.rollout_restart"
PARTITION: Object = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}


async def restarted(stage: Stage) -> set[str]:
    """Names of the pods that have the mark."""
    pods = await stage.pods("checkout")
    return {pod["metadata"]["name"] for pod in pods if INTENT in pod["metadata"].get("annotations", {})}


async def uids(stage: Stage) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in await stage.pods("checkout")}


async def ready(stage: Stage) -> int:
    conditions = [pod.get("status", {}).get("conditions", []) for pod in await stage.pods("checkout")]
    return sum(any(one["type"] == "Ready" and one["status"] == "True" for one in of_pod) for of_pod in conditions)


async def budget(stage: Stage, least: int) -> None:
    selector = {"matchLabels": {"app": "checkout"}}
    made = {"minAvailable": least, "selector": selector}
    await stage.create({"kind": "PodDisruptionBudget", "metadata": {"name": "checkout"}, "spec": made})
    await stage.until("PodDisruptionBudget", "checkout", lambda found: found["status"].get("currentHealthy") == 2)


async def carry_out(stage: Stage, target: Target, **params: Any) -> CarriedOut:
    restart = await Doing.on(stage, RESTART, target, **params)
    return CarriedOut(restart.client, target, RESTART, params)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_on_delete_needs_a_word(stage: Stage, kind: str) -> None:
    target = await up(stage, kind, spec=ON_DELETE)
    with pytest.raises(PlanRefusedError, match="evict_old_pods: true") as refused:
        await (await Doing.on(stage, RESTART, target)).plan()
    assert refused.value.code == "on_delete"


async def test_on_delete_daemons_are_evicted_and_come_back_new(stage: Stage) -> None:
    target = await up(stage, "DaemonSet", spec=ON_DELETE)
    before = await uids(stage)
    run = await carry_out(stage, target, evict_old_pods=True)
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert await restarted(stage)
    assert not set(before.values()) & set((await uids(stage)).values())


async def test_one_at_a_time_as_the_budget_allows(stage: Stage) -> None:
    """Each pass evicts one pod at most, and waits until those before it are ready again."""
    target = await on_delete(stage)
    await budget(stage, 1)
    restart = await Doing.on(stage, RESTART, target, evict_old_pods=True)
    plan = await restart.plan()
    assert not (await restart.apply(plan)).complete
    assert len(await restarted(stage)) == 0
    evicted: list[str] = []
    async with asyncio.timeout(60):
        while (await restart.landed(plan)).partly:
            done = await restart.apply(await restart.plan(own_changes=True))
            assert await ready(stage) >= 1, (evicted, done.summary)
            evicted += [done.summary] if "evicted old pod" in done.summary else []
    assert len(evicted) == 2
    async with asyncio.timeout(60):  # the last one evicted is made again
        while len(await restarted(stage)) < 2:  # noqa: ASYNC110 - nothing to wait for but the server's answer
            await asyncio.sleep(0.03)


async def test_a_budget_that_allows_none_is_waited_for(stage: Stage) -> None:
    target = await on_delete(stage)
    await budget(stage, 2)
    restart = await Doing.on(stage, RESTART, target, evict_old_pods=True)
    plan = await restart.plan()
    await restart.apply(plan)
    await stage.until("StatefulSet", "checkout", _observed)
    refused = await restart.apply(await restart.plan(own_changes=True))
    assert not refused.complete
    assert "disruption budget" in refused.summary
    assert (await restart.landed(plan)).partly
    await stage.delete("PodDisruptionBudget", "checkout")
    evicted = await restart.apply(await restart.plan(own_changes=True))
    assert "evicted old pod" in evicted.summary


async def test_a_release_in_its_middle_stops_it(stage: Stage) -> None:
    target = await on_delete(stage)
    restart = await Doing.on(stage, RESTART, target, evict_old_pods=True)
    await restart.apply(await restart.plan())
    template = (await stage.get("StatefulSet", "checkout"))["spec"]["template"]
    containers = [{**template["spec"]["containers"][0], "image": "registry.example.net/app:2.0"}]
    unmarked = {"metadata": {"annotations": {INTENT: None}}, "spec": {"containers": containers}}
    await stage.patch("StatefulSet", "checkout", {"spec": {"template": unmarked}})
    with pytest.raises(OvertakenError, match="changed since this restart began"):
        await restart.apply(await restart.plan(own_changes=True))
    assert await restarted(stage) == set()


async def test_a_set_made_again_in_its_middle_is_left_alone(stage: Stage) -> None:
    target = await on_delete(stage)
    restart = await Doing.on(stage, RESTART, target, evict_old_pods=True)
    plan = await restart.plan()
    await restart.apply(plan)
    await stage.delete("StatefulSet", "checkout", {"propagationPolicy": "Background"})
    await stage.gone("StatefulSet", "checkout")
    for number in range(2):
        await stage.gone("Pod", f"checkout-{number}")
    await on_delete(stage)
    before = await uids(stage)
    with pytest.raises(OvertakenError, match="made again"):
        await restart.apply(plan)
    assert (await restart.landed(plan)).answer is Answer.UNKNOWN
    assert await uids(stage) == before


async def test_a_partition_is_refused_with_its_reach_and_accepted_for_it(stage: Stage) -> None:
    target = await up(stage, "StatefulSet", spec=PARTITION)
    with pytest.raises(PlanRefusedError, match="only 1 of its 3 pods") as refused:
        await (await Doing.on(stage, RESTART, target)).plan()
    assert refused.value.code == "partition"
    run = await carry_out(stage, target, partition="accept")
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert await restarted(stage) == {"checkout-2"}


async def test_a_partition_that_reaches_nothing_is_refused_whatever_is_said(stage: Stage) -> None:
    strategy = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}}
    target = await up(stage, "StatefulSet", spec=strategy)
    with pytest.raises(PlanRefusedError, match="none would restart"):
        await (await Doing.on(stage, RESTART, target, partition="accept")).plan()


async def test_a_broken_pod_that_holds_up_the_order_is_taken_away(stage: Stage) -> None:
    target = await up(stage, "StatefulSet")
    await stage.patch("Pod", "checkout-1", {"metadata": {"annotations": {BEHAVIOUR: "never-ready"}}})
    await stage.until("StatefulSet", "checkout", lambda found: found["status"].get("readyReplicas", 0) < 3)
    run = await carry_out(stage, target, evict_old_pods=True)
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert await restarted(stage) == {"checkout-0", "checkout-1", "checkout-2"}


async def test_a_daemon_set_without_a_node_is_refused(stage: Stage) -> None:
    await stage.workload("checkout", kind="DaemonSet", pod={"nodeSelector": {"nowhere": "true"}})
    await stage.until("DaemonSet", "checkout", _observed)
    with pytest.raises(PlanRefusedError, match="no node wants a pod"):
        await (await Doing.on(stage, RESTART, stage.target("checkout", "daemonset"))).plan()


async def test_two_budgets_are_a_refusal_that_names_them(stage: Stage) -> None:
    target = await on_delete(stage)
    await budget(stage, 1)
    selector = {"matchLabels": {"app": "checkout"}}
    second = {"minAvailable": 1, "selector": selector}
    await stage.create({"kind": "PodDisruptionBudget", "metadata": {"name": "second"}, "spec": second})
    restart = await Doing.on(stage, RESTART, target, evict_old_pods=True)
    plan = await restart.plan()
    await restart.apply(plan)
    await stage.until("StatefulSet", "checkout", _observed)
    with pytest.raises(PermanentError, match="more than one PodDisruptionBudget"):
        await restart.apply(await restart.plan(own_changes=True))


async def test_a_restart_is_no_lasting_change(stage: Stage) -> None:
    """S13: whoever owns the template takes our annotations away at most, and the pods stay new."""
    target = await up(stage, "Deployment", labels={"argocd.argoproj.io/instance": "shop"})
    restart = await Doing.on(stage, RESTART, target)
    plan = await restart.plan()
    assert plan.owners == ()
    assert "owned by Argo CD application shop" in plan.summary
    begun = datetime.now(UTC)
    await restart.apply(plan)
    assert (await restart.landed(plan, FIRST, begun)).answer is Answer.YES


def _observed(found: Object) -> bool:
    return bool(found["status"].get("observedGeneration", 0) >= found["metadata"]["generation"])
