"""Events that controllers, schedulers and kubelets told about an object (core/v1; kept for about an hour)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from remediator.clients.http_json import items_of
from remediator.clients.kubernetes.names import Resource
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission

_EVENT = Resource("", "v1", "events")
_MOST = "500"
_WITHOUT_NAMESPACE = "default"
"""Where events about objects of no namespace stand."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One event."""

    at: datetime
    """When it was seen last."""
    type: str
    reason: str
    about: str
    """``Pod checkout-7f9c-x2k4d``."""
    message: str
    count: int

    def __str__(self) -> str:
        times = f" (x{self.count})" if self.count > 1 else ""
        return f"{self.at:%Y-%m-%dT%H:%M:%SZ} {self.type} {self.reason} {self.about}: {self.message.strip()}{times}"


class EventLog(Part):
    """Of one cluster."""

    async def about(self, name: str, namespace: str) -> tuple[ToldEvent, ...]:
        """Those about objects of this name, oldest first; ``namespace`` is empty for what stands in none. Raises FactsMissingError.

        By name and not by uid: a kubelet gives a node's name for its uid, and what an object's namesake did belongs to the story.
        """
        path = _EVENT.path(namespace or _WITHOUT_NAMESPACE)
        permission = permission_for_events(everywhere=not namespace)
        query = {"fieldSelector": f"involvedObject.name={name}", "limit": _MOST}
        listed = await self._api.get(path, permission, query)
        told = understood("events", lambda: [_event(one) for one in items_of(listed["items"])])
        return tuple(sorted(told, key=lambda event: event.at))


def permission_for_events(*, everywhere: bool = False) -> Permission:
    """What reading them needs."""
    return _EVENT.permission("list", everywhere=everywhere)


def _event(document: Mapping[str, Any]) -> ToldEvent:
    series, about = document.get("series") or {}, document.get("involvedObject") or {}
    at = (
        series.get("lastObservedTime")
        or document.get("lastTimestamp")
        or document.get("eventTime")
        or document.get("firstTimestamp")
    )
    return ToldEvent(
        at=datetime.fromisoformat(at) if at else _LONG_AGO,
        type=str(document.get("type") or ""),
        reason=str(document.get("reason") or ""),
        about=f"{about.get('kind', '')} {about.get('name', '')}".strip(),
        message=str(document.get("message") or ""),
        count=int(series.get("count") or document.get("count") or 1),
    )
