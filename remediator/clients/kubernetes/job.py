"""A CronJob and the Jobs that it owns as they were read, and the Job that is made of one by hand. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.workload_json import controller_of, template_hash
from remediator.targets import Target

_INSTANTIATE = "cronjob.kubernetes.io/instantiate"
_NAME_LIMIT = 63
"""Of a Job: its pods carry the name as a label."""


@dataclass(frozen=True, slots=True)
class CronJob:
    """One read of one CronJob."""

    target: Target
    uid: str
    suspended: bool
    terminating: bool
    template: Mapping[str, Any]
    """``spec.jobTemplate``."""
    template_hash: str
    keeps_finished: bool
    """Finished Jobs stay for a while: its history limits are not 0."""
    kept_s: int | None
    """Seconds after which a finished Job removes itself; None: it does not."""


@dataclass(frozen=True, slots=True)
class Job:
    """One read of one Job."""

    name: str
    uid: str
    intent: str | None
    """The intent that started it, if one of ours did: its name says so too. Templates are copied from Jobs, marks and all."""
    created_at: datetime
    ended: str
    """``Complete`` or ``Failed``; empty while it has not ended."""
    reason: str
    """Why it failed, such as ``BackoffLimitExceeded``."""

    def __str__(self) -> str:
        if not self.ended:
            return f"Job {self.name} has not ended"
        return f"Job {self.name}: {self.ended}{f' ({self.reason})' if self.reason else ''}"


def job_name(cron_job: str, intent_id: str) -> str:
    """The same for every attempt of one intent, so that the second is refused as existing already (S15)."""
    mark = _mark(intent_id)
    return f"{cron_job[: _NAME_LIMIT - len(mark) - 1].rstrip('-.')}-{mark}"


def _mark(intent_id: str) -> str:
    return hashlib.sha256(intent_id.encode()).hexdigest()[:10]


def job_body(cron_job: CronJob, name: str, intent_id: str) -> dict[str, Any]:
    """What ``kubectl create job --from`` makes, with our mark.

    The reference does not block the owner's deletion: that would need a permission on cronjobs/finalizers.
    """
    metadata = cron_job.template.get("metadata") or {}
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": cron_job.target.name,
        "uid": cron_job.uid,
        "controller": True,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": cron_job.target.namespace,
            "labels": dict(metadata.get("labels") or {}),
            "annotations": {**(metadata.get("annotations") or {}), _INSTANTIATE: "manual", INTENT: intent_id},
            "ownerReferences": [owner],
        },
        "spec": cron_job.template["spec"],
    }


def cron_job_from(target: Target, document: Mapping[str, Any]) -> CronJob:
    """Read a CronJob."""
    metadata, spec = document["metadata"], document["spec"]
    template = spec["jobTemplate"]
    limits = [spec.get("successfulJobsHistoryLimit"), spec.get("failedJobsHistoryLimit")]
    return CronJob(
        target=target,
        uid=str(metadata["uid"]),
        suspended=bool(spec.get("suspend")),
        terminating="deletionTimestamp" in metadata,
        template=template,
        template_hash=template_hash(template),
        keeps_finished=0 not in limits,
        kept_s=template["spec"].get("ttlSecondsAfterFinished"),
    )


def job_from(document: Mapping[str, Any]) -> Job:
    """Read a Job."""
    metadata = document["metadata"]
    conditions = (document.get("status") or {}).get("conditions") or ()
    ended = [one for one in conditions if one.get("type") in ("Complete", "Failed") and one.get("status") == "True"]
    intent = (metadata.get("annotations") or {}).get(INTENT)
    failed = ended[0] if ended and ended[0]["type"] == "Failed" else {}
    return Job(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        intent=intent if intent and str(metadata["name"]).endswith(f"-{_mark(intent)}") else None,
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        ended=str(ended[0]["type"]) if ended else "",
        reason=str(failed.get("reason") or ""),
    )


def is_of(cron_job: CronJob, document: Mapping[str, Any]) -> bool:
    """Is this very CronJob its controller?"""
    return controller_of(document).get("uid") == cron_job.uid
