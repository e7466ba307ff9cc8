"""What the server says about itself: version, groups, resources, and what its caller may do."""

from remediator.sandbox.kubernetes.resources import Object, Registry

_VERBS = ["create", "delete", "get", "list", "patch", "update"]


def describe(path: str, registry: Registry) -> Object | None:
    """The discovery document at this path, if it is one."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["version"]:
            return {"major": "1", "minor": "36", "gitVersion": "v1.36.2+sandbox", "platform": "linux/amd64"}
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"]}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(registry)}
        case ["api", version]:
            return _resources("", version, registry)
        case ["apis", group, version]:
            return _resources(group, version, registry)
        case _:
            return None


def _groups(registry: Registry) -> list[Object]:
    groups: list[Object] = []
    for group, version in dict.fromkeys((r.group, r.version) for r in registry if r.group):
        served = {"groupVersion": f"{group}/{version}", "version": version}
        groups.append({"name": group, "versions": [served], "preferredVersion": served})
    return groups


def _resources(group: str, version: str, registry: Registry) -> Object | None:
    listed: list[Object] = []
    for found in registry:
        if (found.group, found.version) != (group, version):
            continue
        entry: Object = {"name": found.plural, "namespaced": found.namespaced, "kind": found.kind, "verbs": _VERBS}
        listed.append(entry)
        for subresource, has in (("status", found.status), ("scale", found.scale)):
            if has:
                listed.append({**entry, "name": f"{found.plural}/{subresource}", "verbs": ["get", "patch", "update"]})
    if not listed:
        return None
    named = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": named, "resources": listed}
