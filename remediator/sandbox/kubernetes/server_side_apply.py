"""Server-side apply: a configuration merged into what is there, field by field, with an owner for every field.

Pure: from the present object and the applied configuration to the new object and its `managedFields`.
"""

import copy
import json
from dataclasses import dataclass
from typing import Any

import yaml

from remediator.sandbox.kubernetes import field_paths
from remediator.sandbox.kubernetes.errors import ApiError, bad_request
from remediator.sandbox.kubernetes.field_paths import Path
from remediator.sandbox.kubernetes.resources import Object, Resource

APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Applied:
    """What comes of it. `entries`: the managedFields afterwards."""

    obj: Object
    entries: list[Object]


def parse(body: bytes, name: str, *, kind: str, api_version: str) -> Object:
    """The applied configuration; raises 400 for one that is none, or of another object."""
    try:
        config = yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("metadata", {}), dict):
        raise bad_request("the applied configuration must be an object")
    if (config.get("apiVersion"), config.get("kind")) != (api_version, kind):
        raise bad_request(f"invalid object type: {config.get('apiVersion')}, Kind={config.get('kind')}")
    metadata = config.get("metadata") or {}
    if metadata.get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    return {**config, "metadata": {"name": name, **metadata}}


def apply(
    resource: Resource, live: Object, config: Object, *, manager: str, subresource: str, at: str, force: bool
) -> Applied:
    """Merge `config` into `live` ({} when there is none). 409 when somebody else owns what it would change."""
    entries: list[Object] = live.get("metadata", {}).get("managedFields", [])
    wanted = field_paths.ownable(config)
    # An empty object changes nothing, so it is in nobody's way.
    paths = [path for path in field_paths.leaves(wanted) if field_paths.value_at(wanted, path) != {}]
    others = [entry for entry in entries if _key(entry) != (manager, "Apply", subresource)]
    own = next((entry for entry in entries if entry not in others), None)
    conflicts = [
        (entry, path)
        for path in paths
        for entry in others
        if field_paths.owns(entry["fieldsV1"], path)
        and field_paths.value_at(field_paths.ownable(live), path) != field_paths.value_at(wanted, path)
    ]
    if conflicts and not force:
        raise _conflict(conflicts)
    merged = _merge(field_paths.ownable(live), wanted, "")
    for path in field_paths.paths_of(own["fieldsV1"]) if own is not None else []:
        if path not in paths and not any(field_paths.owns(entry["fieldsV1"], path) for entry in others):
            merged = field_paths.removed(merged, path)
    taken = {path for _, path in conflicts}
    kept = [
        {**entry, "fieldsV1": left}
        for entry in others
        if (
            left := field_paths.without(
                entry["fieldsV1"], [path for path in taken if field_paths.owns(entry["fieldsV1"], path)]
            )
        )
    ]
    fields: Object = {}
    for path in paths:
        fields = field_paths.with_path(fields, path)
    mine = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": resource.api_version,
        "time": own["time"] if own is not None and own["fieldsV1"] == fields else at,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **({"subresource": subresource} if subresource else {}),
    }
    return Applied(_whole(live, config, merged), [*kept, *([mine] if fields else [])])


def _whole(live: Object, config: Object, merged: Object) -> Object:
    """The merged fields with what nobody owns: type, name, what the server set, a resourceVersion to compare."""
    kept = {key: value for key, value in live.get("metadata", {}).items() if key not in field_paths.OWNED_METADATA}
    metadata = {**kept, "name": config["metadata"]["name"]}
    for field in ("resourceVersion", "uid", "namespace"):
        if field in config["metadata"]:
            metadata[field] = config["metadata"][field]
    typed = {"apiVersion": config["apiVersion"], "kind": config["kind"]}
    return {**typed, **merged, "metadata": {**metadata, **merged.get("metadata", {})}}


def _merge(live: Any, wanted: Any, field: str) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict):
        merged = dict(live)
        for key, value in wanted.items():
            merged[key] = _merge(live.get(key), value, key)
        return merged
    before, after = field_paths.parts(field, live), field_paths.parts(field, wanted)
    if isinstance(wanted, list) and isinstance(live, list) and before is not None and after is not None:
        both = {key: _merge(before.get(key), item, "") for key, item in after.items()}
        return [both.pop(key, item) for key, item in before.items()] + list(both.values())
    return copy.deepcopy(wanted)


def _key(entry: Object) -> tuple[str, str, str]:
    return entry["manager"], entry["operation"], entry.get("subresource", "")


def _conflict(conflicts: list[tuple[Object, Path]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_who(entry)}", "field": _shown(path)}
        for entry, path in conflicts
    ]
    if len(conflicts) == 1:
        message = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        by_manager: dict[str, list[str]] = {}
        for entry, path in conflicts:
            by_manager.setdefault(_who(entry), []).append(f"- {_shown(path)}")
        told = [line for who, paths in sorted(by_manager.items()) for line in (f"conflicts with {who}:", *paths)]
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(told)
    return ApiError(409, message, details={"causes": causes})


def _who(entry: Object) -> str:
    who = f'"{entry["manager"]}"'
    if entry.get("subresource"):
        who += f' with subresource "{entry["subresource"]}"'
    if entry["operation"] == "Update":
        who += f" using {entry['apiVersion']}"
    return who


def _shown(path: Path) -> str:
    """`.spec.template.spec.containers[name="app"].image`."""
    shown = ""
    for part in path:
        kind, _, rest = part.partition(":")
        if kind == "f":
            shown += f".{rest}"
        else:
            keys = ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items())
            shown += f"[{keys}]"
    return shown
