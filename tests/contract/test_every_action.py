"""What holds for every action, on the emulator and on the real API server (S15, S16, S21).

A new action needs an ``ActionCase``: without one the first test fails.
"""

import re
from datetime import UTC, datetime

import pytest

from remediator.actions import ACTIONS, action_named
from remediator.actions.base import ActionContext
from remediator.answers import Answer
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.marks import FIELD_MANAGER
from remediator.clients.permissions import Permission, in_cluster
from remediator.errors import FactsMissingError
from remediator.runs.cursor import Outcome
from remediator.runs.plan import Fidelity, Plan
from remediator.targets import Target
from tests.contract.cases.every import CASES
from tests.support.action_case import ActionCase
from tests.support.carried_out import CarriedOut
from tests.support.cluster import Asked, Object, Stage

INTENT = "int_00000000000000000000000001"
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/[^/]+(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[^/]+))?"
)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


def needed(case: ActionCase, target: Target) -> tuple[Permission, ...]:
    action = action_named(case.action)
    return in_cluster(action.permissions(target.kind, action.params.model_validate(dict(case.params))))


def permissions_of(asked: Asked) -> set[tuple[str, str, str]]:
    """Group, resource and verb, as RBAC sees a request."""
    found = _PATH.fullmatch(asked.path)
    assert found is not None, asked.path
    verbs = {"GET": "get" if found["name"] else "list", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
    resource = f"{found['plural']}/{found['sub']}" if found["sub"] else found["plural"]
    # The websocket of a command begins with a GET and needs the right to create as well.
    needed = ("get", "create") if found["sub"] == "exec" else (verbs[asked.verb],)
    return {(found["group"] or "", resource, verb) for verb in needed}


SEEN = (
    *("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ControllerRevision", "Pod", "Job", "CronJob"),
    *("PersistentVolumeClaim", "HorizontalPodAutoscaler", "PodDisruptionBudget"),
)


async def everything(stage: Stage) -> dict[str, Object]:
    """Every object of the stage's namespace that an action could change, by uid."""
    return {one["metadata"]["uid"]: one for kind in SEEN for one in await stage.list(kind)}


def assert_untouched(before: dict[str, Object], after: dict[str, Object]) -> None:
    """None is gone or new, and only the cluster's own controllers have written, and only what they always write: the status."""
    assert before.keys() == after.keys()
    for uid, was in before.items():
        now = after[uid]
        if now["metadata"]["resourceVersion"] == was["metadata"]["resourceVersion"]:
            continue
        assert now.get("spec") == was.get("spec")
        assert now["metadata"].get("annotations") == was["metadata"].get("annotations")
        assert "deletionTimestamp" not in now["metadata"] or "deletionTimestamp" in was["metadata"]
        managers = {entry["manager"] for entry in now["metadata"].get("managedFields", ())}
        assert not [one for one in managers if one.startswith(FIELD_MANAGER)]


def test_every_action_has_a_case() -> None:
    """Those at AWS have theirs in ``tests/contract/aws``."""
    assert {case.action for case in CASES} == {one.name for one in ACTIONS if not one.name.startswith("aws.")}


@every_case
async def test_it_is_done_once_and_seen_to_be_done(stage: Stage, case: ActionCase) -> None:
    """Also: the mark tells before and after apart, and all of it needs exactly the permissions that are declared."""
    target = await case.prepare(stage)
    action, wanted = action_named(case.action), needed(case, target)
    assert await case.changes(stage) == 0
    client = await stage.client(wanted)
    run = CarriedOut(client, target, case.action, case.params)
    ctx = ActionContext(client)
    plan = await action.plan(ctx, target, action.params.model_validate(dict(case.params)))
    assert Plan.from_json(plan.to_json()) == plan
    assert plan.approval_hash == Plan.from_json(plan.to_json()).approval_hash
    assert (await action.landed(ctx, plan, INTENT, datetime.now(UTC))).answer is not Answer.YES
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert await case.changes(stage) == case.times
    asked = {needed for one in await stage.audit() for needed in permissions_of(one)}
    assert asked <= {(one.group, one.resource, one.verb) for one in wanted}


@every_case
async def test_a_dry_run_changes_nothing(stage: Stage, case: ActionCase) -> None:
    target = await case.prepare(stage)
    before = await everything(stage)
    client = await stage.client(needed(case, target), dry_run=True)
    cursor = await CarriedOut(client, target, case.action, case.params).go()
    assert cursor.outcome is Outcome.REHEARSED, cursor.note
    assert await case.changes(stage) == 0
    assert_untouched(before, await everything(stage))
    sent = [one for one in await stage.audit() if one.writes]
    assert all(one.dry_run for one in sent)
    assert bool(sent) == (case.fidelity is Fidelity.SERVER)


@every_case
async def test_what_was_refuted_is_put_back_where_it_can_be(stage: Stage, case: ActionCase) -> None:
    target = await case.prepare(stage)
    client = await stage.client(needed(case, target))
    run = CarriedOut(client, target, case.action, case.params, if_refuted="undo", verified=Answer.NO)
    cursor = await run.go()
    assert cursor.outcome is Outcome.REFUTED, (cursor.note, run.told)
    if case.undoable:
        assert "undone" in cursor.note
        assert await case.changes(stage) == 0
    else:
        assert "left as it is" in cursor.note
        assert await case.changes(stage) == case.times


@every_case
async def test_it_asks_for_exactly_what_it_declares(emulated_stage: Stage, case: ActionCase) -> None:
    target = await case.prepare(emulated_stage)
    await _all_methods(case, target, await emulated_stage.client(needed(case, target)))
    asked = {needed for one in await emulated_stage.audit() for needed in permissions_of(one)}
    wanted = needed(case, target)
    assert asked == {(one.group, one.resource, one.verb) for one in wanted if one.resource not in case.unasked}
    assert len(set(wanted)) == len(wanted), "named twice"


@every_case
async def test_a_permission_that_is_missing_is_named(emulated_stage: Stage, case: ActionCase) -> None:
    """In words that an operator can act upon, whichever it is."""
    target = await case.prepare(emulated_stage)
    for left_out in needed(case, target):
        if left_out.resource in case.unasked:
            continue
        client = await emulated_stage.client([one for one in needed(case, target) if one != left_out])
        told = await _all_methods(case, target, client)
        assert any(f"missing permission: {left_out}" in said for said in told), (left_out, told)


async def _all_methods(case: ActionCase, target: Target, client: KubernetesClient) -> list[str]:
    """Plan, apply, verify, undo and, before and after, landed. Returns all that was said."""
    action, ctx = action_named(case.action), ActionContext(client)
    run = CarriedOut(client, target, case.action, case.params, if_refuted="undo", verified=Answer.NO)
    try:
        plan = await action.plan(ctx, target, action.params.model_validate(dict(case.params)))
    except FactsMissingError as error:
        return [str(error)]
    before = await action.landed(ctx, plan, INTENT, datetime.now(UTC))
    cursor = await run.go()
    return [before.seen, cursor.note, *run.told]
