"""A PagerDuty that takes events and keeps incidents as the real one would, so that tests look at who would be paged."""

import json
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from remediator.sandbox.faults import Faults
from remediator.sandbox.journal import Journal, Received
from remediator.sandbox.listener import Listener
from remediator.sandbox.pagerduty_events import Event, RefusedError, parse
from remediator.sandbox.signals import Signal
from remediator.sandbox.timekeeping import Pace, rfc3339_millis

_WINDOW_S = 60.0
_STATES = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event that reached an incident. `paged`: it notified somebody (only the first trigger does)."""

    at: datetime
    action: str
    summary: str
    paged: bool


@dataclass(slots=True)
class Incident:
    """One incident of one alert; `status` is triggered, acknowledged or resolved.

    `summary`, `severity`, `details` are those of the first trigger: later ones add log entries and change nothing.
    """

    id: str
    number: int
    routing_key: str
    dedup_key: str
    status: str
    summary: str
    severity: str
    details: dict[str, Any]
    payload: dict[str, Any]
    links: list[dict[str, str]]
    created_at: datetime
    log: list[LogEntry] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.status != "resolved"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "number": self.number,
            "dedup_key": self.dedup_key,
            "status": self.status,
            "summary": self.summary,
            "severity": self.severity,
            "custom_details": self.details,
            "links": self.links,
            "created_at": rfc3339_millis(self.created_at),
            "log": [
                {"at": rfc3339_millis(entry.at), "action": entry.action, "summary": entry.summary, "paged": entry.paged}
                for entry in self.log
            ],
        }


class PagerDuty:
    """`POST /v2/enqueue` as the Events API v2, and `GET /sandbox/incidents` to look inside.

    `limit_per_minute`: events per routing key in a sliding minute before 429; None for no limit.
    `routing_keys`: the keys that lead somewhere; None for any. Events for others are answered 202 and dropped.
    """

    def __init__(
        self,
        *,
        pace: Pace | None = None,
        limit_per_minute: int | None = None,
        routing_keys: set[str] | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self.limit_per_minute = limit_per_minute
        self.dropped: list[Event] = []
        self._routing_keys = routing_keys
        self._incidents: list[Incident] = []
        self._open: dict[tuple[str, str], Incident] = {}
        self._recent: dict[str, deque[float]] = {}
        self._changed = Signal()
        self._listener = Listener(self._answer, error_body=_failure, pace=self.pace)

    @property
    def url(self) -> str:
        return self._listener.url

    @property
    def requests(self) -> Journal:
        return self._listener.requests

    @property
    def faults(self) -> Faults:
        return self._listener.faults

    async def start(self, port: int = 0) -> None:
        await self._listener.start(port)

    async def stop(self) -> None:
        await self._listener.stop()

    def incidents(self, dedup_key: str | None = None) -> list[Incident]:
        """All incidents, oldest first; of one dedup key if given."""
        return [found for found in self._incidents if dedup_key in (None, found.dedup_key)]

    def open(self, dedup_key: str | None = None) -> list[Incident]:
        """Incidents that are not resolved: triggered ones and acknowledged ones."""
        return [found for found in self.incidents(dedup_key) if found.open]

    def paging(self) -> list[Incident]:
        """Incidents that get a person out of bed: triggered and acknowledged by nobody."""
        return [found for found in self._incidents if found.status == "triggered"]

    async def until(self, holds: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
        """Wait for a state of the incidents, looked at after every event; TimeoutError after real seconds."""
        await self._changed.until(holds, timeout_s)

    def take(self, event: Event) -> str:
        """Process one accepted event; returns its dedup key. What the real one drops silently goes to `dropped`."""
        dedup_key = event.dedup_key or uuid.uuid4().hex
        key = (event.routing_key, dedup_key)
        incident = self._open.get(key)
        if self._routing_keys is not None and event.routing_key not in self._routing_keys:
            self.dropped.append(event)
        elif incident is None and event.action == "trigger":
            incident = self._begin(event, dedup_key)
            self._open[key] = incident
            incident.log.append(LogEntry(event.at, event.action, incident.summary, paged=True))
        elif incident is None:
            self.dropped.append(event)
        else:
            summary = str(event.payload.get("summary", ""))
            incident.log.append(LogEntry(event.at, event.action, summary, paged=False))
            if event.action != "trigger":
                incident.status = _STATES[event.action]
            if not incident.open:
                del self._open[key]
        self._changed.tell()
        return dedup_key

    def _begin(self, event: Event, dedup_key: str) -> Incident:
        number = len(self._incidents) + 1
        incident = Incident(
            id=f"Q{uuid.uuid4().hex[:13].upper()}",
            number=number,
            routing_key=event.routing_key,
            dedup_key=dedup_key,
            status="triggered",
            summary=event.payload["summary"],
            severity=event.payload["severity"],
            details=event.payload.get("custom_details") or {},
            payload=event.payload,
            links=event.links,
            created_at=event.at,
        )
        self._incidents.append(incident)
        return incident

    async def _answer(self, received: Received) -> web.Response:
        match received.method, received.path:
            case "POST", "/v2/enqueue":
                return self._enqueue(received)
            case "GET", "/sandbox/incidents":
                return web.json_response({"incidents": [found.as_json() for found in self._incidents]})
            case _:
                return _refuse(404, "Not Found", ["the sandbox has POST /v2/enqueue and GET /sandbox/incidents"])

    def _enqueue(self, received: Received) -> web.Response:
        try:
            event = parse(received.body, received.at)
        except RefusedError as refused:
            return _refuse(refused.code, "Event object is invalid", refused.errors)
        if self._over_limit(event.routing_key):
            return _refuse(429, "Throttle exceeded", ["Requests for this service are arriving too quickly."])
        dedup_key = self.take(event)
        answer = {"status": "success", "message": "Event processed", "dedup_key": dedup_key}
        return web.json_response(answer, status=202)

    def _over_limit(self, routing_key: str) -> bool:
        if self.limit_per_minute is None:
            return False
        now_s = self.pace.elapsed_s()
        recent = self._recent.setdefault(routing_key, deque())
        while recent and recent[0] <= now_s - _WINDOW_S:
            recent.popleft()
        if len(recent) >= self.limit_per_minute:
            return True
        recent.append(now_s)
        return False


def _refuse(code: int, message: str, errors: list[str]) -> web.Response:
    status = "throttle exceeded" if code == 429 else "invalid event"
    body = json.dumps({"status": status, "message": message, "errors": errors})
    return web.Response(status=code, body=body.encode(), content_type="application/json")


def _failure(code: int) -> web.Response:
    return _refuse(code, "Internal Server Error" if code >= 500 else "Error", ["the sandbox was told to fail"])
