"""The garbage collector's other half: objects whose owners never were, or are not the ones that are meant."""

from remediator.sandbox.kubernetes.resources import Object, Registry
from remediator.sandbox.kubernetes.store import ObjectStore


def is_abandoned(store: ObjectStore, registry: Registry, obj: Object) -> bool:
    """Whether every owner that the object names is of a built-in kind, and gone. Only the uid counts."""
    if "deletionTimestamp" in obj["metadata"]:
        return False
    references = obj["metadata"].get("ownerReferences") or []
    if not references or any(store.by_uid(reference.get("uid", "")) is not None for reference in references):
        return False
    kinds = {(found.api_version, found.kind) for found in registry if found.built_in}
    return all((reference.get("apiVersion"), reference.get("kind")) in kinds for reference in references)
