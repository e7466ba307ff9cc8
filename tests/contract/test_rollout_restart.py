"""kubernetes.rollout_restart against the simulated cluster (S8, S15, S16)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.errors import ConflictError
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.workload import RESTARTED_AT
from remediator.errors import FactsMissingError, OutcomeUnknownError, OvertakenError
from remediator.runs.plan import Plan
from remediator.sandbox.kubernetes.resources import DEPLOYMENTS, REPLICA_SETS, Object
from remediator.sandbox.kubernetes.store import Writer
from remediator.sandbox.world import World
from remediator.targets import Target
from tests.contract.conftest import CHECKOUT, may_write

RESTART = action_named("kubernetes.rollout_restart")
PARAMS = RESTART.params()
FIRST, SECOND = "int_00000000000000000000000001", "int_00000000000000000000000002"
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


async def up(world: World, plural: str = "deployments", **options: Any) -> None:
    world.deploy("shop", "checkout", plural=plural, **options)
    await world.rolled_out("shop", "checkout", plural=plural)


def deployment(world: World) -> Object:
    return world.kubernetes.get("deployments", "shop", "checkout")


def edit(world: World, change: dict[str, Any], manager: str = "kubectl") -> None:
    """Somebody else changes the workload."""
    old = deployment(world)
    new = {**old, "spec": {**old["spec"], **change}}
    world.kubernetes.store.update(DEPLOYMENTS, old, new, Writer(manager))


def templates(world: World) -> list[Any]:
    return world.kubernetes.changes("deployments", "shop", "checkout", "spec.template")


async def apply(ctx: ActionContext, plan: Plan, intent: str = FIRST) -> Any:
    with may_write():
        return await RESTART.apply(ctx, plan, intent)


@pytest.mark.parametrize("plural", ["deployments", "statefulsets"])
async def test_every_pod_is_replaced_and_the_effect_is_seen(world: World, ctx: ActionContext, plural: str) -> None:
    await up(world, plural)
    target = Target.kubernetes("prod", "shop", plural.removesuffix("s"), "checkout")
    before = {pod.uid for pod in await ctx.kubernetes.pods.of(await ctx.kubernetes.workloads.read(target))}
    plan = await RESTART.plan(ctx, target, PARAMS)
    applied = await apply(ctx, plan)
    assert (await RESTART.verify(ctx, plan, applied)).answer is Answer.NO
    await world.rolled_out("shop", "checkout", plural=plural)
    assert (await RESTART.verify(ctx, plan, applied)).answer is Answer.YES
    workload = await ctx.kubernetes.workloads.read(target)
    after = {pod.uid for pod in await ctx.kubernetes.pods.of(workload) if not pod.terminating}
    assert len(after) == 3
    assert not before & after
    assert workload.intent == FIRST
    assert workload.annotations[INTENT] == FIRST
    assert "remediator" in {manager.name for manager in workload.managers}


async def test_the_plan_is_what_is_sent(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = Plan.from_json((await RESTART.plan(ctx, CHECKOUT, PARAMS)).to_json())
    await apply(ctx, plan)
    (sent,) = world.kubernetes.requests.matching("PATCH")
    (call,) = plan.calls
    assert (sent.method, sent.path) == (call.verb, call.resource)
    assert sent.content_type == "application/merge-patch+json"
    assert sent.query["fieldManager"] == "remediator"
    body = sent.json()
    assert body["metadata"]["resourceVersion"].isdigit()
    body["metadata"]["resourceVersion"] = "<as read just before>"
    annotations = body["spec"]["template"]["metadata"]["annotations"]
    assert datetime.fromisoformat(annotations[RESTARTED_AT]).tzinfo is not None
    annotations[RESTARTED_AT] = "<time of writing>"
    assert annotations[INTENT] == body["metadata"]["annotations"][INTENT] == FIRST
    annotations[INTENT] = body["metadata"]["annotations"][INTENT] = "<intent id>"
    assert body == call.body


async def test_two_restarts_in_one_second_are_two_rollouts(world: World, ctx: ActionContext) -> None:
    """kubectl's stamp has whole seconds: a second restart within one would be taken with a 200 and roll nothing."""
    await up(world)
    await apply(ctx, await RESTART.plan(ctx, CHECKOUT, PARAMS))
    again = await RESTART.plan(ActionContext(ctx.kubernetes, own_changes=True), CHECKOUT, PARAMS)
    await apply(ctx, again, SECOND)
    assert len(templates(world)) == 2
    assert deployment(world)["metadata"]["generation"] == 3


