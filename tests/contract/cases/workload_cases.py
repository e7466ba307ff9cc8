"""Restart and scale of workloads."""

from functools import partial

from remediator.targets import Target
from tests.support.action_case import ActionCase
from tests.support.cluster import Stage


async def _up(stage: Stage, kind: str) -> Target:
    await stage.workload("checkout", kind=kind)
    await stage.rolled_out("checkout", kind)
    return stage.target("checkout", kind.lower())


async def _generations(stage: Stage, kind: str) -> int:
    return int((await stage.get(kind, "checkout"))["metadata"]["generation"]) - 1


async def _missing_replicas(stage: Stage, kind: str) -> int:
    return abs(int((await stage.get(kind, "checkout"))["spec"]["replicas"]) - 3)


CASES = tuple(
    ActionCase(
        "kubernetes.rollout_restart",
        prepare=partial(_up, kind=kind),
        changes=partial(_generations, kind=kind),
        name=kind.lower(),
    )
    for kind in ("Deployment", "StatefulSet")
) + tuple(
    ActionCase(
        "kubernetes.scale",
        prepare=partial(_up, kind=kind),
        changes=partial(_missing_replicas, kind=kind),
        params={"to": 4},
        undoable=True,
        name=kind.lower(),
    )
    for kind in ("Deployment", "StatefulSet")
)
