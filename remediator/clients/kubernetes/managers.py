"""managedFields: who wrote which fields of an object, and when. The API server keeps only the present owner of each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of managedFields."""

    name: str
    operation: str
    subresource: str
    at: datetime | None
    fields: Mapping[str, Any]

    def owns(self, *path: str) -> bool:
        """``owns("spec", "replicas")``: the field, or something below it."""
        inner: Any = self.fields
        for part in path:
            inner = inner.get(f"f:{part}") if isinstance(inner, Mapping) else None
            if inner is None:
                return False
        return True


def managers_of(metadata: Mapping[str, Any]) -> tuple[Manager, ...]:
    """From an object's metadata."""
    return tuple(_manager(entry) for entry in metadata.get("managedFields") or ())


def last_writer(managers: Iterable[Manager], *path: str) -> Manager | None:
    """Who wrote a field last; several may own it when they wrote the same value, then the latest. None if nobody says.

    A write through the scale subresource stands there without a time (seen on 1.36), and counts as the latest.
    """
    owners = [one for one in managers if one.owns(*path)]
    return max(owners, key=lambda one: (one.at is None, one.at or _NEVER, one.name), default=None)


def _manager(entry: Mapping[str, Any]) -> Manager:
    time = entry.get("time")
    return Manager(
        name=str(entry.get("manager") or ""),
        operation=str(entry.get("operation") or ""),
        subresource=str(entry.get("subresource") or ""),
        at=datetime.fromisoformat(time) if time else None,
        fields=entry.get("fieldsV1") or {},
    )
