"""All objects of the emulated cluster, with the bookkeeping that the real store does on every write.

Stored objects are never changed in place: every write stores a new one, so what was handed out stays as it was.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from remediator.sandbox.kubernetes import managed_fields
from remediator.sandbox.kubernetes.resources import DEPLOYMENTS, PODS, Object, Resource
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

Watcher = Callable[[Resource, Object, bool], None]

_WITHOUT_GENERATION = {
    "configmaps",
    "controllerrevisions",
    "events",
    "horizontalpodautoscalers",
    "leases",
    "namespaces",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "secrets",
    "serviceaccounts",
    "services",
    "storageclasses",
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes. `external` writers came over HTTP; the cluster's own controllers did not, and are not counted."""

    manager: str
    subresource: str = ""
    external: bool = True


@dataclass(frozen=True, slots=True)
class Change:
    """One real change of the world by an external writer: no dry-run, no write that changed nothing.

    `fields` names what differs: "spec.template", "spec.replicas", "metadata.annotations", "status", ...
    """

    at: datetime
    verb: str
    plural: str
    namespace: str
    name: str
    manager: str
    subresource: str
    fields: frozenset[str]


class ObjectStore:
    """Objects by resource, namespace ("" for cluster-scoped) and name."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._objects: dict[Resource, dict[str, dict[str, Object]]] = {}
        self._children: dict[str, dict[tuple[Resource, str, str], None]] = {}
        self._places: dict[str, tuple[Resource, str, str]] = {}
        self._version = 100
        self._watchers: list[Watcher] = []
        self.changes: list[Change] = []

    @property
    def version(self) -> str:
        """The resourceVersion of a list taken now."""
        return str(self._version)

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher(resource, object, gone)` after every write that changed something."""
        self._watchers.append(watcher)

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self._objects.get(resource, {}).get(namespace, {}).get(name)

    def by_uid(self, uid: str) -> Object | None:
        """The object of this uid, whatever its kind."""
        place = self._places.get(uid)
        return self.get(*place) if place is not None else None

    def all(self, resource: Resource, namespace: str | None = None) -> Iterator[Object]:
        """Every object of a resource, of one namespace or (None) of all."""
        spaces = self._objects.get(resource, {})
        for space in [namespace] if namespace is not None else sorted(spaces):
            yield from list(spaces.get(space, {}).values())

    def children(self, uid: str, resource: Resource | None = None) -> list[Object]:
        """Objects whose ownerReferences name `uid`."""
        return [found for _, found in self.children_of_any_kind(uid, resource)]

    def children_of_any_kind(self, uid: str, resource: Resource | None = None) -> list[tuple[Resource, Object]]:
        keys = [key for key in self._children.get(uid, {}) if resource is None or key[0] is resource]
        return [(key[0], found) for key in keys if (found := self.get(*key)) is not None]

    def create(
        self,
        resource: Resource,
        obj: Object,
        writer: Writer,
        *,
        dry_run: bool = False,
        owners: list[Object] | None = None,
    ) -> Object:
        """Store a new object (its name must be free) and return it with its system metadata; a uid it has is kept.

        `owners`: its managedFields; default: the writer owns everything.
        """
        now = rfc3339_seconds(self._pace.now())
        metadata = {"uid": str(uuid.uuid4()), **obj["metadata"], "creationTimestamp": now}
        for server_set in ("resourceVersion", "managedFields", "deletionTimestamp", "generation", "selfLink"):
            metadata.pop(server_set, None)
        if resource.plural not in _WITHOUT_GENERATION:
            metadata["generation"] = 1
        created = {"apiVersion": resource.api_version, "kind": resource.kind, **obj, "metadata": metadata}
        metadata["managedFields"] = owners if owners is not None else self._owners(resource, {}, created, [], writer)
        return self._keep(resource, created, writer, "create", frozenset(), dry_run=dry_run)

    def update(
        self,
        resource: Resource,
        old: Object,
        new: Object,
        writer: Writer,
        *,
        dry_run: bool = False,
        marks_deletion: bool = False,
        owners: list[Object] | None = None,
    ) -> Object:
        """Store `new` in the place of `old`; a write that changes nothing keeps resourceVersion and generation."""
        before = old["metadata"]
        metadata = {**new["metadata"]}
        for server_set in (
            "uid",
            "name",
            "namespace",
            "creationTimestamp",
            "generation",
            "resourceVersion",
            "managedFields",
            *(() if marks_deletion else ("deletionTimestamp", "deletionGracePeriodSeconds")),
        ):
            metadata.pop(server_set, None)
            if server_set in before:
                metadata[server_set] = before[server_set]
        updated = {**new, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
        if updated == old and owners in (None, before.get("managedFields")):
            return old
        fields = _changed_fields(old, updated)
        if "generation" in before and _raises_generation(resource, fields, writer):
            metadata["generation"] = before["generation"] + 1
        if owners is None:
            owners = self._owners(resource, old, updated, before.get("managedFields", []), writer)
        metadata["managedFields"] = owners
        return self._keep(resource, updated, writer, "update", fields, dry_run=dry_run)

    def remove(self, resource: Resource, obj: Object, writer: Writer) -> None:
        """Take the object out at once, whatever its finalizers and children."""
        namespace, name = _place(obj)
        del self._objects[resource][namespace][name]
        self._places.pop(obj["metadata"]["uid"], None)
        for owner in _owners_of(obj):
            self._children.get(owner, {}).pop((resource, namespace, name), None)
        self._version += 1
        obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self._version)}}
        self._note(resource, obj, writer, "delete", frozenset())
        self._tell(resource, obj, gone=True)

    def _keep(
        self, resource: Resource, obj: Object, writer: Writer, verb: str, fields: frozenset[str], *, dry_run: bool
    ) -> Object:
        if dry_run:
            return obj
        self._version += 1
        obj["metadata"]["resourceVersion"] = str(self._version)
        namespace, name = _place(obj)
        space = self._objects.setdefault(resource, {}).setdefault(namespace, {})
        if (replaced := space.get(name)) is not None:
            for owner in _owners_of(replaced):
                self._children.get(owner, {}).pop((resource, namespace, name), None)
        space[name] = obj
        self._places[obj["metadata"]["uid"]] = (resource, namespace, name)
        for owner in _owners_of(obj):
            self._children.setdefault(owner, {})[(resource, namespace, name)] = None
        self._note(resource, obj, writer, verb, fields)
        self._tell(resource, obj, gone=False)
        return obj

    def _note(self, resource: Resource, obj: Object, writer: Writer, verb: str, fields: frozenset[str]) -> None:
        if writer.external:
            namespace, name = _place(obj)
            at = self._pace.now()
            change = Change(at, verb, resource.plural, namespace, name, writer.manager, writer.subresource, fields)
            self.changes.append(change)

    def _tell(self, resource: Resource, obj: Object, *, gone: bool) -> None:
        for watcher in self._watchers:
            watcher(resource, obj, gone)

    def _owners(
        self, resource: Resource, old: Object, new: Object, entries: list[Object], writer: Writer
    ) -> list[Object]:
        return managed_fields.record(
            entries,
            old,
            new,
            manager=writer.manager,
            subresource=writer.subresource,
            api_version=resource.api_version,
            at=rfc3339_seconds(self._pace.now()),
        )


def _place(obj: Object) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _owners_of(obj: Object) -> list[str]:
    return [reference["uid"] for reference in obj["metadata"].get("ownerReferences", [])]


def _changed_fields(old: Object, new: Object) -> frozenset[str]:
    fields: set[str] = set()
    for part in (old.keys() | new.keys()) - {"apiVersion", "kind"}:
        before, after = old.get(part), new.get(part)
        if before == after:
            continue
        if part == "status" or not isinstance(before, dict) or not isinstance(after, dict):
            fields.add(part)
        else:
            fields |= {f"{part}.{key}" for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    return frozenset(fields)


def _raises_generation(resource: Resource, fields: frozenset[str], writer: Writer) -> bool:
    """Anything but metadata and status does; so do a Deployment's annotations, which go to its ReplicaSets."""
    if resource is PODS and not writer.external:
        return False  # being bound to a node is no change of what is wanted
    if any(field != "status" and not field.startswith("metadata.") for field in fields):
        return True
    return resource is DEPLOYMENTS and "metadata.annotations" in fields and writer.subresource != "status"
