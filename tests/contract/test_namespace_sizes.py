"""kubernetes.scale_namespace and kubernetes.restore_namespace, on the emulator and on a real API server."""

import asyncio
from typing import Any

import pytest

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.answers import Answer
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import OvertakenError
from remediator.runs.plan import Plan
from tests.contract.cases.namespace_cases import busy
from tests.contract.conftest import may_write
from tests.contract.doing import SECOND, Doing
from tests.support.clock import T0
from tests.support.cluster import Object, Stage

BEFORE, INTENT = "remediator.dev/size-before", "remediator.dev/intent"
PAUSED_REPLICAS = "autoscaling.keda.sh/paused-replicas"


async def emptying(stage: Stage, **params: Any) -> Doing:
    return await Doing.on(stage, "kubernetes.scale_namespace", stage.target(stage.namespace, "namespace"), **params)


async def restoring(stage: Stage) -> Doing:
    return await Doing.on(stage, "kubernetes.restore_namespace", stage.target(stage.namespace, "namespace"))


async def two(stage: Stage) -> None:
    """Two Deployments that are up."""
    await stage.workload("checkout", replicas=3)
    await stage.workload("payment", replicas=1)
    await asyncio.gather(stage.rolled_out("checkout"), stage.rolled_out("payment"))


async def sizes(stage: Stage) -> dict[str, int]:
    found = [*await stage.list("Deployment"), *await stage.list("StatefulSet")]
    return {one["metadata"]["name"]: one["spec"]["replicas"] for one in found}


async def annotations(stage: Stage, kind: str, name: str) -> dict[str, str]:
    found: dict[str, str] = (await stage.get(kind, name))["metadata"].get("annotations") or {}
    return found


async def without_pods(stage: Stage, *names: str, kind: str = "Deployment") -> None:
    for name in names:
        await stage.until(kind, name, lambda found: _observed(found) and not found["status"].get("replicas"))


def _observed(found: Object) -> bool:
    return bool(found["status"].get("observedGeneration", 0) >= found["metadata"]["generation"])


async def look(stage: Stage, condition: str, *done: Plan) -> Look:
    asking = condition_named(condition)
    chosen = asking.params()
    target = stage.target(stage.namespace, "namespace")
    client = await stage.client(asking.permissions("namespace", chosen))
    return await asking.look(World(client, None, None), target, chosen, Known(T0, {}, done=done))


async def undo(doing: Doing, plan: Plan) -> Plan | None:
    """As the run does it: another plan, by the action that it names, with an intent of its own."""
    back = await doing.undo_plan(plan)
    if back is not None:
        with may_write():
            await action_named(back.action).apply(ActionContext(doing.client, own_changes=True), back, SECOND)
    return back


async def test_everything_goes_to_zero_and_comes_back(stage: Stage) -> None:
    """KEDA and CronJobs included; in between nobody keeps the sizes but the things themselves."""
    await busy(stage)
    doing = await emptying(stage, cronjobs="suspend")
    plan = await doing.do()
    await without_pods(stage, "checkout")
    await without_pods(stage, "ledger", kind="StatefulSet")
    assert await sizes(stage) == {"checkout": 0, "ledger": 0}
    assert (await annotations(stage, "Deployment", "checkout"))[BEFORE] == "2"
    assert (await annotations(stage, "ScaledObject", "checkout"))[PAUSED_REPLICAS] == "0"
    assert (await stage.get("CronJob", "backup"))["spec"]["suspend"] is True
    assert await doing.verify(plan) is Answer.YES
    assert (await look(stage, "scaled_to_zero", plan)).answer is Answer.YES
    assert (await look(stage, "sizes_as_before")).answer is Answer.NO

    back = await restoring(stage)
    restored = await back.do(SECOND)
    assert await sizes(stage) == {"checkout": 2, "ledger": 1}
    await asyncio.gather(stage.rolled_out("checkout"), stage.rolled_out("ledger", "StatefulSet"))
    assert PAUSED_REPLICAS not in await annotations(stage, "ScaledObject", "checkout")
    assert (await stage.get("CronJob", "backup"))["spec"]["suspend"] is False
    for kind, name in (("Deployment", "checkout"), ("StatefulSet", "ledger"), ("CronJob", "backup")):
        assert BEFORE not in await annotations(stage, kind, name)
    assert await back.verify(restored) is Answer.YES
    assert (await look(stage, "sizes_as_before", restored)).answer is Answer.YES
    assert (await look(stage, "scaled_to_zero")).answer is Answer.NO


