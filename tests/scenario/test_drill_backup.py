"""Row 18 from end to end: a backup's Job failed, the shipped playbook, a yes, another Job, and a fresh object in the bucket."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import LONG_S, approve, in_state, listen, paged, timeline
from tests.support.service import Service, running

SHIPPED = Path("playbooks/backup-rerun.yaml").read_text()
CRON_JOB = {
    "metadata": {"name": "backup", "namespace": "shop"},
    "spec": {
        "schedule": "0 3 * * *",
        "jobTemplate": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "dump", "image": "registry.example.net/shop/backup:1.0"}],
                    }
                }
            }
        },
    },
}


def drill(*, within: str = "90s") -> str:
    """As shipped, with a yes in place of a proposal, and waits of a drill: hours are seconds."""
    return SHIPPED.replace("      within: 3h\n", f"      within: {within}\n").replace(
        "autonomy: propose", "autonomy: approve"
    )


def failed_backup(world: World) -> None:
    """Yesterday's object is the newest; the database answers. Whether anything fresh is there ends the alert."""
    world.deploy("shop", "checkout")
    world.kubernetes.put("cronjobs", CRON_JOB)
    world.prometheus.script('min(pg_up{namespace="shop"})', 1.0)
    world.aws.s3.put("backups", "database/2026-11-29.dump", 40 << 20, world.pace.now() - timedelta(days=1))
    labels = {"namespace": "shop", "cronjob": "backup", "severity": "medium"}
    world.alert_when(lambda: not fresh(world), "BackupFailed", labels)


def fresh(world: World) -> bool:
    since = world.pace.now() - timedelta(hours=3)
    return any(
        one.modified_at > since and one.size >= 1 << 20 for one in world.aws.s3.bucket("backups").objects.values()
    )


def jobs(world: World) -> list[dict[str, Any]]:
    return list(world.kubernetes.store.all(world.kubernetes.registry.by_plural("jobs"), "shop"))


def told_of_it_all(world: World, directory: Path) -> dict[str, Any]:
    """Alerts of severity medium page as well."""
    return account_settings(world, directory) | {"escalation__pages": ["critical", "high", "medium"]}


async def job_is_done(world: World, service: Service) -> None:
    """The Job that the run makes ends well by itself, as every Job of the sandbox does."""

    def complete() -> bool:
        return any(one.get("type") == "Complete" for job in jobs(world) for one in job["status"].get("conditions", ()))

    await service.until(complete, within_s=LONG_S, what="the Job is done")


async def test_a_failed_backup_is_run_again_after_a_yes_and_counts_when_its_object_is_there(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        failed_backup(world)
        async with running(tmp_path, drill(), world=world, **account_settings(world, tmp_path)) as service:
            listen(world, service)
            await approve(service)
            await job_is_done(world, service)
            world.aws.s3.put("backups", "database/2026-11-30.dump", 41 << 20)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert len(jobs(world)) == 1
            assert world.aws.writes == []
            told = await timeline(service)
    for word in (
        "BackupFailed",
        "alice approved",
        "run CronJob shop/backup once",
        "database/2026-11-30.dump",
        "verified",
    ):
        assert word in told, told


async def test_a_job_that_ends_well_without_a_backup_is_a_failure(tmp_path: Path) -> None:
    """It wrote an empty dump, under a name that sorts last."""
    async with World(speed=4) as world:
        failed_backup(world)
        async with running(tmp_path, drill(within="3s"), world=world, **told_of_it_all(world, tmp_path)) as service:
            listen(world, service)
            await approve(service)
            await job_is_done(world, service)
            world.aws.s3.put("backups", "database/zzz.dump", 0)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.REFUTED, run.reason
            await paged(service)
            told = await timeline(service)
    assert "the newest is 'database/2026-11-29.dump'" in told, told
