"""Restart, rollback and size of workloads."""

import asyncio
from functools import partial

from remediator.targets import Target
from tests.support.action_case import ActionCase
from tests.support.cluster import Object, Stage

_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
OLD_IMAGE, NEW_IMAGE = "registry.example.net/app:1.0", "registry.example.net/app:2.0"
ON_DELETE: Object = {"updateStrategy": {"type": "OnDelete"}}


async def up(stage: Stage, kind: str, **options: object) -> Target:
    """A workload whose rollout is done; a DaemonSet has a node for itself alone, so that it shares none with other tests'."""
    pod = None
    if kind == "DaemonSet":
        _, pod = await stage.node()
    await stage.workload("checkout", kind=kind, pod=pod, **options)  # type: ignore[arg-type]
    await stage.rolled_out("checkout", kind)
    return stage.target("checkout", kind.lower())


async def on_delete(stage: Stage) -> Target:
    return await up(stage, "StatefulSet", replicas=2, spec=ON_DELETE)


async def deploy(stage: Stage, kind: str, image: str = NEW_IMAGE) -> None:
    """Somebody deploys another image."""
    template = (await stage.get(kind, "checkout"))["spec"]["template"]
    containers = [{**template["spec"]["containers"][0], "image": image}]
    await stage.patch(kind, "checkout", {"spec": {"template": {"spec": {"containers": containers}}}})


async def released(stage: Stage, kind: str) -> Target:
    """Two releases old, and the pods of the first one are gone for good."""
    target = await up(stage, kind)
    await deploy(stage, kind)
    await stage.rolled_out("checkout", kind)
    async with asyncio.timeout(60):
        while any("deletionTimestamp" in pod["metadata"] for pod in await stage.list("Pod", "app=checkout")):  # noqa: ASYNC110
            await asyncio.sleep(0.03)
    return target


async def _generations(stage: Stage, kind: str, before: int = 1) -> int:
    return int((await stage.get(kind, "checkout"))["metadata"]["generation"]) - before


async def _replaced_pods(stage: Stage) -> int:
    """Pods of an OnDelete set that have the mark of a restart."""
    pods = await stage.pods("checkout")
    return sum("remediator.dev/intent" in pod["metadata"].get("annotations", {}) for pod in pods)


async def _went_back(stage: Stage, kind: str) -> int:
    found = await stage.get(kind, "checkout")
    return int(found["spec"]["template"]["spec"]["containers"][0]["image"] == OLD_IMAGE)


async def _missing_replicas(stage: Stage, kind: str) -> int:
    return abs(int((await stage.get(kind, "checkout"))["spec"]["replicas"]) - 3)


_RESTARTS = tuple(
    ActionCase(
        "kubernetes.rollout_restart",
        prepare=partial(up, kind=kind),
        changes=partial(_generations, kind=kind),
        name=kind.lower(),
    )
    for kind in _KINDS
)
_ON_DELETE = ActionCase(
    "kubernetes.rollout_restart",
    prepare=on_delete,
    changes=_replaced_pods,
    params={"evict_old_pods": True},
    times=2,
    name="on-delete",
)
_UNDOS = tuple(
    ActionCase(
        "kubernetes.rollout_undo",
        prepare=partial(released, kind=kind),
        changes=partial(_went_back, kind=kind),
        undoable=True,
        name=kind.lower(),
    )
    for kind in _KINDS
)
_SCALES = tuple(
    ActionCase(
        "kubernetes.scale",
        prepare=partial(up, kind=kind),
        changes=partial(_missing_replicas, kind=kind),
        params={"to": 4},
        undoable=True,
        name=kind.lower(),
    )
    for kind in ("Deployment", "StatefulSet")
)
CASES = (*_RESTARTS, _ON_DELETE, *_UNDOS, *_SCALES)
