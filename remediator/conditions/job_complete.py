"""``job_complete``: did the Job of this run succeed?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.jobs import CronJobRuns, read_cron_job_and_jobs
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.runs.plan import Plan
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class JobComplete:
    """Of the Job that this run started; when it started none, of the CronJob's newest. A Job that failed is a known no."""

    name: ClassVar[str] = "job_complete"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_cron_job_and_jobs() if kind == "cronjob" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        if target.kind != "cronjob":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no CronJob")
        try:
            found = await world.kubernetes.jobs.of(target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        ours = [plan for plan in known.done if plan.action == "kubernetes.run_cronjob" and plan.target == target]
        if ours:
            return _of_this_run(found, ours[-1])
        if not found.jobs:
            return Look(Answer.NO, f"CronJob {target.short} has no Job")
        return Look(Answer.of(found.jobs[-1].ended == "Complete"), str(found.jobs[-1]))


def _of_this_run(found: CronJobRuns, plan: Plan) -> Look:
    """Ours has a mark and was not there when the step was planned. Nobody else of us starts one: the target is locked."""
    if found.uid != plan.uid:
        return Look(Answer.UNKNOWN, f"CronJob {plan.target.short} was made again since its Job was started")
    started = [job for job in found.jobs if job.intent is not None and job.uid not in plan.memory["jobs"]]
    if not started:
        return Look(Answer.UNKNOWN, f"the Job of {plan.target.short} is gone, so how it ended cannot be told")
    return Look(Answer.of(started[-1].ended == "Complete"), str(started[-1]))