async def test_cron_jobs_go_on_unless_told(stage: Stage) -> None:
    await busy(stage)
    plan = await (await emptying(stage)).do()
    assert "CronJobs go on" in plan.summary
    assert (await stage.get("CronJob", "backup"))["spec"]["suspend"] is False


async def test_what_is_excepted_stays(stage: Stage) -> None:
    await two(stage)
    doing = await emptying(stage, **{"except": ["payment"]})
    plan = await doing.do()
    await without_pods(stage, "checkout")
    assert await sizes(stage) == {"checkout": 0, "payment": 1}
    assert (await look(stage, "scaled_to_zero", plan)).answer is Answer.YES
    assert (await look(stage, "scaled_to_zero")).answer is Answer.NO


async def test_keda_is_not_paused_for_what_is_excepted(stage: Stage) -> None:
    await busy(stage)
    await (await emptying(stage, **{"except": ["checkout"]})).do()
    assert PAUSED_REPLICAS not in await annotations(stage, "ScaledObject", "checkout")


async def test_an_exception_that_is_not_there_is_refused(stage: Stage) -> None:
    """A name mistyped would take away what was to be kept."""
    await two(stage)
    with pytest.raises(PlanRefusedError, match="paymnet") as refused:
        await (await emptying(stage, **{"except": ["paymnet"]})).plan()
    assert refused.value.code == "unknown_exception"


async def test_a_pass_that_was_cut_short_is_finished_by_the_next(stage: Stage) -> None:
    """Also when something has woken meanwhile what the first pass took down: the size that it remembered stays."""
    await two(stage)
    doing = await emptying(stage)
    whole = await doing.plan()
    things = dict(whole.depends_on["things"])
    del things["deployment/payment"]
    half = Plan.from_json({**whole.to_json(), "depends_on": {**whole.depends_on, "things": things}})
    assert (await doing.landed(whole)).answer is Answer.NO
    await doing.apply(half)
    landed = await doing.landed(whole)
    assert (landed.answer, landed.partly) == (Answer.YES, True)
    await stage.patch("Deployment", "checkout", {"spec": {"replicas": 1}})

    rest = await doing.plan(own_changes=True)
    assert set(rest.depends_on["things"]) == {"deployment/checkout", "deployment/payment"}
    assert (await doing.apply(rest)).complete
    landed = await doing.landed(rest)
    assert (landed.answer, landed.partly) == (Answer.YES, False)
    assert (await annotations(stage, "Deployment", "checkout"))[BEFORE] == "3"
    assert (await annotations(stage, "Deployment", "payment"))[BEFORE] == "1"
    empty = await doing.plan(own_changes=True)
    assert not empty.changes
    assert (await doing.apply(empty)).complete


async def test_undo_gives_back_what_the_step_took(stage: Stage) -> None:
    await two(stage)
    await stage.workload("retired", replicas=1)
    await stage.patch("Deployment", "retired", {"metadata": {"annotations": {BEFORE: "1"}}, "spec": {"replicas": 0}})
    doing = await emptying(stage)
    plan = await doing.do()
    back = await undo(doing, plan)
    assert back is not None
    assert back.action == "kubernetes.restore_namespace"
    assert await sizes(stage) == {"checkout": 3, "payment": 1, "retired": 0}
    assert (await annotations(stage, "Deployment", "retired"))[BEFORE] == "1", "another run's"
    assert await doing.undo_plan(plan) is None


