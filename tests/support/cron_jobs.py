"""CronJobs of a stage: never due by themselves, and their pods end as told."""

from tests.controlplane.words import BEHAVIOUR
from tests.support.cluster import Object, Objects, Stage


async def cron_job(
    stage: Stage,
    name: str = "backup",
    *,
    behaviour: str = "healthy",
    spec: Object | None = None,
    job: Object | None = None,
) -> Object:
    """`behaviour`: `healthy` succeeds after a moment, `fail` fails, `succeed-after:60` runs on."""
    pod = {
        "metadata": {"labels": {"app": name}, "annotations": {BEHAVIOUR: behaviour}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "registry.example.net/backup:1.0"}]},
    }
    template = {
        "metadata": {"labels": {"team": "database"}, "annotations": {"purpose": "backup"}},
        "spec": {"backoffLimit": 0, "template": pod, **(job or {})},
    }
    made = {"schedule": "0 0 29 2 *", "jobTemplate": template, **(spec or {})}
    return await stage.create({"kind": "CronJob", "metadata": {"name": name}, "spec": made})


async def jobs(stage: Stage) -> Objects:
    return await stage.list("Job")


async def ended(stage: Stage, name: str) -> str:
    """Wait for a Job's end: `Complete` or `Failed`."""
    found = await stage.until("Job", name, _end, what="ended")
    return _end(found)


def _end(found: Object) -> str:
    conditions = found["status"].get("conditions", [])
    ends = [one["type"] for one in conditions if one["type"] in ("Complete", "Failed") and one["status"] == "True"]
    return ends[0] if ends else ""
