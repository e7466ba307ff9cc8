"""A Deployment, StatefulSet or DaemonSet as it was read: typed, frozen, and no judgement but the rollout's (see rollout.py)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.targets import Target

INTENT = "remediator.dev/intent"
"""Annotation that carries the intent id of the effect that wrote it (S15)."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def restart_body(resource_version: str, intent_id: str, restarted_at: str) -> dict[str, Any]:
    """The merge patch that rolls every pod and marks workload and template with the intent.

    ``restartedAt`` must be new each time: an equal value is taken with a 200 and rolls nothing.
    """
    template = {"metadata": {"annotations": {RESTARTED_AT: restarted_at, INTENT: intent_id}}}
    metadata = {"resourceVersion": resource_version, "annotations": {INTENT: intent_id}}
    return {"metadata": metadata, "spec": {"template": template}}


def scale_body(resource_version: str, replicas: int) -> dict[str, Any]:
    """The merge patch of a scale subresource."""
    return {"metadata": {"resourceVersion": resource_version}, "spec": {"replicas": replicas}}


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of managedFields: who wrote which fields, and when."""

    name: str
    operation: str
    subresource: str
    at: datetime | None
    fields: Mapping[str, Any]

    def owns(self, *path: str) -> bool:
        """``owns("spec", "replicas")``."""
        inner: Any = self.fields
        for part in path:
            inner = inner.get(f"f:{part}") if isinstance(inner, Mapping) else None
            if inner is None:
                return False
        return True


@dataclass(frozen=True, slots=True)
class Workload:
    """One read of one workload. Counters that the API leaves out are 0."""

    target: Target
    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    replicas: int
    """Wanted: ``spec.replicas``, for a DaemonSet ``status.desiredNumberScheduled``."""
    total: int
    """Pods that exist, old and new."""
    updated: int
    ready: int
    available: int
    paused: bool
    strategy: str
    """``RollingUpdate``, ``Recreate`` or ``OnDelete``."""
    partition: int
    template_hash: str
    """Our own hash of ``spec.template``; equal templates have equal hashes whatever the order of keys."""
    template_annotations: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    progress_deadline_exceeded: bool
    owners: tuple[str, ...]
    """Controllers and tools that own it, in words for people (S13)."""
    managers: tuple[Manager, ...]
    selector: str
    """Of its pods, in the API's syntax; empty when the workload has none, which selects nothing."""
    read_at: datetime

    @property
    def kind(self) -> str:
        return self.target.kind

    @property
    def intent(self) -> str | None:
        """The intent that made its present pod template, if one of ours did."""
        return self.template_annotations.get(INTENT)

    def written_at(self, *path: str) -> datetime | None:
        """When the present owner of a field (or of something below it) wrote last; None if nobody says."""
        times = [manager.at for manager in self.managers if manager.at is not None and manager.owns(*path)]
        return max(times, default=None)


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale subresource."""

    uid: str
    resource_version: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """What decides a workload's size in its owner's place."""

    namespace: str
    name: str
    min_replicas: int
    max_replicas: int
    scaled_object: str | None
    """The KEDA ScaledObject that owns this HorizontalPodAutoscaler and reverts edits to it."""

    def __str__(self) -> str:
        if self.scaled_object is not None:
            return f"KEDA ScaledObject {self.namespace}/{self.scaled_object}"
        return f"HorizontalPodAutoscaler {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of a workload."""

    name: str
    uid: str
    node: str
    phase: str
    ready: bool
    terminating: bool
    restarts: int
    waiting: str
    """Why a container waits (``CrashLoopBackOff``), empty if none does."""


def template_hash(template: Mapping[str, Any]) -> str:
    """Equal for equal templates, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(template, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def workload_from(target: Target, document: Mapping[str, Any], read_at: datetime) -> Workload:
    """Read the API's JSON.

    Raises:
        KeyError, TypeError, ValueError: the document is no such workload.
    """
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    template = spec["template"]
    strategy, partition = _strategy(target.kind, spec)
    managers = tuple(_manager(entry) for entry in metadata.get("managedFields") or ())
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
        template_hash=template_hash(template),
        template_annotations=(template.get("metadata") or {}).get("annotations") or {},
        labels=labels,
        annotations=annotations,
        progress_deadline_exceeded=_deadline_exceeded(status),
        owners=_owners(metadata, labels, annotations, managers),
        managers=managers,
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


def _manager(entry: Mapping[str, Any]) -> Manager:
    time = entry.get("time")
    return Manager(
        name=str(entry.get("manager") or ""),
        operation=str(entry.get("operation") or ""),
        subresource=str(entry.get("subresource") or ""),
        at=datetime.fromisoformat(time) if time else None,
        fields=entry.get("fieldsV1") or {},
    )


def _owners(
    metadata: Mapping[str, Any],
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    managers: tuple[Manager, ...],
) -> tuple[str, ...]:
    found = [
        f"{owner['kind']} {owner['name']}" for owner in metadata.get("ownerReferences") or () if owner.get("controller")
    ]
    marks: tuple[tuple[str, str | None], ...] = (
        ("Argo CD application", annotations.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]),
        ("Argo CD application", labels.get("argocd.argoproj.io/instance")),
        ("Flux kustomization", labels.get("kustomize.toolkit.fluxcd.io/name")),
        ("Flux helm release", labels.get("helm.toolkit.fluxcd.io/name")),
        ("Helm release", annotations.get("meta.helm.sh/release-name")),
    )
    found += [f"{what} {name}" for what, name in marks if name]
    tools = {
        "argocd-controller": "Argo CD",
        "argocd-application-controller": "Argo CD",
        "kustomize-controller": "Flux",
        "helm-controller": "Flux",
        "helm": "Helm",
    }
    named = {tools[manager.name] for manager in managers if manager.name in tools}
    found += [tool for tool in sorted(named) if not any(known.startswith(tool) for known in found)]
    return tuple(dict.fromkeys(found))


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
    )
