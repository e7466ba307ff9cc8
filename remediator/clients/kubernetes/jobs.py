"""CronJobs and their Jobs: reading both, and starting one."""

from dataclasses import dataclass

from remediator.clients.kubernetes.job import CronJob, Job, cron_job_from, is_of, job_body, job_from
from remediator.clients.kubernetes.marks import FIELD_MANAGER
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission
from remediator.errors import OutcomeUnknownError
from remediator.targets import Target


def read_cron_job_and_jobs() -> tuple[Permission, ...]:
    """What reading a CronJob and its Jobs needs."""
    return (RESOURCES["cronjob"].permission("get"), RESOURCES["job"].permission("list"))


@dataclass(frozen=True, slots=True)
class CronJobRuns:
    """A CronJob, then its Jobs that are still there, oldest first."""

    cron_job: CronJob
    jobs: tuple[Job, ...]

    @property
    def uid(self) -> str:
        return self.cron_job.uid

    @property
    def running(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if not job.ended)


class Jobs(Part):
    """Of one cluster."""

    async def of(self, target: Target) -> CronJobRuns:
        """Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        cron_job = understood(target, lambda: cron_job_from(target, document))
        found = await self._list("job", target.namespace)
        jobs = understood(target, lambda: [job_from(one) for one in found if is_of(cron_job, one)])
        return CronJobRuns(cron_job, tuple(sorted(jobs, key=lambda job: (job.created_at, job.name))))

    async def start(self, cron_job: CronJob, name: str, intent_id: str) -> Job:
        """Make a Job of it now; raises ConflictError when there is one of that name."""
        resource = RESOURCES["job"]
        document = await self._api.create(
            resource.path(cron_job.target.namespace),
            resource.permission("create"),
            job_body(cron_job, name, intent_id),
            field_manager=FIELD_MANAGER,
        )
        return understood(cron_job.target, lambda: job_from(document), OutcomeUnknownError)
