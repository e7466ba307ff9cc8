"""kubernetes.scale by a share, and of a size that others keep, on the emulator and on the real server (S13)."""

from typing import Any

import pytest

from remediator.answers import Answer
from tests.contract.cases.workload_cases import up
from tests.contract.doing import Doing
from tests.support.cluster import Object, Stage

SCALE = "kubernetes.scale"
MARK: Object = {"argocd.argoproj.io/instance": "shop"}
APPLY = "application/apply-patch+yaml"


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        ({"by_percent": 10, "max_replicas": 9}, 4),
        ({"by_percent": 200, "max_replicas": 5}, 5),
        ({"by_percent": -10, "min_replicas": 1}, 2),
    ],
)
async def test_a_share_is_one_at_least_and_stops_at_its_bound(stage: Stage, params: Any, wanted: int) -> None:
    target = await up(stage, "Deployment")
    scale = await Doing.on(stage, SCALE, target, **params)
    plan = await scale.do()
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("availableReplicas") == wanted)
    await stage.rolled_out("checkout")
    assert await scale.verify(plan) is Answer.YES


async def test_a_size_that_a_tool_has_marked_as_its_own_names_it(stage: Stage) -> None:
    target = await up(stage, "Deployment", labels=MARK)
    plan = await (await Doing.on(stage, SCALE, target, to=4)).plan()
    assert plan.owners == ("Argo CD application shop",)


@pytest.mark.parametrize(("spec", "owners"), [({}, ()), ({"replicas": 3}, ("Argo CD application shop",))])
async def test_a_tool_that_applies_no_size_does_not_keep_it(
    stage: Stage, spec: Object, owners: tuple[str, ...]
) -> None:
    target = await up(stage, "Deployment", labels=MARK)
    path = f"/apis/apps/v1/namespaces/{stage.namespace}/deployments/checkout?fieldManager=argocd-controller&force=true"
    applied = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout", "namespace": stage.namespace, "labels": MARK},
        "spec": {"minReadySeconds": 0, **spec},
    }
    await stage.request("PATCH", path, applied, APPLY)
    plan = await (await Doing.on(stage, SCALE, target, to=4)).plan()
    assert plan.owners == owners


async def test_what_an_operator_made_is_its_own(stage: Stage) -> None:
    target = await up(stage, "Deployment")
    made = await stage.create({"kind": "ConfigMap", "metadata": {"name": "main"}})
    owner = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "main",
        "uid": made["metadata"]["uid"],
        "controller": True,
    }
    await stage.patch("Deployment", "checkout", {"metadata": {"ownerReferences": [owner]}})
    plan = await (await Doing.on(stage, SCALE, target, to=4)).plan()
    assert plan.owners == ("ConfigMap main",)
