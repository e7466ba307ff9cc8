"""Between how many replicas an autoscaler moves: read and written where they are kept, which is KEDA's ScaledObject if it made it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from remediator.clients.kubernetes.autoscalers import aim_of, scales
from remediator.clients.kubernetes.managers import Manager, managers_of
from remediator.clients.kubernetes.marks import FIELD_MANAGER, INTENT
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.workload_json import autoscaler_from, owner_words
from remediator.errors import OutcomeUnknownError
from remediator.targets import Target

Kind = Literal["horizontalpodautoscaler", "scaledobject"]
Side = Literal["minimum", "maximum"]

FIELDS: Mapping[Kind, Mapping[Side, str]] = {
    "horizontalpodautoscaler": {"minimum": "minReplicas", "maximum": "maxReplicas"},
    "scaledobject": {"minimum": "minReplicaCount", "maximum": "maxReplicaCount"},
}
_WORDS = {"horizontalpodautoscaler": "HorizontalPodAutoscaler", "scaledobject": "KEDA ScaledObject"}
_DEFAULTS = {"horizontalpodautoscaler": (1, 0), "scaledobject": (0, 100)}
_KEDA_PAUSES = ("autoscaling.keda.sh/paused-replicas", "autoscaling.keda.sh/paused")


@dataclass(frozen=True, slots=True)
class Bounds:
    """One read of one object that keeps bounds."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    resource_version: str
    minimum: int
    maximum: int
    aim: tuple[str, str, str]
    """Group, kind and name of what it scales."""
    scaled_object: str | None
    """The KEDA ScaledObject that made this HorizontalPodAutoscaler and reverts edits to it."""
    idle: str
    """Why no bound has an effect now; empty when they do."""
    current: int | None
    """How many replicas the autoscaler last asked for or saw, whichever is more; None before its first look, and of a ScaledObject."""
    controller: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    managers: tuple[Manager, ...]

    def __str__(self) -> str:
        return f"{_WORDS[self.kind]} {self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        return RESOURCES[self.kind].path(self.namespace, self.name)

    def of(self, side: Side) -> int:
        return self.minimum if side == "minimum" else self.maximum

    def field(self, side: Side) -> tuple[str, str]:
        """Where it stands in the object."""
        return "spec", FIELDS[self.kind][side]


def bounds_body(kind: Kind, resource_version: str, intent_id: str, side: Side, value: int) -> dict[str, Any]:
    """The merge patch of one bound, with our mark."""
    metadata = {"resourceVersion": resource_version, "annotations": {INTENT: intent_id}}
    return {"metadata": metadata, "spec": {FIELDS[kind][side]: value}}


def bounds_from(kind: Kind, document: Mapping[str, Any]) -> Bounds:
    """Raises KeyError, TypeError, ValueError or AttributeError for what is not as expected."""
    metadata, spec = document["metadata"], document["spec"]
    (least, most), names = _DEFAULTS[kind], FIELDS[kind]
    minimum, maximum = spec.get(names["minimum"]), spec.get(names["maximum"])
    annotations = metadata.get("annotations") or {}
    is_hpa = kind == "horizontalpodautoscaler"
    return Bounds(
        kind=kind,
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        minimum=least if minimum is None else int(minimum),
        maximum=most if maximum is None else int(maximum),
        aim=aim_of(document),
        scaled_object=autoscaler_from(document).scaled_object if is_hpa else None,
        idle=_switched_off(document) if is_hpa else _paused(annotations),
        current=_current(document.get("status") or {}) if is_hpa else None,
        controller=owner_words(document),
        labels=metadata.get("labels") or {},
        annotations=annotations,
        managers=managers_of(metadata),
    )


class AutoscalerBounds(Part):
    """Of one cluster."""

    async def read(self, target: Target) -> Bounds:
        """Of a HorizontalPodAutoscaler. Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        return understood(target, lambda: bounds_from("horizontalpodautoscaler", document))

    async def of_workload(self, target: Target) -> tuple[Bounds, ...]:
        """Of every HorizontalPodAutoscaler that scales the workload. Raises FactsMissingError."""
        found = await self._list("horizontalpodautoscaler", target.namespace)
        return understood(
            target,
            lambda: tuple(bounds_from("horizontalpodautoscaler", one) for one in found if scales(one, target)),
        )

    async def of_scaled_object(self, namespace: str, name: str) -> Bounds:
        """Raises TargetNotFoundError or FactsMissingError."""
        what = f"ScaledObject {namespace}/{name[:100]}"
        # The name may stand in an owner reference, where the API server takes any text, such as a path.
        target = understood(what, lambda: Target.kubernetes(self._cluster, namespace, "scaledobject", name))
        document = await self.document(target)
        return understood(what, lambda: bounds_from("scaledobject", document))

    async def write(self, bounds: Bounds, side: Side, value: int, intent_id: str) -> Bounds:
        """Set one bound of an object as just read; raises ConflictError when somebody wrote since."""
        document = await self._api.patch(
            bounds.path,
            RESOURCES[bounds.kind].permission("patch"),
            bounds_body(bounds.kind, bounds.resource_version, intent_id, side, value),
            field_manager=FIELD_MANAGER,
        )
        return understood(str(bounds), lambda: bounds_from(bounds.kind, document), OutcomeUnknownError)


def _current(status: Mapping[str, Any]) -> int | None:
    counts = [status.get("currentReplicas"), status.get("desiredReplicas")]
    seen = [int(count) for count in counts if count is not None]
    return max(seen) if seen and status.get("conditions") else None


def _switched_off(document: Mapping[str, Any]) -> str:
    for condition in (document.get("status") or {}).get("conditions") or ():
        if (condition.get("type"), condition.get("reason")) == ("ScalingActive", "ScalingDisabled"):
            return "what it scales has 0 replicas, which switches it off"
    return ""


def _paused(annotations: Mapping[str, str]) -> str:
    found = [name for name in _KEDA_PAUSES if annotations.get(name, "false") != "false"]
    return f"it is paused by its annotation {found[0]}" if found else ""
