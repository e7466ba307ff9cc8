"""From a URL path to what it means: resource, namespace, name, subresource."""

from dataclasses import dataclass

from remediator.sandbox.kubernetes.errors import NoSuchPathError, no_such_subresource, not_allowed
from remediator.sandbox.kubernetes.resources import Registry, Resource

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ACTION_METHODS = {"eviction": ("POST",), "log": ("GET",), "exec": ("GET", "POST")}


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
        raise NoSuchPathError
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) > 2 and (group or rest[2] not in ("status", "finalize")):
        namespace, rest = rest[1], rest[2:]
    resource = registry.get(group, version, rest[0])
    if resource is None or len(rest) > 3 or "" in rest:
        raise NoSuchPathError
    if namespace is not None and not resource.namespaced:
        raise NoSuchPathError
    name = rest[1] if len(rest) > 1 else None
    if name is not None and resource.namespaced and namespace is None:
        raise NoSuchPathError
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource not in _subresources(resource):
        raise no_such_subresource()
    return Address(resource, namespace, name, subresource)


def verb(method: str, at: Address, *, watches: bool = False) -> str:
    """What RBAC calls this method here; raises 405 for one that is not served. Collections are not deleted whole."""
    if at.subresource in at.resource.actions:
        served = method in _ACTION_METHODS[at.subresource]
    else:
        served = method in _VERBS and (method == "GET" or (method == "POST") == (at.name is None))
    if not served:
        raise not_allowed()
    if method == "GET" and at.name is None:
        return "watch" if watches else "list"
    return _VERBS[method]


def _subresources(resource: Resource) -> set[str]:
    return {"", *(["status"] if resource.status else []), *(["scale"] if resource.scale else []), *resource.actions}
