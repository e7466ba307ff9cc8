"""From the API's JSON to our types. Raises KeyError, TypeError, ValueError or AttributeError for what is not as expected."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from remediator.clients.kubernetes.managers import managers_of
from remediator.clients.kubernetes.workload import Autoscaler, Pod, Workload
from remediator.targets import Target


def template_hash(template: Mapping[str, Any]) -> str:
    """Equal for equal templates, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(template, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def template_of(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without ``creationTimestamp: null`` and empty maps, which some servers write and some do not: they say nothing."""
    metadata = {
        key: value
        for key, value in (template.get("metadata") or {}).items()
        if value is not None and not (key in ("labels", "annotations") and not value)
    }
    return {**template, "metadata": metadata}


def workload_from(target: Target, document: Mapping[str, Any], read_at: datetime) -> Workload:
    """Read a Deployment, StatefulSet or DaemonSet."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    template = spec["template"]
    strategy, partition = _strategy(target.kind, spec)
    counts = _daemon_counts(status) if target.kind == "daemonset" else _counts(spec, status)
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    return Workload(
        target=target,
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        generation=int(metadata.get("generation") or 0),
        observed_generation=int(status.get("observedGeneration") or 0),
        **counts,
        paused=bool(spec.get("paused")),
        strategy=strategy,
        partition=partition,
        template_hash=template_hash(template_of(template)),
        template_annotations=(template.get("metadata") or {}).get("annotations") or {},
        labels=labels,
        annotations=annotations,
        progress_deadline_exceeded=_deadline_exceeded(status),
        controller=owner_words(document),
        managers=managers_of(metadata),
        selector=selector_of(spec.get("selector") or {}),
        read_at=read_at,
    )


def _strategy(kind: str, spec: Mapping[str, Any]) -> tuple[str, int]:
    given = spec.get("strategy" if kind == "deployment" else "updateStrategy") or {}
    rolling = given.get("rollingUpdate") or {}
    return str(given.get("type") or "RollingUpdate"), int(rolling.get("partition") or 0)


def _counts(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, int]:
    wanted = spec.get("replicas")
    return {
        "replicas": 1 if wanted is None else int(wanted),
        "total": int(status.get("replicas") or 0),
        "updated": int(status.get("updatedReplicas") or 0),
        "ready": int(status.get("readyReplicas") or 0),
        "available": int(status.get("availableReplicas") or 0),
    }


def _daemon_counts(status: Mapping[str, Any]) -> dict[str, int]:
    return {
        "replicas": int(status.get("desiredNumberScheduled") or 0),
        "total": int(status.get("currentNumberScheduled") or 0),
        "updated": int(status.get("updatedNumberScheduled") or 0),
        "ready": int(status.get("numberReady") or 0),
        "available": int(status.get("numberAvailable") or 0),
    }


def _deadline_exceeded(status: Mapping[str, Any]) -> bool:
    return any(
        condition.get("type") == "Progressing"
        and condition.get("status") == "False"
        and condition.get("reason") == "ProgressDeadlineExceeded"
        for condition in status.get("conditions") or ()
    )


_OPERATORS = {"In": "in", "NotIn": "notin"}


def selector_of(selector: Mapping[str, Any]) -> str:
    """A LabelSelector in the syntax of ``labelSelector=``."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        key, operator = term["key"], term["operator"]
        if operator in _OPERATORS:
            parts.append(f"{key} {_OPERATORS[operator]} ({','.join(sorted(term['values']))})")
        else:
            parts.append(key if operator == "Exists" else f"!{key}")
    return ",".join(parts)


def controller_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference to its controller; empty when it has none."""
    owners = document["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def owner_words(document: Mapping[str, Any]) -> str:
    """Its controller in words for people; empty when it has none."""
    owner = controller_of(document)
    return f"{owner['kind']} {owner['name']}" if owner else ""


def owned_by(workload: Workload, document: Mapping[str, Any]) -> bool:
    """Is this very workload its controller?"""
    return controller_of(document).get("uid") == workload.uid


def autoscaler_from(document: Mapping[str, Any]) -> Autoscaler:
    """Read a HorizontalPodAutoscaler (autoscaling/v2)."""
    metadata, spec = document["metadata"], document["spec"]
    name = str(metadata["name"])
    owned_by = [
        str(owner["name"]) for owner in metadata.get("ownerReferences") or () if owner.get("kind") == "ScaledObject"
    ]
    if not owned_by and name.startswith("keda-hpa-"):
        owned_by = [name.removeprefix("keda-hpa-")]
    minimum = spec.get("minReplicas")
    return Autoscaler(
        namespace=str(metadata["namespace"]),
        name=name,
        min_replicas=1 if minimum is None else int(minimum),
        max_replicas=int(spec["maxReplicas"]),
        scaled_object=owned_by[0] if owned_by else None,
    )


def pod_from(document: Mapping[str, Any]) -> Pod:
    """Read a Pod."""
    metadata, status = document["metadata"], document.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    waiting = [str((container.get("state") or {}).get("waiting", {}).get("reason") or "") for container in containers]
    return Pod(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        node=str((document.get("spec") or {}).get("nodeName") or ""),
        phase=str(status.get("phase") or ""),
        ready=any(c.get("type") == "Ready" and c.get("status") == "True" for c in status.get("conditions") or ()),
        terminating=bool(metadata.get("deletionTimestamp")),
        restarts=sum(int(container.get("restartCount") or 0) for container in containers),
        waiting=next((reason for reason in waiting if reason), ""),
        restarted_at=max(filter(None, map(_restarted_at, containers)), default=None),
    )


def _restarted_at(container: Mapping[str, Any]) -> datetime | None:
    if not container.get("restartCount"):
        return None
    present, last = container.get("state") or {}, container.get("lastState") or {}
    for at in (
        (present.get("running") or {}).get("startedAt"),
        (present.get("terminated") or {}).get("finishedAt"),
        (last.get("terminated") or {}).get("finishedAt"),
    ):
        if at:
            return datetime.fromisoformat(at)
    return None
