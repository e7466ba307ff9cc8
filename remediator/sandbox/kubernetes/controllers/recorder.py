"""The Events that controllers, scheduler and kubelets tell; repeated ones are counted, not stored again."""

import secrets

from remediator.sandbox.kubernetes.resources import EVENTS, Object, Resource
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_micros, rfc3339_seconds

_KEPT = 5_000
"""Events of one component; a real server forgets them after an hour."""


class Recorder:
    """Tells for one component. With an `action` its events are of the new sort, as the real scheduler's are."""

    def __init__(self, store: ObjectStore, pace: Pace, component: str, *, action: str | None = None) -> None:
        self._store = store
        self._pace = pace
        self._component = component
        self._action = action
        self._writer = Writer(component, external=False)
        self._told: dict[tuple[str, str, str], tuple[str, str]] = {}

    def tell(self, resource: Resource, about: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """One event on `about`."""
        metadata = about["metadata"]
        key = (metadata["uid"], reason, message)
        known = self._store.get(EVENTS, *self._told[key]) if key in self._told else None
        if known is not None:
            self._store.update(EVENTS, known, self._again(known), self._writer)
            return
        namespace = metadata.get("namespace", "default")
        name = f"{metadata['name']}.{secrets.token_hex(8)}"
        event: Object = {
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata["uid"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            **self._times(),
        }
        # Nobody asks who owns the fields of an event, and there are many of them.
        self._store.create(EVENTS, event, self._writer, owners=[])
        self._told[key] = (namespace, name)
        if len(self._told) > _KEPT:
            self._forget(next(iter(self._told)))

    def _forget(self, key: tuple[str, str, str]) -> None:
        oldest = self._store.get(EVENTS, *self._told.pop(key))
        if oldest is not None:
            self._store.remove(EVENTS, oldest, self._writer)

    def _times(self) -> Object:
        now = self._pace.now()
        if self._action is not None:
            reporter = {"reportingComponent": self._component, "reportingInstance": f"{self._component}-sandbox"}
            old: Object = {"source": {}, "firstTimestamp": None, "lastTimestamp": None}
            return {"eventTime": rfc3339_micros(now), "action": self._action, **reporter, **old}
        stamp = rfc3339_seconds(now)
        old = {"source": {"component": self._component}, "firstTimestamp": stamp, "lastTimestamp": stamp, "count": 1}
        return {**old, "eventTime": None, "reportingComponent": "", "reportingInstance": ""}

    def _again(self, known: Object) -> Object:
        now = self._pace.now()
        if self._action is None:
            return {**known, "count": known["count"] + 1, "lastTimestamp": rfc3339_seconds(now)}
        count = known.get("series", {"count": 1})["count"] + 1
        return {**known, "series": {"count": count, "lastObservedTime": rfc3339_micros(now)}}
