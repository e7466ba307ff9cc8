"""Alerting rules over the simulated world: a condition holds for a while, an alert fires; it ends, the alert resolves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.prometheus import Prometheus, Rule
from remediator.sandbox.timekeeping import Pace

# Prometheus sends what fires again and again, each time with an expiry some sends ahead. Its end is sent too, so the expiry is only for
# one that died, and in real time: on a machine that has no time for the world, alerts would end by themselves.
_RESEND_S = 1.0
_EXPIRY = timedelta(minutes=2)


@dataclass(slots=True)
class AlertRule:
    """One rule for one label set. `holds` may raise KeyError while its object does not exist: no alert then."""

    holds: Callable[[], bool]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    for_s: float
    active_at: datetime | None = None
    active_s: float = 0.0
    sent_s: float | None = None

    @property
    def firing(self) -> bool:
        """Whether Alertmanager has been told of it and not of its end."""
        return self.sent_s is not None


class AlertRules:
    """Evaluates rules and tells Alertmanager and Prometheus."""

    def __init__(self, pace: Pace, alertmanager: Alertmanager, prometheus: Prometheus, every_s: float) -> None:
        self._pace = pace
        self._alertmanager = alertmanager
        self._prometheus = prometheus
        self._every_s = every_s
        self._rules: list[AlertRule] = []

    def add(self, rule: AlertRule) -> None:
        name = rule.labels["alertname"]
        self._rules.append(rule)
        self._prometheus.add_rule(Rule(name, query=f"sandbox_rule{{alertname={name!r}}}", duration_s=rule.for_s))

    async def run(self) -> None:
        """Evaluate for ever."""
        while True:
            self.evaluate()
            await self._pace.sleep(self._every_s)

    def evaluate(self) -> None:
        """One evaluation of every rule."""
        for rule in self._rules:
            try:
                holds = rule.holds()
            except KeyError:
                holds = False
            if holds:
                self._active(rule)
            elif rule.active_at is not None:
                self._over(rule)

    def _active(self, rule: AlertRule) -> None:
        now_s = self._pace.elapsed_s()
        if rule.active_at is None:
            rule.active_at, rule.active_s = self._pace.now(), now_s
        if now_s - rule.active_s < rule.for_s:
            self._prometheus.set_alert(rule.labels, rule.annotations, state="pending", active_at=rule.active_at)
            return
        self._prometheus.set_alert(rule.labels, rule.annotations, active_at=rule.active_at)
        if rule.sent_s is None or now_s - rule.sent_s >= _RESEND_S:
            started_at = rule.active_at + timedelta(seconds=rule.for_s / self._pace.speed)
            self._send(rule, started_at, self._pace.now() + _EXPIRY)
            rule.sent_s = now_s

    def _over(self, rule: AlertRule) -> None:
        self._prometheus.clear_alert(rule.labels)
        if rule.sent_s is not None and rule.active_at is not None:
            started_at = rule.active_at + timedelta(seconds=rule.for_s / self._pace.speed)
            self._send(rule, started_at, self._pace.now())
        rule.active_at, rule.sent_s = None, None

    def _send(self, rule: AlertRule, starts_at: datetime, ends_at: datetime) -> None:
        self._alertmanager.push(
            rule.labels,
            rule.annotations,
            starts_at=starts_at,
            ends_at=ends_at,
            generator_url="http://prometheus.example.net/graph?g0.expr=sandbox",
        )
