"""The alerts that the small Alertmanager knows, and how updates of one alert merge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remediator.sandbox.fingerprints import fingerprint
from remediator.sandbox.matchers import Matcher, all_match
from remediator.sandbox.timekeeping import Pace


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `ends_at` in the future is the expiry after which it counts as resolved by itself."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime
    generator_url: str
    fingerprint: str

    def resolved_at(self, now: datetime) -> bool:
        return self.ends_at <= now


class AlertPool:
    """Alerts by fingerprint. `resolve_timeout_s`: how long an alert without endsAt fires after its last push."""

    def __init__(self, pace: Pace, resolve_timeout_s: float) -> None:
        self._pace = pace
        self._resolve_timeout_s = resolve_timeout_s
        self._alerts: dict[str, Alert] = {}
        self._silences: dict[str, list[Matcher]] = {}

    def push(
        self,
        labels: Mapping[str, str],
        annotations: Mapping[str, str] | None = None,
        *,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        generator_url: str = "",
    ) -> Alert | None:
        """Take one alert in; None when it is new and has ended already. Labels without a value are dropped."""
        now = self._pace.now()
        kept = {name: value for name, value in labels.items() if value != ""}
        timeout = timedelta(seconds=self._resolve_timeout_s / self._pace.speed)
        alert = Alert(
            labels=kept,
            annotations=dict(annotations or {}),
            starts_at=starts_at or ends_at or now,
            ends_at=ends_at or now + timeout,
            updated_at=now,
            generator_url=generator_url,
            fingerprint=fingerprint(kept),
        )
        old = self._alerts.get(alert.fingerprint)
        if old is not None and (not old.resolved_at(now) or alert.starts_at <= old.ends_at):
            # An update of the same firing: the earliest start stays.
            alert = replace(alert, starts_at=min(old.starts_at, alert.starts_at))
        elif alert.resolved_at(now):
            return None
        self._alerts[alert.fingerprint] = alert
        return alert

    def get(self, fingerprint: str) -> Alert | None:
        """The latest of this alert, also when it has ended."""
        return self._alerts.get(fingerprint)

    def firing(self) -> list[Alert]:
        """Alerts that have not ended, suppressed ones too."""
        now = self._pace.now()
        return [alert for alert in self._alerts.values() if not alert.resolved_at(now)]

    def silence(self, silence_id: str, matchers: list[Matcher]) -> None:
        self._silences[silence_id] = matchers

    def expire(self, silence_id: str) -> None:
        """End a silence; raises KeyError when it is unknown."""
        del self._silences[silence_id]

    def silenced_by(self, alert: Alert) -> list[str]:
        return [sid for sid, matchers in self._silences.items() if all_match(matchers, alert.labels)]
