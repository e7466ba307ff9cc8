"""Events in both shapes: one store, read and written as core/v1 or as events.k8s.io/v1."""

from remediator.sandbox.kubernetes.errors import Cause, invalid
from remediator.sandbox.kubernetes.resources import NEW_EVENTS, Object

_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
}
_TO_NEW = {core: new for new, core in _TO_CORE.items()}


def to_core(event: Object) -> Object:
    """An events.k8s.io/v1 event as it is stored; raises 422 for what that API requires and is missing."""
    name = event.get("metadata", {}).get("name", "")
    causes = [
        Cause("FieldValueRequired", "Required value", field)
        for field in ("eventTime", "reportingController", "reportingInstance", "action", "reason")
        if not event.get(field)
    ]
    if len(event.get("note") or "") > 1024:
        causes.append(Cause("FieldValueInvalid", "Invalid value: can have at most 1024 bytes", "note"))
    if event.get("type") not in ("Normal", "Warning"):
        causes.append(Cause("FieldValueInvalid", f'Invalid value: "{event.get("type")}"', "type"))
    regarding = event.get("regarding") or {}
    if event.get("metadata", {}).get("namespace") != (regarding.get("namespace") or "default"):
        text = "does not match event.namespace"
        causes.append(Cause("FieldValueInvalid", f"Invalid value: {text}", "involvedObject.namespace"))
    if causes:
        raise invalid(NEW_EVENTS, name, causes)
    renamed = {_TO_CORE.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "v1", "kind": "Event"}


def to_new(event: Object) -> Object:
    """A stored event as events.k8s.io/v1 shows it."""
    renamed = {_TO_NEW.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1", "kind": "Event"}
