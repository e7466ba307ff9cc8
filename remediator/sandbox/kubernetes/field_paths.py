"""Fields as `fieldsV1` names them: `f:` and a name, `k:` and the key of an item in a list. All functions are pure."""

import json
from collections.abc import Iterator
from typing import Any

from remediator.sandbox.kubernetes.keyed_lists import merge_key
from remediator.sandbox.kubernetes.resources import Object

Path = tuple[str, ...]

OWNED_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


def ownable(obj: Object) -> Object:
    """What managers can own: no type, no name, nothing that the server sets."""
    fields = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {key: obj["metadata"][key] for key in OWNED_METADATA if key in obj.get("metadata", {})}
    return {**fields, "metadata": metadata} if metadata else fields


def parts(field: str, value: Any) -> dict[str, Any] | None:
    """The parts of a value that are owned one by one, or None when it is owned as a whole."""
    if isinstance(value, dict) and value:
        return {f"f:{key}": part for key, part in value.items()}
    if isinstance(value, list) and value and (key := merge_key(field, value)) is not None:
        return {f"k:{json.dumps({key: item[key]}, separators=(',', ':'))}": item for item in value}
    return None


def difference(old: Any, new: Any, path: Path = ()) -> tuple[list[Path], list[Path]]:
    """Leaves that are new or different, and leaves that are gone."""
    if old == new:
        return [], []
    field = path[-1].removeprefix("f:") if path else ""
    before, after = parts(field, old), parts(field, new)
    if before is None or after is None:
        return list(_leaves(new, path)), [] if before is None else list(_leaves(old, path))
    changed: list[Path] = []
    removed: list[Path] = []
    for key in before.keys() | after.keys():
        if key not in after:
            removed += _leaves(before[key], (*path, key))
        elif key not in before:
            changed += _leaves(after[key], (*path, key))
        else:
            deeper_changed, deeper_removed = difference(before[key], after[key], (*path, key))
            changed += deeper_changed
            removed += deeper_removed
    return changed, removed


def _leaves(value: Any, path: Path) -> Iterator[Path]:
    found = parts(path[-1].removeprefix("f:") if path else "", value)
    if found is None:
        if path:
            yield path
        return
    for key, part in found.items():
        yield from _leaves(part, (*path, key))


def with_path(fields: Object, path: Path) -> Object:
    head, *rest = path
    return {**fields, head: with_path(fields.get(head, {}), tuple(rest)) if rest else fields.get(head, {})}


def without(fields: Object, paths: list[Path]) -> Object:
    for path in paths:
        fields = _without_one(fields, path)
    return fields


def _without_one(fields: Object, path: Path) -> Object:
    head, *rest = path
    if head not in fields:
        return fields
    below = _without_one(fields[head], tuple(rest)) if rest else {}
    if below:
        return {**fields, head: below}
    return {key: value for key, value in fields.items() if key != head}


def leaves(obj: Object) -> list[Path]:
    """Every field of an ownable object that is owned by itself."""
    return list(_leaves(obj, ()))


def paths_of(fields: Object) -> list[Path]:
    """Every leaf of an entry's `fieldsV1`."""
    found: list[Path] = []
    for part, below in fields.items():
        deeper = paths_of(below)
        found += [(part, *path) for path in deeper] if deeper else [(part,)]
    return found


def owns(fields: Object, path: Path) -> bool:
    """Whether an entry has this field, by itself or with all that is around it."""
    for part in path:
        if part not in fields:
            return False
        fields = fields[part]
        if not fields:
            return True
    return True


def value_at(obj: Any, path: Path) -> Any:
    """What stands there; None for nothing."""
    field = ""
    for part in path:
        found = parts(field, obj)
        if found is None or part not in found:
            return None
        obj, field = found[part], part.removeprefix("f:")
    return obj


def removed(obj: Any, path: Path, field: str = "") -> Any:
    """The value without that field; an item of a keyed list goes with its key, a parent that is left empty as well."""
    found = parts(field, obj)
    if found is None or path[0] not in found:
        return obj
    head, *rest = path
    below = removed(found[head], tuple(rest), head.removeprefix("f:")) if rest else None
    if head.startswith("k:") and rest and rest[0].removeprefix("f:") in json.loads(head[2:]):
        below = None
    if below:
        found[head] = below
    else:
        del found[head]
    if isinstance(obj, list):
        return list(found.values())
    return {key.removeprefix("f:"): value for key, value in found.items()}
