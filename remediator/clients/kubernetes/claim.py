"""A PersistentVolumeClaim and its storage class as they were read, and whether the volume can grow now. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.managers import Manager, managers_of
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.quantity import size
from remediator.clients.kubernetes.workload_json import controller_of
from remediator.targets import Target

_RESIZING = ("Resizing", "FileSystemResizePending")
_FAILED = ("ControllerResizeError", "NodeResizeError")
_NO_KEEPERS = ("StatefulSet", "Pod")
"""They own claims so that these are deleted with them, and do not look at the size again."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One read of one claim. Sizes in bytes."""

    target: Target
    uid: str
    resource_version: str
    phase: str
    storage_class: str
    """Empty for a volume that was made by hand."""
    asked: str
    """``spec.resources.requests.storage``, as it is written."""
    capacity: int
    """What the volume has, the filesystem included; 0 before it is bound."""
    resizing: str
    """What a resize under way waits for, as the claim's condition says; empty when none is."""
    resize_failed: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    managers: tuple[Manager, ...]
    controller: str
    """What made it and keeps its size; empty when nobody does."""
    terminating: bool

    @property
    def intent(self) -> str | None:
        """The intent that grew it last, if one of ours did."""
        return self.annotations.get(INTENT)

    @property
    def wanted(self) -> int:
        return size(self.asked)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a volume cannot grow now. ``passes``: it may go by itself."""

    code: str
    text: str
    passes: bool = False


def obstacle_to_growth(claim: Claim, *, class_allows: bool | None, max_size: int) -> Obstacle | None:
    """``class_allows`` is None where there is no such storage class."""
    name = f"claim {claim.target.short}"
    if claim.terminating:
        return Obstacle("terminating", f"{name} is being deleted")
    if claim.phase != "Bound":
        return Obstacle(
            "not_bound", f"{name} is {claim.phase or 'without a phase'}: only a volume that is bound can grow"
        )
    if not claim.storage_class:
        return Obstacle(
            "no_storage_class", f"{name} has no storage class, so nothing would grow it; grow the volume by hand"
        )
    if class_allows is None:
        return Obstacle("storage_class_missing", f"storage class {claim.storage_class} of {name} does not exist")
    if not class_allows:
        return Obstacle(
            "expansion_not_allowed",
            f"storage class {claim.storage_class} does not allow volumes to grow (allowVolumeExpansion); move the data instead",
        )
    if claim.resizing or claim.capacity < claim.wanted:
        why = claim.resizing or claim.resize_failed or f"it was asked to be {claim.asked} and is not so yet"
        return Obstacle("resize_under_way", f"{name} is being grown: {why}", passes=True)
    if claim.wanted >= max_size:
        return Obstacle("at_maximum", f"{name} has {claim.asked} already, the most that the playbook lets it have")
    return None


def claim_from(target: Target, document: Mapping[str, Any]) -> Claim:
    """Read a PersistentVolumeClaim."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    given = (status.get("capacity") or {}).get("storage")
    owner = controller_of(document)
    return Claim(
        target=target,
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        phase=str(status.get("phase") or ""),
        storage_class=str(spec.get("storageClassName") or ""),
        asked=str(spec["resources"]["requests"]["storage"]),
        capacity=0 if given is None else size(str(given)),
        resizing=_condition(status, _RESIZING),
        resize_failed=_condition(status, _FAILED),
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        managers=managers_of(metadata),
        controller=f"{owner['kind']} {owner['name']}" if owner and owner.get("kind") not in _NO_KEEPERS else "",
        terminating="deletionTimestamp" in metadata,
    )


def growth_body(resource_version: str, asked: str, intent_id: str) -> dict[str, Any]:
    """The merge patch that asks for a larger volume and marks the claim with the intent."""
    return {
        "metadata": {"resourceVersion": resource_version, "annotations": {INTENT: intent_id}},
        "spec": {"resources": {"requests": {"storage": asked}}},
    }


def _condition(status: Mapping[str, Any], types: tuple[str, ...]) -> str:
    for one in status.get("conditions") or ():
        if one.get("type") in types and one.get("status") == "True":
            said = str(one.get("message") or one.get("reason") or "")[:200]
            return f"{one['type']}: {said}" if said else str(one["type"])
    return ""
