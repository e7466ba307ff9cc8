"""What has a size in a namespace, as it was read, and the patches that set it to nothing and back. Pure.

A size is text: replicas (``3``) of a Deployment or StatefulSet; ``auto`` or the pause (``2``) of a KEDA ScaledObject; ``runs`` of a
CronJob. What was there before stands in an annotation of the thing itself, so that it comes back whoever forgot about it meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from remediator.clients.kubernetes.managers import Manager, managers_of
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.ownership import owners_of
from remediator.clients.kubernetes.workload_json import owner_words

SIZE_BEFORE = "remediator.dev/size-before"
"""Annotation: the size that a thing had before an effect of ours took it away."""
REPLICATED = ("deployment", "statefulset")
_PAUSED = "autoscaling.keda.sh/paused"
_PAUSED_REPLICAS = "autoscaling.keda.sh/paused-replicas"
_NOTHING = {"deployment": "0", "statefulset": "0", "scaledobject": "0", "cronjob": "suspended"}
_FIELDS = {
    "deployment": ("spec", "replicas"),
    "statefulset": ("spec", "replicas"),
    "scaledobject": ("metadata", "annotations"),
    "cronjob": ("spec", "suspend"),
}
_TO_NOTHING = {**_FIELDS, "scaledobject": ("metadata", "annotations", _PAUSED_REPLICAS)}
_MOST_REPLICAS = 10_000


@dataclass(frozen=True, slots=True)
class Sized:
    """One read of one thing."""

    kind: str
    name: str
    uid: str
    resource_version: str
    size: str
    pods: int
    """Of a Deployment or StatefulSet: that exist."""
    available: int
    observed: bool
    """Its controller has seen its newest generation."""
    scales: str
    """Of a ScaledObject: the key of what it scales, empty if that is nothing that has a size here."""
    before: str | None
    """What an effect of ours remembers."""
    intent: str | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    managers: tuple[Manager, ...]
    controller: str

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def at_nothing(self) -> bool:
        """Has nothing that could run; of a ScaledObject: lets nothing run, or has nothing to say."""
        return self.size == _NOTHING[self.kind]

    @property
    def is_up(self) -> bool:
        """Of a Deployment or StatefulSet: has all the pods that it wants, and they are available."""
        return self.observed and self.available >= int(self.size)

    @property
    def owners(self) -> tuple[str, ...]:
        """Who would put its size back (S13)."""
        return owners_of(self, *_FIELDS[self.kind])

    @property
    def taken_over(self) -> bool:
        """Has somebody set its size since, who did not write what it remembers?"""
        remembers = ("metadata", "annotations", SIZE_BEFORE)
        return any(one.owns(*_TO_NOTHING[self.kind]) and not one.owns(*remembers) for one in self.managers)

    @property
    def can_come_back(self) -> bool:
        """Would its present size, remembered, be one that is given back?"""
        return replace(self, before=self.size).restorable

    @property
    def restorable(self) -> bool:
        """Is what it remembers a size at all? Whoever may annotate it may have written something else."""
        match self.before, self.kind:
            case None, _:
                return False
            case ("auto", "scaledobject") | ("runs", "cronjob"):
                return True
            case str(text), kind if kind != "cronjob":
                return text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= _MOST_REPLICAS
        return False

    def to_nothing(self, intent_id: str) -> dict[str, Any]:
        """The merge patch that takes its size away and remembers it. Done in parts, the first part's memory stays."""
        before = self.before if self.intent == intent_id and self.before is not None else self.size
        annotations: dict[str, Any] = {INTENT: intent_id, SIZE_BEFORE: before}
        match self.kind:
            case "scaledobject":
                return self._patch({**annotations, _PAUSED_REPLICAS: "0"})
            case "cronjob":
                return self._patch(annotations, {"suspend": True})
            case _:
                return self._patch(annotations, {"replicas": 0})

    def back(self, intent_id: str) -> dict[str, Any]:
        """The merge patch that gives its size back and forgets it."""
        annotations: dict[str, Any] = {INTENT: intent_id, SIZE_BEFORE: None}
        match self.kind, self.before:
            case "scaledobject", before:
                return self._patch({**annotations, _PAUSED_REPLICAS: None if before == "auto" else before})
            case "cronjob", _:
                return self._patch(annotations, {"suspend": False})
            case _, before:
                return self._patch(annotations, {"replicas": int(str(before))})

    def forget(self, intent_id: str) -> dict[str, Any]:
        """The merge patch that leaves its size and takes the memory of another away, which is no longer true."""
        return self._patch({INTENT: intent_id, SIZE_BEFORE: None})

    def _patch(self, annotations: Mapping[str, Any], spec: Mapping[str, Any] | None = None) -> dict[str, Any]:
        metadata = {"resourceVersion": self.resource_version, "annotations": dict(annotations)}
        return {"metadata": metadata, **({"spec": dict(spec)} if spec else {})}


def sized_from(kind: str, document: Mapping[str, Any]) -> Sized:
    """Read a Deployment, StatefulSet, ScaledObject or CronJob."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    annotations = metadata.get("annotations") or {}
    return Sized(
        kind=kind,
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        size=_size(kind, spec, annotations),
        pods=int(status.get("replicas") or 0),
        available=int(status.get("availableReplicas") or 0),
        observed=int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0),
        scales=scaled_by(document) if kind == "scaledobject" else "",
        before=annotations.get(SIZE_BEFORE),
        intent=annotations.get(INTENT),
        labels=metadata.get("labels") or {},
        annotations=annotations,
        managers=managers_of(metadata),
        controller=owner_words(document),
    )


def scaled_by(autoscaler: Mapping[str, Any]) -> str:
    """The key of what a HorizontalPodAutoscaler or ScaledObject scales; empty if that is no Deployment or StatefulSet."""
    aimed = autoscaler["spec"]["scaleTargetRef"]
    # KEDA takes a Deployment where no kind is said.
    kind, group = (
        str(aimed.get("kind") or "Deployment").lower(),
        str(aimed.get("apiVersion") or "apps/v1").partition("/")[0],
    )
    return f"{kind}/{aimed['name']}" if kind in REPLICATED and group == "apps" else ""


def _size(kind: str, spec: Mapping[str, Any], annotations: Mapping[str, str]) -> str:
    match kind:
        case "scaledobject":
            if annotations.get(_PAUSED) == "true" and _PAUSED_REPLICAS not in annotations:
                return "0"  # it does nothing, so there is nothing to take away
            return annotations.get(_PAUSED_REPLICAS, "auto")
        case "cronjob":
            return "suspended" if spec.get("suspend") else "runs"
        case _:
            replicas = spec.get("replicas")
            return str(1 if replicas is None else int(replicas))
