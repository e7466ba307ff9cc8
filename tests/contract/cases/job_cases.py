"""CronJobs that are run once."""

from remediator.targets import Target
from tests.support import cron_jobs
from tests.support.action_case import ActionCase
from tests.support.cluster import Stage


async def _cron_job(stage: Stage) -> Target:
    await cron_jobs.cron_job(stage)
    return stage.target("backup", "cronjob")


async def _jobs(stage: Stage) -> int:
    return len(await cron_jobs.jobs(stage))


CASES = (ActionCase("kubernetes.run_cronjob", prepare=_cron_job, changes=_jobs),)
