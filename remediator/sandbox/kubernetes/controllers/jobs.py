"""The Job controller: pods until enough have succeeded or too many have failed. CronJobs start nothing by themselves."""

from datetime import datetime

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.controllers.templates import pod_from, random_suffix
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.resources import CRON_JOBS, JOBS, PODS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_WRITER = Writer("kube-controller-manager", external=False)
_STATUS = Writer("kube-controller-manager", "status", external=False)
_BACKOFF_EXCEEDED = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_DEADLINE_EXCEEDED = ("DeadlineExceeded", "Job was active longer than specified deadline")
_COMPLETED = ("CompletionsReached", "Reached expected number of succeeded pods")


class Jobs:
    """Takes one step of one Job at a time. A failed pod is replaced at once, without the real back-off."""

    def __init__(self, store: ObjectStore, deletion: Deletion, pace: Pace) -> None:
        self._store = store
        self._deletion = deletion
        self._pace = pace
        self._recorder = Recorder(store, pace, "job-controller")
        self._crons = Recorder(store, pace, "cronjob-controller")

    def sync(self, job: Object) -> float | None:
        """One step, then the status; the seconds until the Job's deadline if it has one, or None."""
        spec, status = job["spec"], job.get("status", {})
        if "deletionTimestamp" in job["metadata"] or finished(job) is not None:
            return None
        if spec["suspend"]:
            self._stop(job)
            self._report(job, [_condition("Suspended", "JobSuspended", "Job suspended")])
            return None
        if "startTime" not in status:
            self._tell_cron_job(job)
        start = status.get("startTime") or rfc3339_seconds(self._pace.now())
        left_s = self._left_s(spec, start)
        owned = self._pods(job)
        succeeded = sum(pod["status"].get("phase") == "Succeeded" for pod in owned)
        failed = sum(pod["status"].get("phase") == "Failed" for pod in owned)
        retried = sum(pods.restart_count(pod) for pod in owned if pods.is_active(pod))
        wanted = spec.get("completions") or spec["parallelism"]
        if failed + retried > spec["backoffLimit"]:
            self._end(job, start, "Failed", *_BACKOFF_EXCEEDED)
        elif left_s is not None and left_s <= 0:
            self._end(job, start, "Failed", *_DEADLINE_EXCEEDED)
        elif succeeded >= wanted:
            self._end(job, start, "Complete", *_COMPLETED)
        else:
            active = sum(pods.is_active(pod) for pod in owned)
            for _ in range(min(spec["parallelism"], wanted - succeeded) - active):
                name = f"{job['metadata']['name']}-{random_suffix()}"
                self._store.create(PODS, pod_from(spec["template"], JOBS, job, name), _WRITER)
                self._recorder.tell(JOBS, job, "SuccessfulCreate", f"Created pod: {name}")
            self._report(job, [], startTime=start)
            return left_s
        return None

    def _pods(self, job: Object) -> list[Object]:
        return self._store.children(job["metadata"]["uid"], PODS)

    def _left_s(self, spec: Object, start: str) -> float | None:
        deadline_s = spec.get("activeDeadlineSeconds")
        if deadline_s is None:
            return None
        lived_s = (self._pace.now() - datetime.fromisoformat(start)).total_seconds() * self._pace.speed
        return float(deadline_s) - lived_s

    def _stop(self, job: Object) -> None:
        for pod in self._pods(job):
            if pods.is_active(pod):
                self._deletion.delete(PODS, pod, _WRITER)

    def _end(self, job: Object, start: str, kind: str, reason: str, message: str) -> None:
        self._stop(job)
        sign = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
        conditions = [_condition(sign, reason, message), _condition(kind, reason, message)]
        times = {"startTime": start}
        if kind == "Complete":
            times["completionTime"] = rfc3339_seconds(self._pace.now())
        self._report(job, conditions, **times)
        event = ("Completed", "Job completed") if kind == "Complete" else (reason, message)
        self._recorder.tell(JOBS, job, *event, warning=kind == "Failed")

    def _report(self, job: Object, conditions: list[Object], **times: str) -> None:
        owned = self._pods(job)
        now = rfc3339_seconds(self._pace.now())
        counts = {
            "active": sum(pods.is_active(pod) for pod in owned),
            "ready": sum(pods.is_active(pod) and pods.is_ready(pod) for pod in owned),
            "succeeded": sum(pod["status"].get("phase") == "Succeeded" for pod in owned),
            "failed": sum(pod["status"].get("phase") == "Failed" for pod in owned),
            "terminating": sum(pods.is_terminating(pod) for pod in owned),
        }
        status: Object = {
            # Zero counters are left out, save for these two, as the real controller writes them.
            **{key: count for key, count in counts.items() if count or key in ("ready", "terminating")},
            "uncountedTerminatedPods": {},
            **times,
        }
        if conditions:
            stamps = {"lastProbeTime": now, "lastTransitionTime": now}
            status["conditions"] = [{**condition, **stamps} for condition in conditions]
        self._store.update(JOBS, job, {**job, "status": status}, _STATUS)

    def _tell_cron_job(self, job: Object) -> None:
        """What the CronJob controller says of a Job that somebody else started: it does not become one of `status.active`."""
        owner = next(
            (found for found in job["metadata"].get("ownerReferences", []) if found["kind"] == "CronJob"), None
        )
        cron_job = self._store.get(CRON_JOBS, job["metadata"]["namespace"], owner["name"]) if owner else None
        if cron_job is not None and owner is not None and cron_job["metadata"]["uid"] == owner["uid"]:
            message = f"Saw a job that the controller did not create or forgot: {job['metadata']['name']}"
            self._crons.tell(CRON_JOBS, cron_job, "UnexpectedJob", message, warning=True)


def finished(job: Object) -> str | None:
    """How the Job ended: Complete, Failed, or not yet (None)."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return str(condition["type"])
    return None


def _condition(kind: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": "True", "reason": reason, "message": message}
