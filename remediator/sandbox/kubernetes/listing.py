"""Lists: what a selector takes, in the order of names, whole or in pages."""

import base64
import json
from collections.abc import Callable, Mapping

from remediator.sandbox.kubernetes import events
from remediator.sandbox.kubernetes.errors import ApiError, bad_request
from remediator.sandbox.kubernetes.query_numbers import whole_number
from remediator.sandbox.kubernetes.resources import EVENTS, NEW_EVENTS, Object, Resource
from remediator.sandbox.kubernetes.routes import Address
from remediator.sandbox.kubernetes.selectors import field_selector, label_selector
from remediator.sandbox.kubernetes.store import ObjectStore


def stored(resource: Resource) -> Resource:
    """Where the objects of a resource are kept: both kinds of events are one."""
    return EVENTS if resource is NEW_EVENTS else resource


def shown(resource: Resource, obj: Object) -> Object:
    """An object as this version of the API shows it."""
    return events.to_new(obj) if resource is NEW_EVENTS else obj


def selection(at: Address, query: Mapping[str, str]) -> Callable[[Object], bool]:
    """What labelSelector, fieldSelector and the namespace of a path let through."""
    has_labels = label_selector(query.get("labelSelector", ""))
    has_fields = field_selector(query.get("fieldSelector", ""), at.resource)
    namespace = at.namespace

    def matches(obj: Object) -> bool:
        here = namespace is None or obj["metadata"].get("namespace") == namespace
        return here and has_labels(obj) and has_fields(obj)

    return matches


def listed(store: ObjectStore, at: Address, query: Mapping[str, str], oldest: int) -> Object:
    """The list object. 410 for a continue token from before `oldest`.

    A page shows objects as they are when it is asked for, not as they were at the first page.
    """
    matches = selection(at, query)
    found = sorted((obj for obj in store.all(stored(at.resource), at.namespace) if matches(obj)), key=_place)
    metadata: Object = {"resourceVersion": store.version}
    if token := query.get("continue"):
        metadata["resourceVersion"], start = _resume(token, oldest)
        found = [obj for obj in found if _place(obj) > start]
    limit = whole_number(query.get("limit"))
    if limit and len(found) > limit:
        metadata["continue"] = _token(metadata["resourceVersion"], _place(found[limit - 1]))
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return {
        "kind": f"{at.resource.kind}List",
        "apiVersion": at.resource.api_version,
        "metadata": metadata,
        "items": [_as_item(at.resource, obj) for obj in found],
    }


def _place(obj: Object) -> list[str]:
    return [obj["metadata"].get("namespace", ""), obj["metadata"]["name"]]


def _token(version: str, last: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, *last]).encode()).decode()


def _resume(token: str, oldest: int) -> tuple[str, list[str]]:
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        is_old = int(version) < oldest
    except (ValueError, TypeError):
        raise bad_request("invalid continue token: continue key is not valid") from None
    if is_old:
        text = (
            "The provided continue parameter is too old to display a consistent list result. "
            "You must start a new list without the continue parameter."
        )
        raise ApiError(410, text)
    return version, [str(namespace), str(name)]


def _as_item(resource: Resource, obj: Object) -> Object:
    """Items of built-in lists carry neither apiVersion nor kind on a real server."""
    item = shown(resource, obj)
    if not resource.built_in:
        return item
    return {key: value for key, value in item.items() if key not in ("apiVersion", "kind")}
