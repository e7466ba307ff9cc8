"""kubernetes.expand_volume and its conditions, on the emulator and on a real API server."""

from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import OvertakenError
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.doing import FIRST, SECOND, Doing
from tests.support import claims
from tests.support.clock import T0
from tests.support.cluster import CLUSTER, Stage

MORE = {"by": "5Gi", "max_size": "100Gi"}


async def growing(stage: Stage, *, target: Target | None = None, **params: Any) -> Doing:
    aimed = target or stage.target("data", "persistentvolumeclaim")
    return await Doing.on(stage, "kubernetes.expand_volume", aimed, **(params or MORE))


async def asked(stage: Stage, name: str = "data") -> str:
    found: str = (await stage.get("PersistentVolumeClaim", name))["spec"]["resources"]["requests"]["storage"]
    return found


async def look(stage: Stage, doing: Doing, condition: str, *done: Plan, **params: Any) -> Look:
    asking = condition_named(condition)
    chosen = asking.params.model_validate(params)
    client = await stage.client(asking.permissions("persistentvolumeclaim", chosen))
    return await asking.look(World(client, None, None), doing.target, chosen, Known(T0, {}, done=done))


async def test_a_volume_grows_and_is_seen_to_have_grown(stage: Stage) -> None:
    await claims.claim(stage, await claims.storage_class(stage), resize="0")
    doing = await growing(stage, by_percent=50, max_size="100Gi")
    assert (await look(stage, doing, "volume_expandable", max_size="100Gi")).answer is Answer.YES
    plan = await doing.do()
    assert await asked(stage) == "15Gi"
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await doing.landed(plan, SECOND)).answer is Answer.NO
    await stage.until("PersistentVolumeClaim", "data", lambda found: found["status"]["capacity"]["storage"] == "15Gi")
    assert await doing.verify(plan) is Answer.YES
    assert (await look(stage, doing, "volume_resized", plan)).answer is Answer.YES
    assert await doing.undo_plan(plan) is None


async def test_sent_again_it_is_found_done(stage: Stage) -> None:
    await claims.claim(stage, await claims.storage_class(stage))
    doing = await growing(stage)
    plan = await doing.do()
    again = await doing.apply(plan, FIRST)
    assert "found done already" in again.summary
    assert await asked(stage) == "15Gi"


async def test_while_it_is_being_resized_it_is_waited_for(stage: Stage) -> None:
    await claims.claim(stage, await claims.storage_class(stage), resize="never")
    doing = await growing(stage)
    plan = await doing.do()
    assert await doing.verify(plan) is Answer.NO
    assert (await look(stage, doing, "volume_resized", plan)).answer is Answer.NO
    assert (await look(stage, doing, "volume_expandable", max_size="100Gi")).answer is Answer.NO
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert (refused.value.code, refused.value.kind) == ("resize_under_way", "wait")


async def test_a_class_that_does_not_let_volumes_grow_is_refused(stage: Stage) -> None:
    await claims.claim(stage, await claims.storage_class(stage, grows=False))
    doing = await growing(stage)
    with pytest.raises(PlanRefusedError, match="allowVolumeExpansion") as refused:
        await doing.plan()
    assert (refused.value.code, refused.value.kind) == ("expansion_not_allowed", "refuse")
    assert (await look(stage, doing, "volume_expandable", max_size="100Gi")).answer is Answer.NO


async def test_a_class_that_is_gone_is_refused(stage: Stage) -> None:
    name = await claims.storage_class(stage)
    await claims.claim(stage, name)
    await stage.delete("StorageClass", name)
    with pytest.raises(PlanRefusedError) as refused:
        await (await growing(stage)).plan()
    assert refused.value.code == "storage_class_missing"


async def test_a_class_that_changes_its_mind_before_the_write_is_heeded(stage: Stage) -> None:
    name = await claims.storage_class(stage)
    await claims.claim(stage, name)
    doing = await growing(stage)
    plan = await doing.plan()
    await stage.patch("StorageClass", name, {"allowVolumeExpansion": False})
    with pytest.raises(OvertakenError, match="class_allows"):
        await doing.apply(plan)
    assert await asked(stage) == "10Gi"


async def test_a_claim_that_waits_for_its_volume_is_refused(stage: Stage) -> None:
    spec = {"storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    await stage.create({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": spec})
    with pytest.raises(PlanRefusedError) as refused:
        await (await growing(stage)).plan()
    assert refused.value.code == "not_bound"


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"by": "50Gi", "max_size": "12Gi"}, "12Gi"),
        ({"by_percent": 25, "max_size": "100Gi"}, "12800Mi"),
        ({"to": "11Gi", "max_size": "100Gi"}, "11Gi"),
    ],
)
async def test_never_further_than_the_playbook_lets_it(stage: Stage, params: dict[str, Any], wanted: str) -> None:
    await claims.claim(stage, await claims.storage_class(stage))
    assert (await (await growing(stage, **params)).plan()).changes[0].after == wanted


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"by": "5Gi", "max_size": "10Gi"}, "at_maximum"),
        ({"to": "10240Mi", "max_size": "100Gi"}, "would_not_grow"),
        ({"to": "5Gi", "max_size": "100Gi"}, "would_not_grow"),
    ],
)
async def test_what_would_not_grow_is_refused(stage: Stage, params: dict[str, Any], code: str) -> None:
    await claims.claim(stage, await claims.storage_class(stage))
    with pytest.raises(PlanRefusedError) as refused:
        await (await growing(stage, **params)).plan()
    assert refused.value.code == code


async def test_of_a_stateful_set_the_claim_itself_grows(stage: Stage) -> None:
    """Its template is immutable: the plan says that later replicas get the old size."""
    spec = {
        "storageClassName": await claims.storage_class(stage),
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
    }
    templates = [{"metadata": {"name": "data"}, "spec": spec}]
    await stage.workload("ledger", kind="StatefulSet", replicas=1, spec={"volumeClaimTemplates": templates})
    await claims.bound(stage, "data-ledger-0")
    owner = stage.target("ledger", "statefulset")
    target = Target.kubernetes(CLUSTER, stage.namespace, "persistentvolumeclaim", "data-ledger-0", owner)
    doing = await growing(stage, target=target)
    plan = await doing.do()
    assert "new replicas of StatefulSet ledger still get the old size" in plan.summary
    assert plan.owners == ()
    assert await asked(stage, "data-ledger-0") == "15Gi"


async def test_who_would_put_the_size_back_is_named(stage: Stage) -> None:
    await claims.claim(stage, await claims.storage_class(stage))
    told = {"annotations": {"argocd.argoproj.io/tracking-id": "storage:/PersistentVolumeClaim:shop/data"}}
    await stage.patch("PersistentVolumeClaim", "data", {"metadata": told})
    assert (await (await growing(stage)).plan()).owners == ("Argo CD application storage",)


async def test_a_claim_that_was_made_again_is_another(stage: Stage) -> None:
    name = await claims.storage_class(stage)
    await claims.claim(stage, name)
    doing = await growing(stage)
    plan = await doing.plan()
    await stage.delete("PersistentVolumeClaim", "data")
    await stage.gone("PersistentVolumeClaim", "data")
    with pytest.raises(OvertakenError, match="gone"):
        await doing.apply(plan)
    await claims.claim(stage, name)
    with pytest.raises(OvertakenError, match="made again"):
        await doing.apply(plan)
    assert await asked(stage) == "10Gi"
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert await doing.verify(plan) is Answer.UNKNOWN
    assert (await look(stage, doing, "volume_resized", plan)).answer is Answer.UNKNOWN