async def test_what_somebody_scaled_since_is_left(stage: Stage) -> None:
    await two(stage)
    doing = await emptying(stage)
    plan = await doing.do()
    await stage.patch("Deployment", "checkout", {"spec": {"replicas": 5}})
    back = await undo(doing, plan)
    assert back is not None
    assert "deployment/checkout" in back.summary
    assert await sizes(stage) == {"checkout": 5, "payment": 1}
    assert BEFORE not in await annotations(stage, "Deployment", "checkout")
    assert (await look(stage, "sizes_as_before")).answer is Answer.YES


async def test_what_somebody_put_to_zero_since_stays_there(stage: Stage) -> None:
    """Our memory is still on it, but the zero is theirs (S25)."""
    await two(stage)
    doing = await emptying(stage)
    plan = await doing.do()
    for replicas in (5, 0):
        await stage.patch("Deployment", "checkout", {"spec": {"replicas": replicas}})
    assert (await annotations(stage, "Deployment", "checkout"))[BEFORE] == "3"
    back = await undo(doing, plan)
    assert back is not None
    assert "left, since somebody has set them: deployment/checkout" in back.summary
    assert await sizes(stage) == {"checkout": 0, "payment": 1}
    assert BEFORE not in await annotations(stage, "Deployment", "checkout")


async def test_what_could_not_be_given_back_is_not_taken(stage: Stage) -> None:
    await busy(stage)
    await stage.patch("ScaledObject", "checkout", {"metadata": {"annotations": {PAUSED_REPLICAS: "two"}}})
    with pytest.raises(PlanRefusedError, match="scaledobject/checkout") as refused:
        await (await emptying(stage)).plan()
    assert refused.value.code == "size_unreadable"
    await (await emptying(stage, **{"except": ["checkout"]})).plan()


async def test_a_namespace_that_was_made_again_is_neither_empty_nor_whole(stage: Stage) -> None:
    """What was in it is gone, and so is every sign that anything is wrong."""
    await two(stage)
    emptied = await (await emptying(stage)).do()
    await without_pods(stage, "checkout", "payment")
    restored = await (await restoring(stage)).do(SECOND)
    for condition, plan in (("scaled_to_zero", emptied), ("sizes_as_before", restored)):
        of_another = Plan.from_json({**plan.to_json(), "uid": "another"})
        seen = await look(stage, condition, of_another)
        assert seen.answer is Answer.UNKNOWN
        assert "made again" in seen.seen


async def test_what_was_at_zero_before_stays_there(stage: Stage) -> None:
    await two(stage)
    await stage.patch("Deployment", "payment", {"spec": {"replicas": 0}})
    await (await emptying(stage)).do()
    await (await restoring(stage)).do(SECOND)
    assert await sizes(stage) == {"checkout": 3, "payment": 0}


async def test_zero_twice_remembers_the_first_size(stage: Stage) -> None:
    await two(stage)
    await (await emptying(stage)).do()
    with pytest.raises(PlanRefusedError) as refused:
        await (await emptying(stage)).plan()
    assert refused.value.code == "nothing_to_change"
    await stage.patch("Deployment", "payment", {"spec": {"replicas": 2}})
    await (await emptying(stage)).do(SECOND)
    assert (await annotations(stage, "Deployment", "payment"))[BEFORE] == "2"
    assert (await annotations(stage, "Deployment", "checkout"))[BEFORE] == "3"


async def test_nothing_remembered_is_nothing_to_restore(stage: Stage) -> None:
    with pytest.raises(PlanRefusedError) as refused:
        await (await restoring(stage)).plan()
    assert refused.value.code == "nothing_to_change"
    assert (await look(stage, "sizes_as_before")).answer is Answer.YES