@pytest.mark.parametrize(
    ("plural", "spec", "code"),
    [
        ("deployments", {"paused": True}, "paused"),
        ("deployments", {"replicas": 0}, "scaled_to_zero"),
        ("statefulsets", {"updateStrategy": {"type": "OnDelete"}}, "on_delete"),
        ("statefulsets", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}, "partition"),
    ],
)
async def test_what_would_take_the_patch_and_not_restart_is_refused(
    world: World, ctx: ActionContext, plural: str, spec: Object, code: str
) -> None:
    world.deploy("shop", "checkout", plural=plural, spec=spec)
    with pytest.raises(PlanRefusedError) as refused:
        await RESTART.plan(ctx, Target.kubernetes("prod", "shop", plural.removesuffix("s"), "checkout"), PARAMS)
    assert (refused.value.code, refused.value.kind) == (code, "refuse")


@pytest.mark.parametrize("kind", ["job", "cronjob", "pod", "replicaset"])
async def test_kinds_that_are_not_built_are_refused_by_name(ctx: ActionContext, kind: str) -> None:
    with pytest.raises(PlanRefusedError, match=kind) as refused:
        await RESTART.plan(ctx, Target.kubernetes("prod", "shop", kind, "checkout"), PARAMS)
    assert refused.value.code == "kind_not_built"


async def test_a_missing_target_is_refused_and_an_unreadable_one_is_a_missing_fact(
    world: World, ctx: ActionContext
) -> None:
    with pytest.raises(PlanRefusedError, match="does not exist"):
        await RESTART.plan(ctx, CHECKOUT, PARAMS)
    world.kubernetes.faults.add(kind="status 503")
    with pytest.raises(FactsMissingError):
        await RESTART.plan(ctx, CHECKOUT, PARAMS)


async def test_a_rollout_under_way_is_waited_for_unless_it_is_our_own(world: World, ctx: ActionContext) -> None:
    await up(world)
    world.kubernetes.health.set("deployments", "shop", "checkout", "healthy", "slow")
    edit(
        world,
        {"template": {**deployment(world)["spec"]["template"], "metadata": {"labels": {"app": "checkout", "v": "2"}}}},
    )
    with pytest.raises(PlanRefusedError, match="under way") as refused:
        await RESTART.plan(ctx, CHECKOUT, PARAMS)
    assert refused.value.kind == "wait"
    assert (await RESTART.plan(ActionContext(ctx.kubernetes, own_changes=True), CHECKOUT, PARAMS)).uid


async def test_a_crash_loop_is_no_rollout_under_way(world: World, ctx: ActionContext) -> None:
    await up(world)
    world.sicken("shop", "checkout", "crash-loop")
    await world.kubernetes.until(lambda: not deployment(world)["status"].get("availableReplicas"))
    assert (await RESTART.plan(ctx, CHECKOUT, PARAMS)).uid


async def test_a_rollout_past_its_deadline_is_not_under_way(world: World, ctx: ActionContext) -> None:
    world.deploy("shop", "checkout", spec={"progressDeadlineSeconds": 1})
    await world.rolled_out("shop", "checkout")
    world.kubernetes.health.set("deployments", "shop", "checkout", "healthy", "never-ready")
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    applied = await apply(ctx, plan)
    await world.kubernetes.until(
        lambda: any(c.get("reason") == "ProgressDeadlineExceeded" for c in deployment(world)["status"]["conditions"])
    )
    look = await RESTART.verify(ctx, plan, applied)
    assert look.answer is Answer.NO
    assert "deadline was exceeded" in look.seen
    assert (await RESTART.plan(ctx, CHECKOUT, PARAMS)).uid


@pytest.mark.parametrize("change", [{"paused": True}, {"template": "new image"}])
async def test_a_changed_template_or_a_pause_overtakes_the_plan(world: World, ctx: ActionContext, change: Any) -> None:
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    if "template" in change:
        template = deployment(world)["spec"]["template"]
        container = {**template["spec"]["containers"][0], "image": "registry.example.net/shop/checkout:2.0"}
        change = {"template": {**template, "spec": {**template["spec"], "containers": [container]}}}
    edit(world, change)
    count = len(templates(world))
    with pytest.raises(OvertakenError):
        await apply(ctx, plan)
    assert len(templates(world)) == count
    assert world.kubernetes.requests.matching("PATCH") == []


