"""Events of our own on what a run works on, so that ``kubectl describe`` tells what was done, why, and by which run.

They are told about effects and are none: a cluster forgets them after about an hour, and nobody decides by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from remediator.clients.kubernetes.errors import ConflictError
from remediator.clients.kubernetes.marks import FIELD_MANAGER
from remediator.clients.kubernetes.names import RESOURCES, Resource
from remediator.clients.kubernetes.part import Part
from remediator.ids import derived_id
from remediator.redaction import redacted
from remediator.targets import CLUSTER_SCOPED, Target

_EVENT = Resource("events.k8s.io", "v1", "events")
_CONTROLLER = "remediator.dev/remediator"
_WITHOUT_NAMESPACE = "default"
"""Where events about what stands in no namespace belong."""
_LONGEST_NOTE = 1024
"""Bytes; the API server refuses a longer one."""
KINDS: Mapping[str, str] = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "pod": "Pod",
    "node": "Node",
    "namespace": "Namespace",
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "cronjob": "CronJob",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
    "postgrescluster": "Cluster",
    "certificate": "Certificate",
}
"""Kinds of targets as the API spells them."""

PERMISSION = _EVENT.permission("create")
"""What telling needs, where ``namespace_for_events`` says."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event. Two of one ``run_id``, ``reason`` and ``which`` are one: the second is not told."""

    target: Target
    uid: str
    """Of the object that it happened to, which may be gone by now."""
    run_id: str
    which: str
    """Which of the run's events with this reason: a step, an attempt."""
    reason: str
    """UpperCamel, for programs."""
    action: str
    """UpperCamel: what was being done."""
    note: str
    at: datetime
    type: Literal["Normal", "Warning"] = "Normal"


class Events(Part):
    """Of one cluster."""

    async def tell(self, told: Told) -> None:
        """Write it, once. Raises as every write does; one that is there already is no error."""
        namespace = namespace_for_events(told.target.kind, told.target.namespace)
        try:
            await self._api.create(
                _EVENT.path(namespace), PERMISSION, _body(told, namespace), field_manager=FIELD_MANAGER
            )
        except ConflictError:
            return


def namespace_for_events(kind: str, namespace: str) -> str:
    """Where events about a target of this kind in this namespace stand, and so where the permission is needed."""
    return _WITHOUT_NAMESPACE if kind in CLUSTER_SCOPED else namespace


def _body(told: Told, namespace: str) -> dict[str, object]:
    resource = RESOURCES[told.target.kind]
    regarding = {
        "apiVersion": f"{resource.group}/{resource.version}" if resource.group else resource.version,
        "kind": KINDS[told.target.kind],
        "name": told.target.name,
        "uid": told.uid,
    }
    if told.target.kind not in CLUSTER_SCOPED:
        regarding["namespace"] = namespace
    name = derived_id("evt", told.run_id, told.reason, told.which).replace("_", "-")
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"remediator.{name}", "namespace": namespace},
        # Six digits and a zone, whatever the fraction is: the API server takes no other form.
        "eventTime": told.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "action": told.action,
        "reason": told.reason,
        "note": _note(told.note),
        "type": told.type,
        "reportingController": _CONTROLLER,
        "reportingInstance": told.run_id,
        "regarding": regarding,
    }


def _note(text: str) -> str:
    """Without secrets, and short enough in bytes."""
    encoded = redacted(text).encode()
    if len(encoded) <= _LONGEST_NOTE:
        return encoded.decode()
    return encoded[: _LONGEST_NOTE - 3].decode(errors="ignore") + "..."
