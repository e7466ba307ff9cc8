"""kubernetes.scale against the simulated cluster (S15, S16, S24, S25)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.actions.kubernetes.scale import Params
from remediator.answers import Answer
from remediator.clients.kubernetes.marks import intent_manager
from remediator.errors import FactsMissingError, OutcomeUnknownError, OvertakenError, TransientError
from remediator.runs.plan import Plan
from remediator.sandbox.kubernetes.resources import DEPLOYMENTS, Object
from remediator.sandbox.kubernetes.store import Writer
from remediator.sandbox.world import World
from remediator.targets import Target
from tests.contract.conftest import CHECKOUT, may_write

SCALE = action_named("kubernetes.scale")
OUT = Params(by=2, max_replicas=10)
IN = Params(by=-1, min_replicas=1)
FIRST, SECOND = "int_00000000000000000000000001", "int_00000000000000000000000002"
# Later than anything that the sandbox writes.
BEGUN = datetime.now(UTC) + timedelta(hours=1)


async def up(world: World, plural: str = "deployments", **options: Any) -> None:
    world.deploy("shop", "checkout", plural=plural, **options)
    await world.rolled_out("shop", "checkout", plural=plural)


def replicas(world: World, plural: str = "deployments") -> int:
    return int(world.kubernetes.get(plural, "shop", "checkout")["spec"]["replicas"])


def status(world: World, plural: str = "deployments") -> Object:
    found: Object = world.kubernetes.get(plural, "shop", "checkout").get("status", {})
    return found


def ready(world: World, plural: str = "deployments") -> int:
    """Pods that are ready and available, once none is left over."""
    found = status(world, plural)
    return int(found.get("availableReplicas", 0)) if found.get("replicas") == found.get("availableReplicas") else -1


def write_replicas(world: World, count: int, manager: str = "kubectl-scale") -> None:
    """Somebody else scales; through another number, so that the field is really theirs."""
    for number in (count + 1, count):
        old = world.kubernetes.get("deployments", "shop", "checkout")
        new = {**old, "spec": {**old["spec"], "replicas": number}}
        world.kubernetes.store.update(DEPLOYMENTS, old, new, Writer(manager, "scale"))


def autoscaler(name: str, owner: str | None = None, aimed_at: str = "checkout") -> Object:
    metadata: Object = {"name": name, "namespace": "shop"}
    if owner is not None:
        metadata["ownerReferences"] = [
            {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": owner, "uid": "u"}
        ]
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": aimed_at}
    return {"metadata": metadata, "spec": {"scaleTargetRef": aim, "minReplicas": 2, "maxReplicas": 9}}


async def apply(ctx: ActionContext, plan: Plan, intent: str = FIRST) -> Any:
    with may_write():
        return await SCALE.apply(ctx, plan, intent)


@pytest.mark.parametrize("plural", ["deployments", "statefulsets"])
@pytest.mark.parametrize(("params", "wanted"), [(OUT, 5), (IN, 2), (Params(to=6), 6)])
async def test_the_number_is_set_and_the_effect_is_seen(
    world: World, ctx: ActionContext, plural: str, params: Params, wanted: int
) -> None:
    await up(world, plural)
    target = Target.kubernetes("prod", "shop", plural.removesuffix("s"), "checkout")
    plan = await SCALE.plan(ctx, target, params)
    assert (plan.changes[0].before, plan.changes[0].after) == (3, wanted)
    applied = await apply(ctx, plan)
    assert replicas(world, plural) == wanted
    assert (await SCALE.verify(ctx, plan, applied)).answer is Answer.NO
    await world.kubernetes.until(lambda: ready(world, plural) == wanted)
    await world.rolled_out("shop", "checkout", plural=plural)
    assert (await SCALE.verify(ctx, plan, applied)).answer is Answer.YES


async def test_the_plan_is_what_is_sent(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = Plan.from_json((await SCALE.plan(ctx, CHECKOUT, OUT)).to_json())
    await apply(ctx, plan)
    (sent,) = world.kubernetes.requests.matching("PATCH")
    (call,) = plan.calls
    assert (sent.method, sent.path) == (call.verb, call.resource)
    assert sent.path.endswith("/deployments/checkout/scale")
    assert sent.query["fieldManager"] == intent_manager(FIRST)
    body = sent.json()
    body["metadata"]["resourceVersion"] = "<as read just before>"
    assert body == call.body


@pytest.mark.parametrize(
    ("name", "owner", "way_out"),
    [
        ("checkout", None, r"HorizontalPodAutoscaler shop/checkout owns its size .*minReplicas"),
        ("keda-hpa-orders", None, r"KEDA ScaledObject shop/orders owns its size .*minReplicaCount"),
        ("any-name", "orders", r"KEDA ScaledObject shop/orders owns its size .*minReplicaCount"),
    ],
)
async def test_a_workload_that_an_autoscaler_owns_is_refused_naming_the_way_out(
    world: World, ctx: ActionContext, name: str, owner: str | None, way_out: str
) -> None:
    await up(world)
    world.kubernetes.put("horizontalpodautoscalers", autoscaler(name, owner))
    with pytest.raises(PlanRefusedError, match=way_out) as refused:
        await SCALE.plan(ctx, CHECKOUT, OUT)
    assert (refused.value.code, refused.value.kind) == ("autoscaler_owns_size", "refuse")


async def test_the_autoscaler_of_another_workload_does_not_matter(world: World, ctx: ActionContext) -> None:
    await up(world)
    world.kubernetes.put("horizontalpodautoscalers", autoscaler("cart", aimed_at="cart"))
    assert (await SCALE.plan(ctx, CHECKOUT, OUT)).uid


async def test_autoscalers_that_cannot_be_read_stop_plan_and_apply(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    world.kubernetes.deny("list", "horizontalpodautoscalers")
    with pytest.raises(FactsMissingError, match="list on horizontalpodautoscalers"):
        await SCALE.plan(ctx, CHECKOUT, OUT)
    with pytest.raises(TransientError, match="nothing was written"):
        await apply(ctx, plan)
    assert replicas(world) == 3


@pytest.mark.parametrize(
    "params", [Params(to=3), Params(by=5, max_replicas=3), Params(by=5, max_replicas=2), Params(by=-2, min_replicas=3)]
)
async def test_nothing_to_change_is_refused_and_never_the_other_direction(
    world: World, ctx: ActionContext, params: Params
) -> None:
    await up(world)
    with pytest.raises(PlanRefusedError) as refused:
        await SCALE.plan(ctx, CHECKOUT, params)
    assert refused.value.code == "nothing_to_change"


async def test_what_is_switched_off_on_purpose_stays_off(world: World, ctx: ActionContext) -> None:
    world.deploy("shop", "checkout", replicas=0)
    with pytest.raises(PlanRefusedError) as refused:
        await SCALE.plan(ctx, CHECKOUT, OUT)
    assert refused.value.code == "scaled_to_zero"


@pytest.mark.parametrize("kind", ["daemonset", "replicaset"])
async def test_kinds_that_are_not_built_are_refused_by_name(ctx: ActionContext, kind: str) -> None:
    with pytest.raises(PlanRefusedError, match=kind):
        await SCALE.plan(ctx, Target.kubernetes("prod", "shop", kind, "checkout"), OUT)


async def test_a_changed_number_overtakes_the_plan(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    write_replicas(world, 4)
    with pytest.raises(OvertakenError, match="replicas was 3 when planned and is 4"):
        await apply(ctx, plan)
    assert replicas(world) == 4


async def test_a_new_autoscaler_overtakes_the_plan(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    world.kubernetes.put("horizontalpodautoscalers", autoscaler("checkout"))
    with pytest.raises(OvertakenError, match="autoscaler was None"):
        await apply(ctx, plan)
    assert replicas(world) == 3


async def test_a_restart_in_between_does_not_overtake_the_plan(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    with may_write():
        await ctx.kubernetes.workloads.restart(
            await ctx.kubernetes.workloads.read(CHECKOUT), SECOND, ctx.kubernetes.now()
        )
    await apply(ctx, plan)
    assert replicas(world) == 5


@pytest.mark.parametrize(
    ("kind", "landed"),
    [("lose_answer", Answer.YES), ("reset", Answer.NO), ("hang", Answer.NO), ("late_answer 3", Answer.YES)],
)
async def test_landed_tells_what_a_lost_answer_hid(world: World, ctx: ActionContext, kind: str, landed: Answer) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    world.kubernetes.faults.add(match="PATCH *", kind=kind)
    with pytest.raises(OutcomeUnknownError):
        await apply(ctx, plan)
    assert (await SCALE.landed(ctx, plan, FIRST, BEGUN)).answer is landed
    assert (await SCALE.landed(ctx, plan, SECOND, BEGUN)).answer is not Answer.YES


async def test_landed_is_never_judged_by_the_number(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    assert (await SCALE.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.NO
    write_replicas(world, 5)
    assert (await SCALE.landed(ctx, plan, FIRST, BEGUN)).answer is Answer.UNKNOWN


async def test_a_later_writer_takes_the_mark_away_and_leaves_it_unknown(world: World, ctx: ActionContext) -> None:
    """managedFields names the present owner only: after somebody else wrote, "no mark" is no "no"."""
    begun = ctx.kubernetes.now()
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    await apply(ctx, plan)
    write_replicas(world, 5)
    look = await SCALE.landed(ctx, plan, FIRST, begun)
    assert look.answer is Answer.UNKNOWN
    assert "kubectl-scale may have written spec.replicas" in look.seen


async def test_a_write_that_came_late_is_found_and_not_repeated(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    await apply(ctx, plan)
    assert "already" in (await apply(ctx, plan)).summary
    assert replicas(world) == 5
    assert len(world.kubernetes.requests.matching("PATCH")) == 1


async def test_undo_puts_back_what_is_still_as_we_left_it(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, IN)
    await apply(ctx, plan)
    undo = await SCALE.undo_plan(ctx, plan, FIRST)
    assert undo is not None
    undo = Plan.from_json(undo.to_json())
    await apply(ctx, undo, SECOND)
    assert replicas(world) == 3
    assert (await SCALE.landed(ctx, undo, SECOND, BEGUN)).answer is Answer.YES
    await world.kubernetes.until(lambda: ready(world) == 3)
    assert (await SCALE.verify(ctx, undo, None)).answer is Answer.YES


async def test_an_undo_that_was_never_sent_is_known_not_to_have_landed(world: World, ctx: ActionContext) -> None:
    """managedFields has whole seconds: begun in the second of the forward write, that write must not hide the answer."""
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, IN)
    await apply(ctx, plan)
    undo = await SCALE.undo_plan(ctx, plan, FIRST)
    assert undo is not None
    assert (await SCALE.landed(ctx, undo, SECOND, ctx.kubernetes.now())).answer is Answer.NO
    assert (await SCALE.landed(ctx, undo, SECOND, BEGUN)).answer is Answer.NO


@pytest.mark.parametrize("count", [2, 7])
async def test_nothing_is_put_back_once_somebody_wrote_since(world: World, ctx: ActionContext, count: int) -> None:
    """Also when they wrote the very number that we had set (S25)."""
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, IN)
    await apply(ctx, plan)
    write_replicas(world, count)
    assert await SCALE.undo_plan(ctx, plan, FIRST) is None


async def test_nothing_is_put_back_when_somebody_writes_between_plan_and_undo(world: World, ctx: ActionContext) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, IN)
    await apply(ctx, plan)
    undo = await SCALE.undo_plan(ctx, plan, FIRST)
    assert undo is not None
    write_replicas(world, 2)
    with pytest.raises(OvertakenError, match="written_by"):
        await apply(ctx, undo, SECOND)
    assert replicas(world) == 2


async def test_nothing_is_put_back_for_another_workload_of_the_name_or_a_new_autoscaler(
    world: World, ctx: ActionContext
) -> None:
    await up(world)
    plan = await SCALE.plan(ctx, CHECKOUT, IN)
    await apply(ctx, plan)
    world.kubernetes.put("horizontalpodautoscalers", autoscaler("checkout"))
    assert await SCALE.undo_plan(ctx, plan, FIRST) is None
    world.kubernetes.store.remove(
        DEPLOYMENTS, world.kubernetes.get("deployments", "shop", "checkout"), Writer("kubectl")
    )
    assert await SCALE.undo_plan(ctx, plan, FIRST) is None
    await up(world)
    assert await SCALE.undo_plan(ctx, plan, FIRST) is None


async def test_pods_that_cannot_start_are_not_an_effect_that_ran_its_course(world: World, ctx: ActionContext) -> None:
    await up(world)
    world.sicken("shop", "checkout", "never-ready")
    plan = await SCALE.plan(ctx, CHECKOUT, OUT)
    applied = await apply(ctx, plan)
    await world.kubernetes.until(lambda: status(world).get("replicas") == 5)
    look = await SCALE.verify(ctx, plan, applied)
    assert look.answer is Answer.NO
    assert "5 wanted, 5 there" in look.seen
