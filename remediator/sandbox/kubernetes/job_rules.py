"""What the API server makes of Jobs and CronJobs: defaults, the generated selector, validation."""

import json

from remediator.sandbox.kubernetes.errors import Cause, unsupported
from remediator.sandbox.kubernetes.resources import JOBS, Object, Resource
from remediator.sandbox.kubernetes.selectors import matches_selector

UID_LABEL = "batch.kubernetes.io/controller-uid"
_NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
_UID_LABELS = ("controller-uid", UID_LABEL)


def job_defaults(spec: Object) -> Object:
    """The spec of a Job with what was left out."""
    filled = {"backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False, "manualSelector": False, **spec}
    if spec.get("completions") is None and spec.get("parallelism") is None:
        filled["completions"] = 1
    filled["parallelism"] = 1 if spec.get("parallelism") is None else spec["parallelism"]
    return filled


def cron_job_defaults(spec: Object) -> Object:
    """The spec of a CronJob with what was left out."""
    history = {"successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}
    return {"concurrencyPolicy": "Allow", "suspend": False, **history, **spec}


def with_generated_selector(job: Object) -> Object:
    """The Job with labels and a selector that only its own pods bear, made from its name and uid."""
    spec, metadata = job.get("spec") or {}, job["metadata"]
    if spec.get("manualSelector"):
        return job
    template = spec.get("template") or {}
    marks = dict.fromkeys(_NAME_LABELS, metadata["name"]) | dict.fromkeys(_UID_LABELS, metadata["uid"])
    labels = {**marks, **((template.get("metadata") or {}).get("labels") or {})}
    selector = spec.get("selector") or {}
    selected = {UID_LABEL: metadata["uid"], **(selector.get("matchLabels") or {})}
    template = {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}}
    return {**job, "spec": {**spec, "selector": {**selector, "matchLabels": selected}, "template": template}}


def batch_causes(resource: Resource, obj: Object, old: Object | None) -> list[Cause]:
    """Why a Job or CronJob cannot be stored."""
    spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
    if resource is JOBS:
        return _job_causes(spec, name, (old or {}).get("spec"))
    causes: list[Cause] = []
    if old is None and len(name) > 52:
        causes.append(_invalid("metadata.name", f'"{name}"', "must be no more than 52 characters"))
    if not spec.get("schedule"):
        causes.append(Cause("FieldValueRequired", "Required value", "spec.schedule"))
    if spec.get("concurrencyPolicy") not in ("Allow", "Forbid", "Replace"):
        causes.append(
            unsupported("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
        )
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    return causes + _template_causes("spec.jobTemplate.spec.template", template.get("template") or {})


def _job_causes(spec: Object, name: str, old: Object | None) -> list[Cause]:
    causes = [
        _invalid(f"spec.{field}", value, "must be greater than or equal to 0")
        for field in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")
        if isinstance(value := spec.get(field), int) and value < 0
    ]
    if old is not None:
        immutable = ("completions", "selector", "template", "completionMode")
        changed = [field for field in immutable if spec.get(field) != old.get(field)]
        return causes + [
            _invalid(f"spec.{field}", json.dumps(spec.get(field)), "field is immutable") for field in changed
        ]
    template = spec.get("template") or {}
    if len(name) > 63:  # the name becomes a label of the pods, and labels end there
        too_long = _invalid("spec.template.labels", f'"{name}"', "must be no more than 63 bytes")
        causes += [too_long, too_long]  # it is in two labels
    if not matches_selector(spec.get("selector") or {}, (template.get("metadata") or {}).get("labels") or {}):
        text = "`selector` does not match template `labels`"
        causes.append(_invalid("spec.template.metadata.labels", "...", text))
    return causes + _template_causes("spec.template", template)


def _template_causes(path: str, template: Object) -> list[Cause]:
    spec = template.get("spec") or {}
    causes: list[Cause] = []
    if not spec.get("containers"):
        causes.append(Cause("FieldValueRequired", "Required value", f"{path}.spec.containers"))
    if spec.get("restartPolicy") not in ("OnFailure", "Never"):
        text = 'Required value: valid values: "OnFailure", "Never"'
        causes.append(Cause("FieldValueRequired", text, f"{path}.spec.restartPolicy"))
    return causes


def _invalid(field: str, value: object, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", field)
