"""The Events that controllers, scheduler and kubelets tell; repeated ones are counted, not stored again."""

import secrets

from remediator.sandbox.kubernetes.resources import EVENTS, Object, Resource
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds


class Recorder:
    """Tells for one component."""

    def __init__(self, store: ObjectStore, pace: Pace, component: str) -> None:
        self._store = store
        self._pace = pace
        self._component = component
        self._writer = Writer(component, external=False)
        self._told: dict[tuple[str, str, str], tuple[str, str]] = {}

    def tell(self, resource: Resource, about: Object, reason: str, message: str, *, warning: bool = False) -> None:
        """One event on `about`."""
        metadata, now = about["metadata"], rfc3339_seconds(self._pace.now())
        namespace = metadata.get("namespace", "default")
        key = (metadata["uid"], reason, message)
        known = self._store.get(EVENTS, *self._told[key]) if key in self._told else None
        if known is not None:
            again = {**known, "count": known["count"] + 1, "lastTimestamp": now}
            self._store.update(EVENTS, known, again, self._writer)
            return
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
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._store.create(EVENTS, event, self._writer)
        self._told[key] = (namespace, name)
