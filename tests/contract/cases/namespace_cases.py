"""Namespaces that go to zero and come back."""

import asyncio

from remediator.targets import Target
from tests.support import crds, cron_jobs
from tests.support.action_case import ActionCase
from tests.support.cluster import Object, Stage

_THINGS = (("Deployment", "checkout"), ("StatefulSet", "ledger"), ("ScaledObject", "checkout"), ("CronJob", "backup"))
_BEFORE = "remediator.dev/size-before"


async def busy(stage: Stage) -> Target:
    """A Deployment that KEDA scales, a StatefulSet and a CronJob, all up."""
    await crds.install(stage, crds.KEDA)
    await stage.workload("checkout", replicas=2)
    await stage.workload("ledger", kind="StatefulSet", replicas=1)
    spec = {"scaleTargetRef": {"name": "checkout"}, "minReplicaCount": 1, "maxReplicaCount": 5, "triggers": []}
    await stage.create({"kind": "ScaledObject", "metadata": {"name": "checkout"}, "spec": spec})
    await cron_jobs.cron_job(stage)
    await asyncio.gather(stage.rolled_out("checkout"), stage.rolled_out("ledger", "StatefulSet"))
    return stage.target(stage.namespace, "namespace")


async def emptied(stage: Stage) -> Target:
    """The same, as `kubernetes.scale_namespace` leaves it."""
    target = await busy(stage)
    for kind, name in (("Deployment", "checkout"), ("StatefulSet", "ledger")):
        size = str((await stage.get(kind, name))["spec"]["replicas"])
        await stage.patch(kind, name, {"metadata": {"annotations": {_BEFORE: size}}, "spec": {"replicas": 0}})
        await stage.until(kind, name, lambda found: not found["status"].get("replicas"))
    paused = {_BEFORE: "auto", "autoscaling.keda.sh/paused-replicas": "0"}
    await stage.patch("ScaledObject", "checkout", {"metadata": {"annotations": paused}})
    await stage.patch("CronJob", "backup", {"metadata": {"annotations": {_BEFORE: "runs"}}, "spec": {"suspend": True}})
    return target


async def _at_nothing(stage: Stage) -> int:
    return sum([_is_at_nothing(kind, await stage.get(kind, name)) for kind, name in _THINGS])


async def _up_again(stage: Stage) -> int:
    return len(_THINGS) - await _at_nothing(stage)


def _is_at_nothing(kind: str, found: Object) -> bool:
    if kind == "ScaledObject":
        annotations = found["metadata"].get("annotations") or {}
        return bool(annotations.get("autoscaling.keda.sh/paused-replicas") == "0")
    spec = found["spec"]
    return bool(spec["suspend"]) if kind == "CronJob" else spec["replicas"] == 0


CASES = (
    ActionCase(
        "kubernetes.scale_namespace",
        prepare=busy,
        changes=_at_nothing,
        params={"cronjobs": "suspend"},
        times=4,
        undoable=True,
    ),
    ActionCase("kubernetes.restore_namespace", prepare=emptied, changes=_up_again, times=4),
)
