"""One pod by itself, as it was read: what decides whether it may be moved, and where to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from remediator.clients.kubernetes.amounts import amount
from remediator.clients.kubernetes.workload_json import controller_of

_MIRROR = "kubernetes.io/config.mirror"
_ENDED = ("Succeeded", "Failed")
_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class SinglePod:
    """One read of one pod."""

    namespace: str
    name: str
    uid: str
    node: str
    """Empty until it is scheduled."""
    phase: str
    ready: bool
    not_ready_since: datetime | None
    """None while it is ready; of one that never was, since when it exists."""
    deletion_at: datetime | None
    """When its grace ends or ended; None while nobody has deleted it."""
    finalizers: tuple[str, ...]
    controller: str
    """``ReplicaSet checkout-5d9f``; empty when nothing would make it anew."""
    controller_kind: str
    controller_uid: str
    mirror: bool
    """Made by its kubelet from a file: the API server can neither move nor delete it for good."""
    empty_dirs: tuple[str, ...]
    """Volumes whose content ends with it."""
    labels: Mapping[str, str]
    requests: Mapping[str, Fraction]
    """By resource, itself counted as one of ``pods``."""
    node_selector: Mapping[str, str]
    node_affinity: tuple[Mapping[str, Any], ...]
    """Terms of which a node must match one; empty when any node will do."""
    tolerations: tuple[Mapping[str, Any], ...]

    @property
    def short(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def terminating(self) -> bool:
        return self.deletion_at is not None

    @property
    def ended(self) -> bool:
        """It has run its course and will not run again."""
        return self.phase in _ENDED

    @property
    def of_daemon_set(self) -> bool:
        return self.controller_kind == "DaemonSet"

    @property
    def stays(self) -> bool:
        """A drain leaves it where it is: it would come back to this node at once, or runs no more."""
        return self.mirror or self.of_daemon_set or self.ended


def single_pod_from(document: Mapping[str, Any]) -> SinglePod:
    """Raises KeyError, TypeError, ValueError or AttributeError for what is not as expected."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    conditions = {str(one["type"]): one for one in status.get("conditions") or ()}
    ready = conditions.get("Ready", {})
    controller, deletion = controller_of(document), metadata.get("deletionTimestamp")
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    return SinglePod(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        node=str(spec.get("nodeName") or ""),
        phase=str(status.get("phase") or ""),
        ready=ready.get("status") == "True",
        not_ready_since=_not_ready_since(ready, metadata),
        deletion_at=datetime.fromisoformat(deletion) if deletion else None,
        finalizers=tuple(map(str, metadata.get("finalizers") or ())),
        controller=f"{controller['kind']} {controller['name']}" if controller else "",
        controller_kind=str(controller.get("kind") or ""),
        controller_uid=str(controller.get("uid") or ""),
        mirror=_MIRROR in (metadata.get("annotations") or {}),
        empty_dirs=tuple(str(one["name"]) for one in spec.get("volumes") or () if "emptyDir" in one),
        labels=dict(metadata.get("labels") or {}),
        requests=_requests(spec),
        node_selector=dict(spec.get("nodeSelector") or {}),
        node_affinity=tuple(affinity.get("nodeSelectorTerms") or ()),
        tolerations=tuple(spec.get("tolerations") or ()),
    )


def _not_ready_since(ready: Mapping[str, Any], metadata: Mapping[str, Any]) -> datetime | None:
    if ready.get("status") == "True":
        return None
    return datetime.fromisoformat(str(ready.get("lastTransitionTime") or metadata["creationTimestamp"]))


def _requests(spec: Mapping[str, Any]) -> dict[str, Fraction]:
    """As the scheduler counts: the sum of what runs together, or the largest of what runs before, whichever is more."""
    containers, inits = spec.get("containers") or (), spec.get("initContainers") or ()
    beside = [one for one in inits if one.get("restartPolicy") == "Always"]
    together = _sum(_asked(one) for one in (*containers, *beside))
    before = [_asked(one) for one in inits if one.get("restartPolicy") != "Always"]
    peak = {name: max([asked.get(name, _ZERO) for asked in (together, *before)]) for name in _names(together, *before)}
    overhead = {name: amount(value) for name, value in (spec.get("overhead") or {}).items()}
    return {**_sum((peak, overhead)), "pods": Fraction(1)}


def _asked(container: Mapping[str, Any]) -> dict[str, Fraction]:
    resources = container.get("resources") or {}
    # Without a request the limit is what is asked for.
    return {
        name: amount(value)
        for name, value in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}.items()
    }


def _sum(parts: Iterable[Mapping[str, Fraction]]) -> dict[str, Fraction]:
    total: dict[str, Fraction] = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total.get(name, _ZERO) + value
    return total


def _names(*parts: Mapping[str, Fraction]) -> set[str]:
    return {name for part in parts for name in part}
