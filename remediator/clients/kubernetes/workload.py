"""A Deployment, StatefulSet or DaemonSet as it was read: typed, frozen, and no judgement but the rollout's (see rollout.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.clients.kubernetes.managers import Manager, last_writer
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.ownership import owners_of
from remediator.targets import Target

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
    controller: str
    """What made it and keeps all of it, such as ``Prometheus main``; empty when it stands for itself."""
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

    @property
    def owners(self) -> tuple[str, ...]:
        """Controllers and tools that own it, in words for people (S13)."""
        return owners_of(self)

    def written_at(self, *path: str) -> datetime | None:
        """When the present owner of a field (or of something below it) wrote last; None if nobody says."""
        writer = last_writer(self.managers, *path)
        return None if writer is None else writer.at


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
    restarted_at: datetime | None = None
    """When a container was last started again, or ended after it was; None if none ever was, or nothing says."""
