"""Who set which field: `metadata.managedFields` after plain writes. Applying is in `server_side_apply.py`."""

from remediator.sandbox.kubernetes.field_paths import difference, ownable, with_path, without
from remediator.sandbox.kubernetes.resources import Object


def record(
    entries: list[Object], old: Object, new: Object, *, manager: str, subresource: str, api_version: str, at: str
) -> list[Object]:
    """The entries after `manager` turned `old` into `new`: it owns what it changed, nobody else does any more."""
    changed, removed = difference(ownable(old), ownable(new))
    if not changed and not removed:
        return entries
    kept: list[Object] = []
    mine: Object | None = None
    for entry in entries:
        if (entry["manager"], entry["operation"], entry.get("subresource", "")) == (manager, "Update", subresource):
            mine = entry
            continue
        fields = without(entry["fieldsV1"], changed + removed)
        if fields:
            kept.append({**entry, "fieldsV1": fields})
    fields = without(mine["fieldsV1"], removed) if mine is not None else {}
    for path in changed:
        fields = with_path(fields, path)
    if fields:
        entry = {"manager": manager, "operation": "Update", "apiVersion": api_version}
        if subresource != "scale":  # a write through it stands there without a time
            entry["time"] = at
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": fields}
        if subresource:
            entry["subresource"] = subresource
        kept.append(entry)
    return kept