@pytest.mark.parametrize("told", ["many", "-1", "99999999", "auto", ""])
async def test_a_memory_that_is_no_size_is_not_acted_upon(stage: Stage, told: str) -> None:
    """Whoever may annotate a Deployment may have written it."""
    await stage.workload("checkout", replicas=0)
    await stage.patch("Deployment", "checkout", {"metadata": {"annotations": {BEFORE: told}}})
    with pytest.raises(PlanRefusedError) as refused:
        await (await restoring(stage)).plan()
    assert refused.value.code == "size_unreadable"


async def test_an_autoscaler_is_left_and_its_sizes_are_no_part_of_the_approval(stage: Stage) -> None:
    await two(stage)
    aimed = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    spec = {"scaleTargetRef": aimed, "minReplicas": 2, "maxReplicas": 6}
    made = await stage.create({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "checkout"}, "spec": spec})
    doing = await emptying(stage)
    plan = await doing.plan()
    await stage.patch("Deployment", "checkout", {"spec": {"replicas": 4}})
    later = await doing.plan()
    assert later.approval_hash == plan.approval_hash
    await doing.apply(later)
    assert (await annotations(stage, "Deployment", "checkout"))[BEFORE] == "4"
    present = await stage.get("HorizontalPodAutoscaler", "checkout")
    assert present["spec"] == made["spec"]
    assert plan.memory["autoscalers"] == {"checkout": ["deployment/checkout", 2, 6]}


async def test_one_that_scales_from_zero_is_refused(emulated_stage: Stage) -> None:
    """A real API server takes minReplicas 0 only with a feature gate, and the autoscaler then wakes what was put down."""
    stage = emulated_stage
    await two(stage)
    aimed = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    spec = {"scaleTargetRef": aimed, "minReplicas": 1, "maxReplicas": 6}
    await stage.create({"kind": "HorizontalPodAutoscaler", "metadata": {"name": "checkout"}, "spec": spec})
    world: Any = stage
    found = world.world.kubernetes.get("horizontalpodautoscalers", stage.namespace, "checkout")
    found["spec"]["minReplicas"] = 0
    with pytest.raises(PlanRefusedError) as refused:
        await (await emptying(stage)).plan()
    assert refused.value.code == "scales_from_zero"


async def test_who_would_put_the_sizes_back_is_named(stage: Stage) -> None:
    await two(stage)
    told = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}}
    await stage.patch("Deployment", "checkout", {"metadata": told})
    assert (await (await emptying(stage)).plan()).owners == ("Argo CD application shop",)


async def test_a_deployment_that_was_made_again_is_another(stage: Stage) -> None:
    await two(stage)
    doing = await emptying(stage)
    plan = await doing.plan()
    await stage.delete("Deployment", "checkout")
    await stage.gone("Deployment", "checkout")
    await stage.workload("checkout", replicas=1)
    with pytest.raises(OvertakenError, match="made again"):
        await doing.apply(plan)
    assert await sizes(stage) == {"checkout": 1, "payment": 1}


async def test_what_is_gone_needs_no_size(stage: Stage) -> None:
    await two(stage)
    doing = await emptying(stage)
    plan = await doing.plan()
    await stage.delete("Deployment", "checkout")
    await stage.gone("Deployment", "checkout")
    assert (await doing.apply(plan)).complete
    assert await sizes(stage) == {"payment": 0}


async def test_a_status_that_changes_all_the_time_does_not_stop_it(stage: Stage) -> None:
    await two(stage)

    async def restless() -> None:
        for number in range(30):
            conditions = [{"type": "Busy", "status": "True", "reason": str(number)}]
            await stage.patch("Deployment", "checkout", {"status": {"conditions": conditions}}, subresource="status")
            await asyncio.sleep(0.1)

    doing = await emptying(stage)
    plan = await doing.plan()
    _, applied = await asyncio.gather(restless(), doing.apply(plan))
    assert applied.complete
    assert await sizes(stage) == {"checkout": 0, "payment": 0}
