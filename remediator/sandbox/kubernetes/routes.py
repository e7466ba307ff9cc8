"""From a URL path to what it means: resource, namespace, name, subresource."""

from dataclasses import dataclass

from remediator.sandbox.kubernetes.errors import no_such_path
from remediator.sandbox.kubernetes.resources import Registry, Resource


@dataclass(frozen=True, slots=True)
class Address:
    """What a path names. `namespace` None: all of them; `name` None: the collection."""

    resource: Resource
    namespace: str | None
    name: str | None
    subresource: str

    @property
    def space(self) -> str:
        """The namespace as the store has it."""
        return self.namespace or ""


def parse(path: str, registry: Registry) -> Address:
    """The address that a path names; raises 404 for anything else."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise no_such_path()
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) > 2 and (group or rest[2] not in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    resource = registry.get(group, version, rest[0])
    if resource is None or len(rest) > 3 or "" in rest:
        raise no_such_path()
    if namespace is not None and not resource.namespaced:
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else None
    if name is not None and resource.namespaced and namespace is None:
        raise no_such_path()
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource not in _subresources(resource):
        raise no_such_path()
    return Address(resource, namespace, name, subresource)


def _subresources(resource: Resource) -> set[str]:
    return {"", *(["status"] if resource.status else []), *(["scale"] if resource.scale else [])}
