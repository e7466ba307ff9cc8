"""Deleting: preconditions, finalizers, grace for pods, and what becomes of dependents."""

from typing import Any

from remediator.sandbox.kubernetes.errors import bad_request, precondition_failed
from remediator.sandbox.kubernetes.resources import NAMESPACES, PODS, Object, Registry, Resource
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_POLICIES = ("Background", "Foreground", "Orphan")


class Deletion:
    """Deletes as the API server and its garbage collector do; dependents go at once instead of a moment later."""

    def __init__(self, store: ObjectStore, registry: Registry, pace: Pace) -> None:
        self._store = store
        self._registry = registry
        self._pace = pace

    def delete(
        self, resource: Resource, obj: Object, options: Object, policy: str, writer: Writer, *, dry_run: bool
    ) -> Object:
        """The object as it is afterwards. Raises 409 when a precondition does not hold, 400 for an unknown policy."""
        metadata = obj["metadata"]
        for field, wanted in (options.get("preconditions") or {}).items():
            if wanted is not None and metadata.get(field) != wanted:
                label = {"uid": "UID", "resourceVersion": "ResourceVersion"}.get(field, field)
                raise precondition_failed(resource, metadata["name"], label, wanted, metadata.get(field, ""))
        if policy not in _POLICIES:
            raise bad_request(f'invalid propagationPolicy "{policy}": supported are {", ".join(_POLICIES)}')
        grace = _grace_s(resource, obj, options)
        if dry_run:
            return obj
        if policy == "Orphan":
            self._orphan(metadata["uid"], writer)
        if metadata.get("finalizers") or (grace > 0 and resource is PODS):
            return self._mark(resource, obj, grace, writer)
        self._remove(resource, obj, writer)
        return obj

    def finish_if_free(self, resource: Resource, obj: Object, writer: Writer) -> None:
        """Take out an object that was only waiting for its last finalizer."""
        metadata = obj["metadata"]
        if resource is not PODS and metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._remove(resource, obj, writer)

    def _mark(self, resource: Resource, obj: Object, grace_s: int, writer: Writer) -> Object:
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp"):
            return obj
        now = rfc3339_seconds(self._pace.now())
        marked = {**metadata, "deletionTimestamp": now, "deletionGracePeriodSeconds": grace_s}
        return self._store.update(resource, obj, {**obj, "metadata": marked}, writer, marks_deletion=True)

    def _remove(self, resource: Resource, obj: Object, writer: Writer) -> None:
        self._store.remove(resource, obj, writer)
        own = Writer("kube-controller-manager", external=False)
        for child_resource, child in self._store.children_of_any_kind(obj["metadata"]["uid"]):
            self.delete(child_resource, child, {}, "Background", own, dry_run=False)
        if resource is NAMESPACES:
            for inner in self._registry:
                for left in self._store.all(inner, obj["metadata"]["name"]):
                    if self._store.get(inner, obj["metadata"]["name"], left["metadata"]["name"]) is not None:
                        self._remove(inner, left, own)

    def _orphan(self, uid: str, writer: Writer) -> None:
        for resource, child in self._store.children_of_any_kind(uid):
            references = [kept for kept in child["metadata"]["ownerReferences"] if kept["uid"] != uid]
            freed = {**child, "metadata": {**child["metadata"], "ownerReferences": references}}
            self._store.update(resource, child, freed, Writer(writer.manager, external=False))


def _grace_s(resource: Resource, obj: Object, options: Object) -> int:
    wanted: Any = options.get("gracePeriodSeconds")
    if wanted is None:
        wanted = obj.get("spec", {}).get("terminationGracePeriodSeconds", 30) if resource is PODS else 0
    if not isinstance(wanted, int) or wanted < 0:
        raise bad_request("gracePeriodSeconds must be a whole number of seconds, 0 or more")
    return wanted
