"""A Prometheus that answers instant queries: ALERTS and set series by itself, everything else by script."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from remediator.sandbox.faults import Faults
from remediator.sandbox.journal import Journal, Received
from remediator.sandbox.listener import Listener
from remediator.sandbox.promql import Labels, Sample, Scalar, UnknownQueryError, evaluate, number
from remediator.sandbox.timekeeping import Pace, rfc3339_millis


@dataclass(frozen=True, slots=True)
class Failure:
    """An error answer: 400 bad_data, 422 execution, 503 timeout, ..."""

    status: int
    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class Warned:
    """A success that carries warnings: its data may be partial."""

    answer: "Plain"
    warnings: tuple[str, ...]


Plain = float | None | Scalar | list[Sample]
Answer = Plain | Failure | Warned | Callable[[], "Plain | Failure | Warned"]


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """One pending or firing alert of a rule, as ALERTS and `/api/v1/alerts` show it."""

    labels: Labels
    annotations: Labels
    state: str
    active_at: datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """One alerting rule. `health` is ok, err or unknown; its state follows the active alerts of that name."""

    name: str
    query: str
    group: str = "sandbox"
    health: str = "ok"
    last_error: str = ""
    duration_s: float = 0.0


class Prometheus:
    """One Prometheus server without scraping: what it knows is set from Python."""

    def __init__(self, *, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._scripts: list[tuple[str | re.Pattern[str], Answer]] = []
        self._series: dict[str, dict[str, Sample]] = {}
        self._alerts: dict[str, ActiveAlert] = {}
        self._rules: dict[str, Rule] = {}
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

    def script(self, query: str | re.Pattern[str], answer: Answer) -> None:
        """Answer this query (exact text, or a pattern for all of it); the latest script that matches wins.

        `answer`: a number (one series without labels), None (empty vector), `Scalar(x)`, a list of (labels, value),
        `Failure(...)`, `Warned(answer, warnings)`, or a function without arguments that returns one of these.
        """
        self._scripts.insert(0, (query, answer))

    def set_series(self, name: str, labels: Labels, value: float) -> None:
        """Give the series this value; selectors on the metric are answered from then on."""
        self._series.setdefault(name, {})[_key(labels)] = (dict(labels), value)

    def drop_series(self, name: str, labels: Labels) -> None:
        """The series goes stale; the metric stays known, so a selector on it is answered with what is left."""
        self._series.get(name, {}).pop(_key(labels), None)

    def add_rule(self, rule: Rule) -> None:
        """Show this rule under `/api/v1/rules`; replaces one of the same name."""
        self._rules[rule.name] = rule

    def remove_rule(self, name: str) -> None:
        del self._rules[name]

    def set_rule_health(self, name: str, health: str, last_error: str = "") -> None:
        self._rules[name] = replace(self._rules[name], health=health, last_error=last_error)

    def set_alert(
        self,
        labels: Labels,
        annotations: Labels | None = None,
        *,
        state: str = "firing",
        active_at: datetime | None = None,
    ) -> None:
        """Let an alert be pending or firing."""
        active_at = active_at or self.pace.now()
        self._alerts[_key(labels)] = ActiveAlert(dict(labels), dict(annotations or {}), state, active_at)

    def clear_alert(self, labels: Labels) -> None:
        """The alert with exactly these labels is over."""
        self._alerts.pop(_key(labels), None)

    async def _answer(self, received: Received) -> web.Response:
        match received.method, received.path:
            case "GET" | "HEAD", "/-/ready" | "/-/healthy":
                return web.Response(text="Prometheus Server is Ready.\n")
            case "GET" | "POST", "/api/v1/query":
                return self._query(received)
            case "GET", "/api/v1/rules":
                return _success({"groups": self._groups(received)})
            case "GET", "/api/v1/alerts":
                return _success({"alerts": [_shown(alert) for alert in self._alerts.values()]})
            case _:
                return web.Response(status=404, text="404 page not found\n")

    def _query(self, received: Received) -> web.Response:
        form = dict(parse_qsl(received.body.decode())) if received.method == "POST" else {}
        query = {**received.query, **form}.get("query", "")
        if not query.strip():
            return _error(Failure(400, "bad_data", 'invalid parameter "query": unknown position: parse error'))
        timeout = received.query.get("timeout", "1m")
        if _TIMEOUT.fullmatch(timeout) is None:
            text = f'invalid parameter "timeout": cannot parse "{timeout}" to a valid duration'
            return _error(Failure(400, "bad_data", text))
        now_s = self.pace.now().timestamp()
        try:
            answer = self._find(query, now_s)
        except UnknownQueryError:
            text = f'invalid parameter "query": the sandbox has no script for {query!r}: use Prometheus.script()'
            return _error(Failure(400, "bad_data", text))
        if isinstance(answer, Failure):
            return _error(answer)
        if isinstance(answer, Warned):
            return _success(_data(answer.answer, now_s), warnings=answer.warnings)
        return _success(_data(answer, now_s))

    def _find(self, query: str, now_s: float) -> Plain | Failure | Warned:
        for wanted, answer in self._scripts:
            if query == wanted or (isinstance(wanted, re.Pattern) and wanted.fullmatch(query)):
                return answer() if callable(answer) else answer
        series = {name: list(samples.values()) for name, samples in self._series.items()}
        series["ALERTS"] = [({**a.labels, "alertstate": a.state}, 1.0) for a in self._alerts.values()]
        return evaluate(query, series, now_s)

    def _groups(self, received: Received) -> list[dict[str, Any]]:
        if received.query.get("type", "alert") != "alert":
            return []
        wanted = received.repeated("rule_name[]")
        with_alerts = received.query.get("exclude_alerts", "false").lower() != "true"
        groups: dict[str, list[dict[str, Any]]] = {}
        for rule in self._rules.values():
            if not wanted or rule.name in wanted:
                groups.setdefault(rule.group, []).append(self._rule(rule, with_alerts=with_alerts))
        evaluated = rfc3339_millis(self.pace.now())
        return [
            {"name": name, "file": "sandbox.yml", "interval": 15, "rules": rules, "lastEvaluation": evaluated}
            for name, rules in groups.items()
        ]

    def _rule(self, rule: Rule, *, with_alerts: bool) -> dict[str, Any]:
        alerts = [alert for alert in self._alerts.values() if alert.labels.get("alertname") == rule.name]
        states = {alert.state for alert in alerts}
        shown: dict[str, Any] = {
            "type": "alerting",
            "name": rule.name,
            "query": rule.query,
            "duration": rule.duration_s,
            "labels": {},
            "annotations": {},
            "state": next((state for state in ("firing", "pending") if state in states), "inactive"),
            "health": rule.health,
            "evaluationTime": 0.001,
            "lastEvaluation": rfc3339_millis(self.pace.now()),
        }
        if rule.last_error:
            shown["lastError"] = rule.last_error
        if with_alerts:
            shown["alerts"] = [_shown(alert) for alert in alerts]
        return shown


_TIMEOUT = re.compile(r"[0-9]+(\.[0-9]+)?|([0-9]+(ms|[smhdwy]))+")
"""Seconds, or a duration, which knows no fractions: as the real server takes it."""


def _key(labels: Mapping[str, str]) -> str:
    return json.dumps(labels, sort_keys=True)


def _shown(alert: ActiveAlert) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state,
        "activeAt": rfc3339_millis(alert.active_at),
        "value": "1e+00",
    }


def _data(answer: Plain, now_s: float) -> dict[str, Any]:
    stamp = round(now_s, 3)
    if isinstance(answer, Scalar):
        return {"resultType": "scalar", "result": [stamp, number(answer.value)]}
    samples: list[Sample] = []
    if isinstance(answer, list):
        samples = answer
    elif answer is not None:
        samples = [({}, answer)]
    result = [{"metric": dict(labels), "value": [stamp, number(value)]} for labels, value in samples]
    return {"resultType": "vector", "result": result}


def _success(data: dict[str, Any], *, warnings: tuple[str, ...] = ()) -> web.Response:
    body: dict[str, Any] = {"status": "success", "data": data}
    if warnings:
        body["warnings"] = list(warnings)
    return web.json_response(body)


def _error(failure: Failure) -> web.Response:
    body = {"status": "error", "errorType": failure.error_type, "error": failure.message}
    return web.json_response(body, status=failure.status)


def _failure(code: int) -> web.Response:
    return _error(Failure(code, "internal" if code < 503 else "unavailable", "the sandbox was told to fail"))
