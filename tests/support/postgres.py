"""A PostgreSQL cluster on a stage, and its operator CloudNativePG: the emulator has one, on the real server the test plays it."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.support import crds
from tests.support.cluster import Object, RefusedError, Stage
from tests.support.kinds import kind_of

HEALTHY = "Cluster in healthy state"
_SWITCHOVER = "sandbox.remediator.dev/switchover"
"""Annotation: the emulator, which plays the operator itself, does not when it says `never`."""
_TAKES_S = 0.2
_LOOK_EVERY_S = 0.05


async def cluster(
    stage: Stage,
    name: str = "db",
    *,
    instances: int = 3,
    annotations: dict[str, str] | None = None,
    spec: Object | None = None,
    promoted_ago: timedelta = timedelta(hours=2),
    with_operator: bool = True,
) -> Object:
    """Healthy, `db-1` its primary. Its operator follows `status.targetPrimary` until the stage is left."""
    await crds.install(stage, crds.CNPG)
    names = [f"{name}-{number}" for number in range(1, instances + 1)]
    for one in names:
        await _instance(stage, name, one)
    made = {"instances": instances, **(spec or {})}
    never = {} if with_operator else {_SWITCHOVER: "never"}
    metadata = {"name": name, "annotations": {**never, **(annotations or {})}}
    await stage.create({"kind": "Cluster", "metadata": metadata, "spec": made})
    at = datetime.now(UTC) - promoted_ago
    found = await say(
        stage,
        name,
        instances=instances,
        readyInstances=instances,
        instancesStatus={"healthy": names},
        phase=HEALTHY,
        currentPrimary=names[0],
        targetPrimary=names[0],
        currentPrimaryTimestamp=at.isoformat(timespec="microseconds"),
        targetPrimaryTimestamp=(at - timedelta(seconds=5)).isoformat(timespec="microseconds"),
        conditions=[{"type": "ContinuousArchiving", "status": "True"}, {"type": "Ready", "status": "True"}],
    )
    if with_operator and stage.is_real:
        stage.play(_operator(stage, name))
    return found


async def say(stage: Stage, name: str, **status: object) -> Object:
    """What the operator writes into the status. It knows every instance by its pod."""
    path = kind_of("Cluster").path(stage.namespace, name, "status") + "?fieldManager=cloudnative-pg"
    return await stage.request("PATCH", path, {"status": status}, "application/merge-patch+json")


async def _instance(stage: Stage, name: str, pod: str) -> None:
    labels = {"cnpg.io/cluster": name, "cnpg.io/podRole": "instance"}
    containers = [{"name": "postgres", "image": "registry.example.net/postgresql:17"}]
    await stage.create({"kind": "Pod", "metadata": {"name": pod, "labels": labels}, "spec": {"containers": containers}})
    await stage.until("Pod", pod, _is_ready, what="ready")


async def _operator(stage: Stage, name: str) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        try:
            status = (await stage.get("Cluster", name)).get("status", {})
            target = status.get("targetPrimary")
            if target and target != status.get("currentPrimary"):
                await asyncio.sleep(_TAKES_S)
                at = datetime.now(UTC).isoformat(timespec="microseconds")
                await say(stage, name, currentPrimary=target, currentPrimaryTimestamp=at, phase=HEALTHY)
        except RefusedError as error:
            if error.status != 404:
                raise


def _is_ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
