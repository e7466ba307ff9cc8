"""Deleting: preconditions, finalizers, grace for pods, and what becomes of dependents."""

from datetime import timedelta

from remediator.sandbox.kubernetes.errors import overtaken
from remediator.sandbox.kubernetes.resources import NAMESPACES, PODS, Object, Registry, Resource
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.kubernetes.write_options import DeleteOptions
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_OWN = Writer("kube-controller-manager", external=False)
_FINALIZERS = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}
_AS_USUAL = DeleteOptions(_OWN.manager, policy="Background")


class Deletion:
    """Deletes as the API server and its garbage collector do; dependents go at once instead of a moment later."""

    def __init__(self, store: ObjectStore, registry: Registry, pace: Pace) -> None:
        self._store = store
        self._registry = registry
        self._pace = pace

    def delete(self, resource: Resource, obj: Object, writer: Writer, options: DeleteOptions = _AS_USUAL) -> Object:
        """The object as it is afterwards; marked only while a finalizer or its grace keeps it. 409: see `check`."""
        self.check(resource, obj, options)
        grace_s = _grace_s(resource, obj, options)
        policy = options.policy or ("Orphan" if resource.orphans else "Background")
        if policy == "Orphan" and not options.dry_run:
            self._orphan(obj["metadata"]["uid"], writer)
        if obj["metadata"].get("finalizers") or (grace_s > 0 and resource is PODS):
            return self._mark(resource, obj, grace_s, writer, dry_run=options.dry_run)
        if not options.dry_run:
            self._remove(resource, obj, writer)
        # A finalizer lets the garbage collector do its part first: the answer still has the object, marked.
        return self._waiting_for_collector(obj, _FINALIZERS[policy]) if policy in _FINALIZERS else obj

    @staticmethod
    def check(resource: Resource, obj: Object, options: DeleteOptions) -> None:
        """Raise 409 when a precondition does not hold."""
        for field, wanted in options.preconditions.items():
            if (found := obj["metadata"].get(field, "")) != wanted:
                raise overtaken(resource, obj["metadata"]["name"], field, wanted, found)

    def finish_if_free(self, resource: Resource, obj: Object, writer: Writer) -> None:
        """Take out an object that was only waiting for its last finalizer."""
        metadata = obj["metadata"]
        if resource is not PODS and metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._remove(resource, obj, writer)

    def _waiting_for_collector(self, obj: Object, finalizer: str) -> Object:
        now = rfc3339_seconds(self._pace.now())
        marked = {"deletionTimestamp": now, "deletionGracePeriodSeconds": 0, "finalizers": [finalizer]}
        return {**obj, "metadata": {**obj["metadata"], **marked}}

    def _mark(self, resource: Resource, obj: Object, grace_s: int, writer: Writer, *, dry_run: bool) -> Object:
        metadata = obj["metadata"]
        if metadata.get("deletionTimestamp") and metadata.get("deletionGracePeriodSeconds", 0) <= grace_s:
            return obj  # grace can only be shortened
        ends_at = rfc3339_seconds(self._pace.now() + timedelta(seconds=grace_s))
        marked = {**metadata, "deletionTimestamp": ends_at, "deletionGracePeriodSeconds": grace_s}
        return self._store.update(
            resource, obj, {**obj, "metadata": marked}, writer, dry_run=dry_run, marks_deletion=True
        )

    def _remove(self, resource: Resource, obj: Object, writer: Writer) -> None:
        uid = obj["metadata"]["uid"]
        self._store.remove(resource, obj, writer)
        for child_resource, child in self._store.children_of_any_kind(uid):
            if self._has_other_owner(child, uid):
                self._free(child_resource, child, uid, _OWN)
            else:
                self.delete(child_resource, child, _OWN)
        if resource is NAMESPACES:
            for inner in self._registry:
                for left in self._store.all(inner, obj["metadata"]["name"]):
                    if self._store.get(inner, obj["metadata"]["name"], left["metadata"]["name"]) is not None:
                        self._remove(inner, left, _OWN)

    def _has_other_owner(self, child: Object, gone: str) -> bool:
        return any(
            reference["uid"] != gone and self._store.by_uid(reference["uid"]) is not None
            for reference in child["metadata"]["ownerReferences"]
        )

    def _orphan(self, uid: str, writer: Writer) -> None:
        for resource, child in self._store.children_of_any_kind(uid):
            self._free(resource, child, uid, Writer(writer.manager, external=False))

    def _free(self, resource: Resource, child: Object, owner: str, writer: Writer) -> None:
        references = [kept for kept in child["metadata"]["ownerReferences"] if kept["uid"] != owner]
        freed = {**child, "metadata": {**child["metadata"], "ownerReferences": references}}
        self._store.update(resource, child, freed, writer)


def _grace_s(resource: Resource, obj: Object, options: DeleteOptions) -> int:
    """A pod's grace; none for one that never got a node or has ended, as no kubelet would confirm its end."""
    if resource is not PODS or not obj["spec"].get("nodeName"):
        return 0
    if obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    if options.grace_s is not None:
        return options.grace_s
    grace_s: int = obj["spec"].get("terminationGracePeriodSeconds", 30)
    return grace_s
