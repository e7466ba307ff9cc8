"""Who set which field: `metadata.managedFields`, kept as by a real server, save for server-side apply."""

import json
from collections.abc import Iterator
from typing import Any

from remediator.sandbox.kubernetes.keyed_lists import merge_key
from remediator.sandbox.kubernetes.resources import Object

Path = tuple[str, ...]

_OWNED_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")


def record(
    entries: list[Object], old: Object, new: Object, *, manager: str, subresource: str, api_version: str, at: str
) -> list[Object]:
    """The entries after `manager` turned `old` into `new`: it owns what it changed, nobody else does any more."""
    changed, removed = _difference(_ownable(old), _ownable(new))
    if not changed and not removed:
        return entries
    kept: list[Object] = []
    mine: Object | None = None
    for entry in entries:
        if (entry["manager"], entry.get("subresource", "")) == (manager, subresource):
            mine = entry
            continue
        fields = _without(entry["fieldsV1"], changed + removed)
        if fields:
            kept.append({**entry, "fieldsV1": fields})
    fields = _without(mine["fieldsV1"], removed) if mine is not None else {}
    for path in changed:
        fields = _with(fields, path)
    if fields:
        entry = {"manager": manager, "operation": "Update", "apiVersion": api_version, "time": at}
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": fields}
        if subresource:
            entry["subresource"] = subresource
        kept.append(entry)
    return kept


def _ownable(obj: Object) -> Object:
    """What managers can own: no type, no name, nothing that the server sets."""
    fields = {key: value for key, value in obj.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {key: obj["metadata"][key] for key in _OWNED_METADATA if key in obj.get("metadata", {})}
    return {**fields, "metadata": metadata} if metadata else fields


def _children(field: str, value: Any) -> dict[str, Any] | None:
    """The parts of a value that are owned one by one, or None when it is owned as a whole."""
    if isinstance(value, dict) and value:
        return {f"f:{key}": part for key, part in value.items()}
    if isinstance(value, list) and value and (key := merge_key(field, value)) is not None:
        return {f"k:{json.dumps({key: item[key]}, separators=(',', ':'))}": item for item in value}
    return None


def _difference(old: Any, new: Any, path: Path = ()) -> tuple[list[Path], list[Path]]:
    """Leaves that are new or different, and leaves that are gone."""
    if old == new:
        return [], []
    field = path[-1].removeprefix("f:") if path else ""
    before, after = _children(field, old), _children(field, new)
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
            deeper_changed, deeper_removed = _difference(before[key], after[key], (*path, key))
            changed += deeper_changed
            removed += deeper_removed
    return changed, removed


def _leaves(value: Any, path: Path) -> Iterator[Path]:
    parts = _children(path[-1].removeprefix("f:") if path else "", value)
    if parts is None:
        if path:
            yield path
        return
    for key, part in parts.items():
        yield from _leaves(part, (*path, key))


def _with(fields: Object, path: Path) -> Object:
    head, *rest = path
    return {**fields, head: _with(fields.get(head, {}), tuple(rest)) if rest else fields.get(head, {})}


def _without(fields: Object, paths: list[Path]) -> Object:
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
