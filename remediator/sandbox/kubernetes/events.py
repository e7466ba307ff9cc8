"""Events in both shapes: one store, read and written as core/v1 or as events.k8s.io/v1."""

import re

from remediator.sandbox.kubernetes.errors import Cause, bad_request, invalid
from remediator.sandbox.kubernetes.resources import EVENTS, NEW_EVENTS, Object, Resource

_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
}
_REQUIRED = {
    "reportingComponent": "reportingController",
    "reportingInstance": "reportingInstance",
    "action": "action",
    "reason": "reason",
}
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_QUALIFIED_NAME = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_TO_NEW = {core: new for new, core in _TO_CORE.items()}


def to_core(event: Object) -> Object:
    """An events.k8s.io/v1 event as it is stored."""
    renamed = {_TO_CORE.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "v1", "kind": "Event"}


def to_new(event: Object) -> Object:
    """A stored event as events.k8s.io/v1 shows it."""
    renamed = {_TO_NEW.get(key, key): value for key, value in event.items()}
    return {**renamed, "apiVersion": "events.k8s.io/v1", "kind": "Event"}


def validate(resource: Resource, event: Object) -> None:
    """Raise 400 and 422 for what the real server refuses of a stored event; `resource`: the API it was sent to.

    An event without an eventTime is of the old sort, of which only the namespace is checked.
    """
    is_new = resource is NEW_EVENTS
    namespace, about = event["metadata"].get("namespace", ""), event.get("involvedObject") or {}
    causes: list[Cause] = []
    if (at := event.get("eventTime")) is not None:
        if not isinstance(at, str) or not _MICRO_TIME.fullmatch(at):
            why = f'parsing time "{at}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse'
            raise bad_request(f'Event in version "v1" cannot be handled as a Event: {why}')
        if not about.get("namespace") and namespace not in ("default", "kube-system"):
            causes.append(_of_another_namespace(about))
        for field, named in _REQUIRED.items():
            value = str(event.get(field) or "")
            shown = named if is_new else field
            if not value:
                causes.append(Cause("FieldValueRequired", "Required value", shown))
            elif field != "reportingComponent" and len(value.encode()) > 128:
                causes.append(_invalid(shown, "can have at most 128 characters"))
            elif field == "reportingComponent" and not _QUALIFIED_NAME.fullmatch(value):
                causes.append(_invalid(shown, "name part must consist of alphanumeric characters, '-', '_' or '.'"))
        if len(str(event.get("message") or "").encode()) > 1024:
            causes.append(_invalid("message", "can have at most 1024 characters"))
    elif namespace != (about.get("namespace") or "default"):
        causes.append(_of_another_namespace(about))
    if is_new:
        causes += _strict_causes(event)
    if causes:
        raise invalid(EVENTS, event["metadata"].get("name", ""), causes)  # named so in both APIs


def _strict_causes(event: Object) -> list[Cause]:
    """What only events.k8s.io/v1 minds."""
    causes = [] if event.get("eventTime") else [Cause("FieldValueRequired", "Required value", "eventTime")]
    if event.get("type") not in ("Normal", "Warning"):
        causes.append(_invalid("type", f"has invalid value: {event.get('type', '')}"))
    old = ("firstTimestamp", "lastTimestamp", "count", "source")
    return causes + [_invalid(field, "needs to be unset") for field in old if event.get(field)]


def _of_another_namespace(about: Object) -> Cause:
    text = f'Invalid value: "{about.get("namespace", "")}": does not match event.namespace'
    return Cause("FieldValueInvalid", text, "involvedObject.namespace")


def _invalid(field: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "": {why}', field)
