"""The webhook body, version 4, byte for byte in the shape that Alertmanager 0.33 sends."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.sandbox.alerts import Alert
from remediator.sandbox.timekeeping import rfc3339_nano

ZERO_TIME = "0001-01-01T00:00:00Z"
USER_AGENT = "Alertmanager/0.33.1"
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True, slots=True)
class Flush:
    """What one flush of one group has to tell, as it was at that instant: retries send it unchanged."""

    group_labels: Mapping[str, str]
    alerts: Sequence[Alert]
    at: datetime

    @property
    def firing(self) -> frozenset[str]:
        return frozenset(alert.fingerprint for alert in self.alerts if not alert.resolved_at(self.at))

    @property
    def resolved(self) -> frozenset[str]:
        return frozenset(alert.fingerprint for alert in self.alerts if alert.resolved_at(self.at))


def render(flush: Flush, *, receiver: str, reason: str, external_url: str, max_alerts: int) -> bytes:
    """The body, ended by a newline. With `max_alerts` everything is computed from the alerts that are left."""
    ordered = sorted(flush.alerts, key=lambda alert: tuple(sorted(alert.labels.items())))
    sent = ordered[:max_alerts] if max_alerts else ordered
    firing = any(not alert.resolved_at(flush.at) for alert in sent)
    body = {
        "receiver": receiver,
        "status": "firing" if firing else "resolved",
        "alerts": [_alert(alert, flush.at) for alert in sent],
        "notification_reason": reason,
        "groupLabels": dict(sorted(flush.group_labels.items())),
        "commonLabels": _common([alert.labels for alert in sent]),
        "commonAnnotations": _common([alert.annotations for alert in sent]),
        "externalURL": external_url,
        "version": "4",
        "groupKey": group_key(flush.group_labels),
        "truncatedAlerts": len(ordered) - len(sent),
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return text.encode() + b"\n"


def group_key(labels: Mapping[str, str]) -> str:
    """`{}:{alertname="X"}`: the root route has no matchers."""
    listed = ", ".join(f"{name}={json.dumps(labels[name], ensure_ascii=False)}" for name in sorted(labels))
    return f"{{}}:{{{listed}}}"


def _alert(alert: Alert, at: datetime) -> dict[str, Any]:
    resolved = alert.resolved_at(at)
    return {
        "status": "resolved" if resolved else "firing",
        "labels": dict(sorted(alert.labels.items())),
        "annotations": dict(sorted(alert.annotations.items())),
        "startsAt": rfc3339_nano(alert.starts_at),
        "endsAt": rfc3339_nano(alert.ends_at) if resolved else ZERO_TIME,
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def _common(sets: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if not sets:
        return {}
    first, *rest = sets
    return {name: value for name, value in sorted(first.items()) if all(other.get(name) == value for other in rest)}
