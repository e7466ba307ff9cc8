"""A node as it was read, and the bodies that take it out of service and put it back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from remediator.clients.kubernetes.amounts import amount
from remediator.clients.kubernetes.managers import Manager, managers_of
from remediator.clients.kubernetes.marks import INTENT

CORDONED = "remediator.dev/cordoned"
"""Annotation: the intent that cordoned the node. Whoever uncordons it by hand leaves it; then it counts for nothing."""
MOVED = "remediator.dev/moved"
"""Annotation: whose pods a drain has moved, and how many of them it found ready everywhere, as JSON."""

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
"""Taint by which an operator vouches that nothing runs there any more."""


@dataclass(frozen=True, slots=True)
class Node:
    """One read of one node."""

    name: str
    uid: str
    resource_version: str
    ready: bool
    unschedulable: bool
    taints: tuple[Mapping[str, Any], ...]
    labels: Mapping[str, str]
    allocatable: Mapping[str, Fraction]
    annotations: Mapping[str, str]
    managers: tuple[Manager, ...] = ()

    @property
    def out(self) -> bool:
        """It takes no pods: not ready, or cordoned by whomever."""
        return self.unschedulable or not self.ready

    @property
    def intent(self) -> str | None:
        """Whose mark it bears."""
        return self.annotations.get(INTENT)

    @property
    def cordoned_by(self) -> str | None:
        """The intent of ours that cordoned it, while it is. Who opens and closes it by hand leaves our note and owns the field."""
        noted = ("metadata", "annotations", CORDONED)
        closed_since = any(one.owns("spec", "unschedulable") and not one.owns(*noted) for one in self.managers)
        return self.annotations.get(CORDONED) if self.unschedulable and not closed_since else None

    @property
    def moved(self) -> dict[str, int]:
        """What a drain noted (``MOVED``); empty where it is not what a drain writes: others can write annotations too."""
        try:
            noted = json.loads(self.annotations.get(MOVED, "{}"))
            return {str(whose): int(count) for whose, count in noted.items()}
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}

    def has_taint(self, key: str) -> bool:
        return any(taint.get("key") == key for taint in self.taints)


def cordon_body(resource_version: str, intent_id: str) -> dict[str, Any]:
    """The merge patch that keeps new pods away."""
    return _body(resource_version, {INTENT: intent_id, CORDONED: intent_id, MOVED: None}, unschedulable=True)


def uncordon_body(resource_version: str, intent_id: str) -> dict[str, Any]:
    """The merge patch that lets pods come again."""
    return _body(resource_version, {INTENT: intent_id, CORDONED: None, MOVED: None}, unschedulable=False)


def drain_body(resource_version: str, intent_id: str, moved: Mapping[str, int], *, cordon: bool) -> dict[str, Any]:
    """The merge patch with which a drain begins."""
    annotations: dict[str, str | None] = {INTENT: intent_id, MOVED: json.dumps(dict(moved), sort_keys=True)}
    if cordon:
        annotations[CORDONED] = intent_id
    return _body(resource_version, annotations, unschedulable=True if cordon else None)


def _body(
    resource_version: str, annotations: Mapping[str, str | None], *, unschedulable: bool | None
) -> dict[str, Any]:
    metadata = {"resourceVersion": resource_version, "annotations": dict(annotations)}
    return {"metadata": metadata, **({} if unschedulable is None else {"spec": {"unschedulable": unschedulable}})}


def node_from(document: Mapping[str, Any]) -> Node:
    """Raises KeyError, TypeError, ValueError or AttributeError for what is not as expected."""
    metadata, spec, status = document["metadata"], document.get("spec") or {}, document.get("status") or {}
    return Node(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        ready=any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ()),
        unschedulable=bool(spec.get("unschedulable")),
        taints=tuple(spec.get("taints") or ()),
        labels=dict(metadata.get("labels") or {}),
        allocatable={name: amount(value) for name, value in (status.get("allocatable") or {}).items()},
        annotations=dict(metadata.get("annotations") or {}),
        managers=managers_of(metadata),
    )
