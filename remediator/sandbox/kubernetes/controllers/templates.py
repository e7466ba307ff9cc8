"""Pod templates: their hash, and the pods made from them."""

import hashlib
import json
import secrets

from remediator.sandbox.kubernetes.resources import Object, Resource

HASH_LABEL = "pod-template-hash"
REVISION_LABEL = "controller-revision-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Object) -> str:
    """Ten characters that are the same for the same template, in the alphabet that Kubernetes uses."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def random_suffix() -> str:
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(5))


def with_label(template: Object, key: str, value: str) -> Object:
    metadata = template.get("metadata") or {}
    return {**template, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), key: value}}}


def without_label(template: Object, key: str) -> Object:
    metadata = template.get("metadata") or {}
    labels = {name: value for name, value in (metadata.get("labels") or {}).items() if name != key}
    return {**template, "metadata": {**metadata, "labels": labels}}


def owner_reference(resource: Resource, owner: Object) -> Object:
    """A controller reference to `owner`."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_from(template: Object, resource: Resource, owner: Object, name: str, node: str | None = None) -> Object:
    """A pod of this template, owned by `owner`, not started yet."""
    metadata = template.get("metadata") or {}
    pod: Object = {
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": dict(metadata.get("labels") or {}),
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(resource, owner)],
        },
        "spec": dict(template.get("spec") or {}),
        "status": {"phase": "Pending"},
    }
    if resource.kind != "StatefulSet":
        pod["metadata"]["generateName"] = f"{owner['metadata']['name']}-"
    if node is not None:
        pod["spec"]["nodeName"] = node
    return pod
