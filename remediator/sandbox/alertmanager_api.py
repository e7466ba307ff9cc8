"""The part of Alertmanager's v2 API that the sandbox has."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from remediator.sandbox.alerts import Alert
from remediator.sandbox.journal import Received
from remediator.sandbox.matchers import MatcherError, all_match, parse_matchers
from remediator.sandbox.timekeeping import rfc3339_millis

if TYPE_CHECKING:
    from remediator.sandbox.alertmanager import Alertmanager

_MONITORING = {"/-/healthy": "OK", "/-/ready": "OK"}


class RefusedError(Exception):
    """The request is answered with `code` and `body`."""

    def __init__(self, code: int, body: Any) -> None:
        super().__init__(str(body))
        self.code = code
        self.body = body


def answer(alertmanager: "Alertmanager", received: Received) -> web.Response:
    """The answer to one request; raises RefusedError."""
    match received.method, received.path:
        case "GET" | "HEAD", "/-/healthy" | "/-/ready":
            return web.Response(text=_MONITORING[received.path])
        case "POST", "/api/v2/alerts":
            _push(alertmanager, received)
            return web.Response()
        case "GET", "/api/v2/alerts":
            return web.json_response(_alerts(alertmanager, received))
        case "GET", "/api/v2/alerts/groups":
            return web.json_response(_groups(alertmanager, received))
        case "GET", "/api/v2/status":
            return web.json_response(_status(alertmanager))
        case "GET", "/api/v2/receivers":
            return web.json_response([{"name": name} for name in alertmanager.receivers])
        case _:
            message = f"path {received.path} was not found (the sandbox has alerts, alerts/groups, status, receivers)"
            raise RefusedError(404, {"code": 404, "message": message})


def _push(alertmanager: "Alertmanager", received: Received) -> None:
    try:
        sent = received.json()
    except ValueError as error:
        raise RefusedError(400, {"code": 400, "message": f"parsing alerts body failed: {error}"}) from error
    if not isinstance(sent, list):
        raise RefusedError(400, {"code": 400, "message": "parsing alerts body failed: not a list"})
    for item in sent:
        labels = item.get("labels") if isinstance(item, dict) else None
        if not isinstance(labels, dict) or not any(labels.values()):
            raise RefusedError(400, "at least one label pair required")
    for item in sent:
        alertmanager.push(
            item["labels"],
            item.get("annotations"),
            starts_at=_instant(item.get("startsAt")),
            ends_at=_instant(item.get("endsAt")),
            generator_url=item.get("generatorURL", ""),
        )


def _instant(text: str | None) -> datetime | None:
    if not text or text.startswith("0001-01-01T00:00:00"):
        return None
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError as error:
        raise RefusedError(400, {"code": 400, "message": f"bad instant: {error}"}) from error


class _Filter:
    """The query parameters that both listings share."""

    def __init__(self, alertmanager: "Alertmanager", received: Received) -> None:
        self._alertmanager = alertmanager
        try:
            self._matchers = [matcher for text in received.repeated("filter") for matcher in parse_matchers(text)]
            self._receiver = re.compile(f"^(?:{received.query.get('receiver', '.*')})$")
        except (MatcherError, re.error) as error:
            raise RefusedError(400, str(error)) from error
        self._flags = {
            name: received.query.get(name, "true").lower() == "true"
            for name in ("active", "silenced", "inhibited", "unprocessed")
        }

    def takes(self, alert: Alert) -> bool:
        silenced = bool(self._alertmanager.pool.silenced_by(alert))
        return (
            self._flags["silenced" if silenced else "active"]
            and all_match(self._matchers, alert.labels)
            and bool(self.receivers())
        )

    def receivers(self) -> list[str]:
        return [name for name in self._alertmanager.receivers if self._receiver.match(name)]


def _alerts(alertmanager: "Alertmanager", received: Received) -> list[dict[str, Any]]:
    chosen = _Filter(alertmanager, received)
    found = sorted((a for a in alertmanager.firing() if chosen.takes(a)), key=lambda alert: alert.fingerprint)
    return [_shown(alertmanager, alert) for alert in found]


def _groups(alertmanager: "Alertmanager", received: Received) -> list[dict[str, Any]]:
    chosen = _Filter(alertmanager, received)
    firing = {alert.fingerprint: alert for alert in alertmanager.firing() if chosen.takes(alert)}
    listed: list[dict[str, Any]] = []
    for group in alertmanager.groups():
        members = [firing[fingerprint] for fingerprint in sorted(group.members) if fingerprint in firing]
        if not members:
            continue
        shown = [_shown(alertmanager, alert) for alert in members]
        listed += [
            {"labels": group.labels, "receiver": {"name": receiver}, "alerts": shown} for receiver in chosen.receivers()
        ]
    return listed


def _shown(alertmanager: "Alertmanager", alert: Alert) -> dict[str, Any]:
    silenced_by = alertmanager.pool.silenced_by(alert)
    state = "suppressed" if silenced_by else "active"
    return {
        "annotations": dict(alert.annotations),
        "endsAt": rfc3339_millis(alert.ends_at),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in alertmanager.receivers],
        "startsAt": rfc3339_millis(alert.starts_at),
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": silenced_by, "state": state},
        "updatedAt": rfc3339_millis(alert.updated_at),
        "generatorURL": alert.generator_url,
        "labels": dict(alert.labels),
    }


def _status(alertmanager: "Alertmanager") -> Mapping[str, Any]:
    return {
        "cluster": {"name": "sandbox", "status": alertmanager.cluster_status, "peers": []},
        "config": {"original": "route: {receiver: remediator}\n"},
        "uptime": rfc3339_millis(alertmanager.started_at),
        "versionInfo": {
            "version": "0.33.1",
            "branch": "sandbox",
            "revision": "",
            "buildDate": "",
            "buildUser": "",
            "goVersion": "",
        },
    }