async def test_another_workload_of_the_name_overtakes_the_plan(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    world.kubernetes.store.remove(DEPLOYMENTS, deployment(world), Writer("kubectl"))
    with pytest.raises(OvertakenError, match="gone"):
        await apply(ctx, plan)
    await up(world)
    with pytest.raises(OvertakenError, match="made again"):
        await apply(ctx, plan)
    assert (await RESTART.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.UNKNOWN
    assert (await RESTART.verify(ctx, plan, None)).answer is Answer.UNKNOWN
    assert world.kubernetes.requests.matching("PATCH") == []


async def test_what_the_plan_does_not_depend_on_does_not_overtake_it(world: World, ctx: ActionContext) -> None:
    """A crash-looping workload's resourceVersion changes every second (S16)."""
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    edit(world, {"replicas": 4}, manager="kubectl-scale")
    await apply(ctx, plan)
    assert len(templates(world)) == 1


async def test_a_conflict_is_read_again_up_to_five_times(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    world.kubernetes.faults.add(match="PATCH *", kind="status 409", times=4)
    await apply(ctx, plan)
    assert len(world.kubernetes.requests.matching("PATCH")) == 5
    assert len(templates(world)) == 1


async def test_after_five_conflicts_nothing_was_done(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    world.kubernetes.faults.add(match="PATCH *", kind="status 409", times=None)
    with pytest.raises(ConflictError):
        await apply(ctx, plan)
    assert len(world.kubernetes.requests.matching("PATCH")) == 5
    assert templates(world) == []


@pytest.mark.parametrize(
    ("kind", "landed"),
    [("lose_answer", Answer.YES), ("reset", Answer.NO), ("hang", Answer.NO), ("late_answer 3", Answer.YES)],
)
async def test_landed_tells_what_a_lost_answer_hid(world: World, ctx: ActionContext, kind: str, landed: Answer) -> None:
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    world.kubernetes.faults.add(match="PATCH *", kind=kind)
    with pytest.raises(OutcomeUnknownError):
        await apply(ctx, plan)
    assert (await RESTART.landed(ctx, plan, FIRST, BEGUN)).answer is landed
    assert (await RESTART.landed(ctx, plan, SECOND, BEGUN)).answer is Answer.NO


async def test_landed_is_never_judged_by_the_state_alone(world: World, ctx: ActionContext) -> None:
    """Somebody else's restart, done and complete, is not ours."""
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    await apply(ctx, plan, SECOND)
    await world.rolled_out("shop", "checkout")
    assert (await RESTART.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.NO


@pytest.mark.parametrize("plural", ["deployments", "statefulsets"])
async def test_landed_finds_the_mark_in_the_history_after_somebody_rolled_back(
    world: World, ctx: ActionContext, plural: str
) -> None:
    await up(world, plural)
    target = Target.kubernetes("prod", "shop", plural.removesuffix("s"), "checkout")
    resource = world.kubernetes.registry.by_plural(plural)
    before = world.kubernetes.get(plural, "shop", "checkout")
    plan = await RESTART.plan(ctx, target, PARAMS)
    await apply(ctx, plan)
    await world.rolled_out("shop", "checkout", plural=plural)
    old = world.kubernetes.get(plural, "shop", "checkout")
    metadata = {**old["metadata"], "annotations": dict(before["metadata"].get("annotations") or {})}
    undone = {**old, "metadata": metadata, "spec": {**old["spec"], "template": before["spec"]["template"]}}
    world.kubernetes.store.update(resource, old, undone, Writer("kubectl"))
    assert (await ctx.kubernetes.workloads.read(target)).intent is None
    assert (await RESTART.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.YES
    assert (await RESTART.landed(ctx, plan, SECOND, BEGUN)).answer is Answer.NO


async def test_landed_finds_the_mark_on_the_object_when_template_and_history_lost_it(
    world: World, ctx: ActionContext
) -> None:
    """A deploy replaced the template, and ``revisionHistoryLimit: 0`` keeps no revision of ours."""
    await up(world, spec={"revisionHistoryLimit": 0})
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    await apply(ctx, plan)
    await world.rolled_out("shop", "checkout")
    edit(world, {"template": {**deployment(world)["spec"]["template"], "metadata": {"labels": {"app": "checkout"}}}})
    await world.rolled_out("shop", "checkout")
    for revision in world.kubernetes.store.all(REPLICA_SETS, "shop"):
        if INTENT in revision["spec"]["template"]["metadata"].get("annotations", {}):
            world.kubernetes.store.remove(REPLICA_SETS, revision, Writer("deployment-controller", external=False))
    assert (await ctx.kubernetes.workloads.read(CHECKOUT)).intent is None
    assert (await RESTART.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.YES


async def test_landed_without_a_read_is_unknown(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    world.kubernetes.faults.add(match="GET *", kind="status 500", times=None)
    assert (await RESTART.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.UNKNOWN
    assert (await RESTART.verify(ctx, plan, None)).answer is Answer.UNKNOWN


async def test_a_write_that_came_late_is_found_and_not_repeated(world: World, ctx: ActionContext) -> None:
    """Given up as lost, judged "no", and landing just before the second attempt."""
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    await apply(ctx, plan)
    again = await apply(ctx, plan)
    assert "already" in again.summary
    assert len(templates(world)) == 1


async def test_a_restart_has_no_undo_and_is_kept(
    world: World, ctx: ActionContext, kubernetes: KubernetesClient
) -> None:
    await up(world)
    plan = await RESTART.plan(ctx, CHECKOUT, PARAMS)
    assert await RESTART.undo_plan(ctx, plan, FIRST) is None
    assert RESTART.if_refuted(PARAMS) == "keep"
