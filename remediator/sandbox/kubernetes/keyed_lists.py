"""Lists that Kubernetes treats as maps: which key tells their items apart (the `patchMergeKey` of the API types)."""

from typing import Any

MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "ports": "containerPort",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "ownerReferences": "uid",
    "addresses": "type",
}


def merge_key(field: str, items: list[Any]) -> str | None:
    """The key for this list, or None when it is atomic or an item lacks the key."""
    key = MERGE_KEYS.get(field)
    if key is None or not all(isinstance(item, dict) and key in item for item in items):
        return None
    return key
