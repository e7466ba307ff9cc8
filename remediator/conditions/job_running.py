"""``job_running``: does a Job of the CronJob run?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.jobs import read_cron_job_and_jobs
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class JobRunning:
    """Any that has not ended counts, also one that waits for room or is suspended."""

    name: ClassVar[str] = "job_running"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_cron_job_and_jobs() if kind == "cronjob" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != "cronjob":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no CronJob")
        try:
            found = await world.kubernetes.jobs.of(target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.running:
            return Look(Answer.YES, str(found.running[0]))
        return Look(Answer.NO, f"no Job of CronJob {target.short} runs")
