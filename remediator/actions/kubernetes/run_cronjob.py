"""``kubernetes.run_cronjob``: run a CronJob once, now, as ``kubectl create job --from`` does."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.fresh_write import SHOWN_INTENT
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.job import job_body, job_name
from remediator.clients.kubernetes.jobs import CronJobRuns, read_cron_job_and_jobs
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target


class Params(ActionParams):
    """Nothing of the Job can be changed: it is what the CronJob says."""

    suspended: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: run a CronJob that is suspended; it stays suspended"
    )


class RunCronJob:
    """Makes one Job, named after the intent. Its end, good or bad, is the end of the effect; `job_complete` says which it was.

    Not undone: what half of a backup is worth to anybody, a machine cannot know.
    """

    name: ClassVar[str] = "kubernetes.run_cronjob"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"cronjob"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (*read_cron_job_and_jobs(), RESOURCES["job"].permission("create"))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await ctx.kubernetes.jobs.of(target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        cron_job = found.cron_job
        if cron_job.terminating:
            raise PlanRefusedError("terminating", f"CronJob {target.short} is being deleted")
        if cron_job.suspended and params.suspended != "accept":
            raise PlanRefusedError(
                "suspended",
                f"CronJob {target.short} is suspended, so somebody wants no run of it; resume it, or let the playbook say "
                "suspended: accept",
            )
        if found.running:
            # Whatever its concurrencyPolicy: that holds for its schedule alone and is not asked when a Job is made by hand.
            raise PlanRefusedError("job_running", f"{target.short}: {found.running[0]}; it runs already", kind="wait")
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=cron_job.uid,
            depends_on=dict(_dependencies(found)),
            changes=(Change("Job of the CronJob's template", None, "started"),),
            calls=(
                Call(
                    "POST",
                    RESOURCES["job"].path(target.namespace),
                    job_body(cron_job, "<derived from the intent>", SHOWN_INTENT),
                ),
            ),
            fidelity=Fidelity.SERVER,
            summary=f"run CronJob {target.short} once, now{', although it is suspended' if cron_job.suspended else ''}",
            params=params.model_dump(mode="json"),
            memory={"jobs": [job.uid for job in found.jobs]},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        async def present(found: CronJobRuns) -> Dependencies:
            return _dependencies(found)

        async def write(found: CronJobRuns) -> Applied:
            job = await ctx.kubernetes.jobs.start(found.cron_job, job_name(plan.target.name, intent_id), intent_id)
            return Applied(f"{plan.summary}: Job {job.name}", {"job": job.name})

        return await write_once(
            plan,
            read=lambda: ctx.kubernetes.jobs.of(plan.target),
            present=present,
            marked=lambda found: any(job.intent == intent_id for job in found.jobs),
            write=write,
            facts=lambda _: {"job": job_name(plan.target.name, intent_id)},
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        try:
            found = await ctx.kubernetes.jobs.of(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to run is gone")
        ours = [job for job in found.jobs if job.intent == intent_id]
        if ours:
            return Look(Answer.YES, str(ours[0]))
        if (why := _could_be_gone(found, begun_at, ctx.kubernetes.now())) is not None:
            return Look(Answer.UNKNOWN, f"there is no Job with our mark, but {why}")
        return Look(Answer.NO, f"no Job of {plan.target.short} has our mark")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        try:
            found = await ctx.kubernetes.jobs.of(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        new = [job for job in found.jobs if job.intent is not None and job.uid not in plan.memory["jobs"]]
        named = [job for job in found.jobs if applied is not None and job.name == applied.facts.get("job")] or new
        if not named:
            return Look(Answer.UNKNOWN, f"the Job of {plan.target.short} is gone, so how it ended cannot be told")
        return Look(answer_of(bool(named[-1].ended)), str(named[-1]))

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _dependencies(found: CronJobRuns) -> Dependencies:
    return {
        "uid": found.uid,
        "template": found.cron_job.template_hash,
        "suspended": found.cron_job.suspended,
        "running": [job.name for job in found.running],
    }


def _could_be_gone(found: CronJobRuns, begun_at: datetime, now: datetime) -> str | None:
    """Why a Job that we may have made could have been removed since; None if it would still be there."""
    cron_job = found.cron_job
    if not cron_job.keeps_finished:
        return "this CronJob keeps no Jobs that have ended"
    if cron_job.kept_s is not None and now >= begun_at + timedelta(seconds=cron_job.kept_s):
        return f"a Job of it removes itself {cron_job.kept_s} s after its end"
    # The history limits of the CronJob: a later Job that ends may push ours out.
    if any(job.created_at >= begun_at.replace(microsecond=0) and job.ended for job in found.jobs):
        return "a later Job has ended since, and the CronJob keeps only some"
    return None
