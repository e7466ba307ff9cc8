"""Questions to one Prometheus. Every failure and every doubtful answer is a missing fact or says that it is doubtful."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from remediator.clients.http_json import HttpJson, items_of
from remediator.errors import FactsMissingError
from remediator.settings import Credential

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    import aiohttp


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant vector."""

    labels: Mapping[str, str]
    value: float
    """NaN also where the series has a native histogram instead of a number."""

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Vector:
    """The answer to an instant query; a scalar is one series without labels."""

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...]
    """Not empty: the answer may be partial and decides nothing (S27)."""
    at: datetime | None
    """When, by the server's own clock; None for an empty answer."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One alerting rule as the server runs it."""

    name: str
    health: str
    """``ok``, ``unknown`` (not evaluated yet) or ``err``."""
    evaluated_at: datetime | None
    interval: timedelta

    def trustworthy(self, now: datetime) -> bool:
        """Evaluated lately and without an error? Three missed evaluations and a minute are too many."""
        if self.health != "ok" or self.evaluated_at is None:
            return False
        return now - self.evaluated_at <= 3 * self.interval + timedelta(minutes=1)


class PrometheusClient:
    """Reads from one server; raises FactsMissingError and nothing else."""

    def __init__(self, url: str, credential: Credential, session: "aiohttp.ClientSession", timeout_s: float) -> None:
        self.url = url
        self._http = HttpJson(url, credential, session, timeout_s)
        self._timeout_s = timeout_s

    async def query(self, promql: str) -> Vector:
        """Evaluate an instant query at the server's present time."""
        # The server gives up a little before we do, so that it is it who says why. Plain seconds: its durations know no fractions.
        query = [("query", promql), ("timeout", f"{max(self._timeout_s - 0.5, 0.1):g}")]
        body = await self._http.get("/api/v1/query", query)
        data = self._data(body)
        try:
            return _vector(data, body)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FactsMissingError(
                f"{self.url}: the answer cannot be understood: {type(error).__name__}: {error}"
            ) from None

    async def firing(self, alertname: str) -> Vector:
        """The series of ``ALERTS`` that fire under this name, without the server's external labels."""
        return await self.query(f'ALERTS{{alertname="{_escaped(alertname)}",alertstate="firing"}}')

    async def alert_rules(self, alertname: str) -> tuple[AlertRule, ...]:
        """The alerting rules of this name that the server has; none: absence of the alert means nothing."""
        # The server's filter is not asked for: versions before 2.43 ignore it, and the answer must be filtered anyway.
        data = self._data(await self._http.get("/api/v1/rules", [("type", "alert")]))
        try:
            return tuple(
                _rule(rule, group)
                for group in items_of(data["groups"])
                for rule in items_of(group["rules"])
                if rule.get("type") == "alerting" and rule.get("name") == alertname
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FactsMissingError(
                f"{self.url}: the rules cannot be understood: {type(error).__name__}: {error}"
            ) from None

    async def absence_doubt(self, alertname: str) -> str | None:
        """Why the absence of this alert's series proves nothing here; None if it does: the rule exists and is healthy (S26).

        How fresh it is, is judged by the server's own clock (S28).
        """
        rules = await self.alert_rules(alertname)
        if not rules:
            return f"no alerting rule {alertname} exists in Prometheus"
        now = (await self.query("time()")).at
        if now is None or any(not rule.trustworthy(now) for rule in rules):
            return f"the alerting rule {alertname} is not evaluated, or with errors"
        return None

    def _data(self, body: Any) -> Any:
        if not isinstance(body, dict) or body.get("status") != "success" or not isinstance(body.get("data"), dict):
            raise FactsMissingError(f"{self.url}: did not answer as Prometheus does; is this the right address?")
        return body["data"]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _vector(data: Mapping[str, Any], body: Mapping[str, Any]) -> Vector:
    kind, result = data["resultType"], data["result"]
    if kind == "scalar":
        result = [{"metric": {}, "value": result}]
    elif kind != "vector":
        raise ValueError(f"a {kind} is not a vector; ask for an instant vector")
    result = items_of(result)
    samples = tuple(
        Sample(dict(series["metric"]), float(series["value"][1]) if "value" in series else math.nan)
        for series in result
    )
    stamps = [(series.get("value") or series["histogram"])[0] for series in result]
    return Vector(
        samples=samples,
        warnings=tuple(str(warning)[:300] for warning in body.get("warnings") or ()),
        at=datetime.fromtimestamp(float(stamps[0]), UTC) if stamps else None,
    )


def _rule(rule: Mapping[str, Any], group: Mapping[str, Any]) -> AlertRule:
    evaluated = str(rule.get("lastEvaluation") or "")
    return AlertRule(
        name=str(rule["name"]),
        health=str(rule.get("health") or "unknown"),
        # Go's zero time means: never.
        evaluated_at=datetime.fromisoformat(evaluated) if evaluated and not evaluated.startswith("0001") else None,
        interval=timedelta(seconds=float(group.get("interval") or rule.get("interval") or 60)),
    )
