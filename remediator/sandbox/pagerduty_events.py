"""What the Events API v2 takes and refuses, as its documentation says."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_BODY = 512 * 1024
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")


class RefusedError(Exception):
    """The event is answered with `code` and these errors."""

    def __init__(self, code: int, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.code = code
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Event:
    """One accepted event. `dedup_key` "" on a trigger: PagerDuty makes one."""

    routing_key: str
    action: str
    dedup_key: str
    payload: dict[str, Any]
    links: list[dict[str, str]]
    images: list[dict[str, str]]
    client: str
    client_url: str
    at: datetime


def parse(body: bytes, at: datetime) -> Event:
    """The event in a request body; raises RefusedError with everything that is wrong with it."""
    if len(body) > MAX_BODY:
        raise RefusedError(413, [f"Event size exceeds {MAX_BODY} bytes"])
    try:
        sent = json.loads(body)
    except ValueError:
        raise RefusedError(400, ["Invalid JSON"]) from None
    if not isinstance(sent, dict):
        raise RefusedError(400, ["The event must be a JSON object"])
    errors: list[str] = []
    routing_key, action, dedup_key = sent.get("routing_key"), sent.get("event_action"), sent.get("dedup_key")
    if not isinstance(routing_key, str) or len(routing_key) != 32:
        errors.append("'routing_key' is missing or is not 32 characters long")
    if action not in ACTIONS:
        errors.append(f"'event_action' must be one of {', '.join(ACTIONS)}")
    if dedup_key is not None and (not isinstance(dedup_key, str) or len(dedup_key) > 255):
        errors.append("'dedup_key' must be a string of at most 255 characters")
    if action in ("acknowledge", "resolve") and not dedup_key:
        errors.append(f"'dedup_key' is required for {action}")
    if action == "trigger":
        errors += _payload_errors(sent.get("payload"))
        errors += _list_errors(sent, "links", "href")
        errors += _list_errors(sent, "images", "src")
    if errors:
        raise RefusedError(400, errors)
    return Event(
        routing_key=str(routing_key),
        action=str(action),
        dedup_key=dedup_key or "",
        payload=sent.get("payload") or {},
        links=sent.get("links") or [],
        images=sent.get("images") or [],
        client=str(sent.get("client") or ""),
        client_url=str(sent.get("client_url") or ""),
        at=at,
    )


def _payload_errors(payload: Any) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    errors = [
        f"'payload.{field}' is missing or blank"
        for field in ("summary", "source")
        if not isinstance(payload.get(field), str) or not payload[field]
    ]
    if isinstance(payload.get("summary"), str) and len(payload["summary"]) > 1024:
        errors.append("'payload.summary' is longer than 1024 characters")
    if payload.get("severity") not in SEVERITIES:
        errors.append(f"'payload.severity' must be one of {', '.join(SEVERITIES)}")
    errors += [
        f"'payload.{field}' must be a string"
        for field in ("component", "group", "class")
        if not isinstance(payload.get(field, ""), str | None)
    ]
    if not isinstance(payload.get("custom_details", {}), dict):
        errors.append("'payload.custom_details' must be an object")
    if (stamp := payload.get("timestamp")) is not None and not _is_instant(stamp):
        errors.append("'payload.timestamp' is not an ISO 8601 instant")
    return errors


def _list_errors(sent: dict[str, Any], field: str, required: str) -> list[str]:
    listed = sent.get(field) or []
    if not isinstance(listed, list):
        return [f"'{field}' must be a list"]
    if all(isinstance(item, dict) and isinstance(item.get(required), str) and item[required] for item in listed):
        return []
    return [f"every entry of '{field}' needs '{required}'"]


def _is_instant(stamp: Any) -> bool:
    try:
        datetime.fromisoformat(stamp)
    except (TypeError, ValueError):
        return False
    return True
