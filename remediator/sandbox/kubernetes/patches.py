"""The three patch types. All are pure: they return a new document and leave the old one as it was."""

import copy
from typing import Any

from remediator.sandbox.kubernetes.errors import bad_request, unprocessable_patch, unsupported_media_type
from remediator.sandbox.kubernetes.keyed_lists import MERGE_KEYS
from remediator.sandbox.kubernetes.resources import Object

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

_PRIMITIVE_MERGE = {"finalizers"}


def apply_patch(current: Object, patch: Any, content_type: str, *, built_in: bool) -> Object:
    """The patched document. Raises ApiError: 400 malformed, 415 type not taken, 422 JSON patch that does not fit."""
    # Server-side apply, which is taken too, goes its own way: `server_side_apply.py`.
    if content_type not in (JSON_PATCH, MERGE_PATCH, *([STRATEGIC_PATCH] if built_in else [])):
        raise unsupported_media_type()
    if content_type == JSON_PATCH:
        if not isinstance(patch, list):
            raise bad_request(
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
            )
        patched = json_patch(current, patch)
    else:
        if not isinstance(patch, dict):
            text = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
            raise bad_request(text)
        patched = merge_patch(current, patch) if content_type == MERGE_PATCH else strategic_merge(current, patch)
    if not isinstance(patched, dict):
        raise bad_request("the patch leaves no object")
    return patched


def merge_patch(current: Any, patch: Any) -> Any:
    """RFC 7386: null deletes, objects merge, everything else (lists too) replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def strategic_merge(current: Any, patch: Any) -> Any:
    """Merge patch that knows keyed lists, `$patch: replace`, `$patch: delete` and `$retainKeys`."""
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(current) if isinstance(current, dict) else {}
    if (retained := patch.get("$retainKeys")) is not None:
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key in ("$patch", "$retainKeys") or key.startswith("$setElementOrder/"):
            continue
        if key.startswith("$"):
            raise bad_request(f"the sandbox does not know the strategic-merge directive {key!r}")
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and (key in MERGE_KEYS or key in _PRIMITIVE_MERGE):
            merged[key] = _merge_list(key, merged.get(key) or [], value)
        else:
            merged[key] = strategic_merge(merged.get(key), value)
    return merged


def _merge_list(field: str, current: list[Any], patch: list[Any]) -> list[Any]:
    if field in _PRIMITIVE_MERGE:
        return current + [item for item in patch if item not in current]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and item.get("$patch") == "replace")]
    merge_key = MERGE_KEYS[field]
    place = {item.get(merge_key): number for number, item in enumerate(current)}
    patched: list[Any] = []
    named: set[Any] = set()
    for item in patch:
        if not isinstance(item, dict) or merge_key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {merge_key}")
        name = item[merge_key]
        named.add(name)
        if item.get("$patch") != "delete":
            patched.append(strategic_merge(current[place[name]] if name in place else None, item))
    untouched = [item for item in current if item.get(merge_key) not in named]
    return _in_server_order(patched, untouched, merge_key, place)


def _in_server_order(patched: list[Any], untouched: list[Any], key: str, place: dict[Any, int]) -> list[Any]:
    """As the real server orders a merge: known items keep their order, items new in the patch come before the rest."""
    ordered: list[Any] = []
    for item in patched:
        if (position := place.get(item[key])) is not None:
            while untouched and place[untouched[0].get(key)] < position:
                ordered.append(untouched.pop(0))
        ordered.append(item)
    return ordered + untouched


def json_patch(current: Object, operations: list[Any]) -> Any:
    """RFC 6902. A failing `test` or a path that is not there raises the real server's unspecific 422."""
    document: Any = copy.deepcopy(current)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise bad_request("a JSON patch operation needs 'op' and 'path'")
        document = _apply_operation(document, operation)
    return document


def _apply_operation(document: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation["path"])
    op = operation.get("op")
    match op:
        case "test":
            if _read(document, path) != operation.get("value"):
                raise unprocessable_patch()
            return document
        case "add" | "replace" | "remove":
            return _write(document, path, op, copy.deepcopy(operation.get("value")))
        case "copy" | "move":
            origin = _pointer(str(operation.get("from", "")))
            value = copy.deepcopy(_read(document, origin))
            if op == "move":
                document = _write(document, origin, "remove", None)
            return _write(document, path, "add", value)
        case _:
            raise bad_request(f"unexpected kind: {op}")


def _pointer(path: str) -> list[str]:
    if path == "":
        return []
    if not path.startswith("/"):
        raise bad_request(f"a JSON pointer begins with '/', not {path!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]


def _index(part: str, *, end: int) -> int:
    if not part.isdigit() or int(part) > end:
        raise unprocessable_patch()
    return int(part)


def _read(document: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(part, end=len(document) - 1)]
        else:
            raise unprocessable_patch()
    return document


def _write(document: Any, path: list[str], op: str, value: Any) -> Any:
    if not path:
        return None if op == "remove" else value
    parent, last = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        if op == "add":
            parent.insert(len(parent) if last == "-" else _index(last, end=len(parent)), value)
        elif op == "replace":
            parent[_index(last, end=len(parent) - 1)] = value
        else:
            del parent[_index(last, end=len(parent) - 1)]
    elif isinstance(parent, dict) and (op == "add" or last in parent):
        if op == "remove":
            del parent[last]
        else:
            parent[last] = value
    else:
        raise unprocessable_patch()
    return document
