"""Certificates that run out soon, as alerts of our own (S1, source ``watcher``). Pure.

The fingerprint is made of the labels, and the start of the time that the certificate itself sets, so that every replica raises the
same, and a restart changes nothing. As with rules in Prometheus there is one alert for each severity: what began as a warning goes on
beside the urgent one, and both end when a later certificate is there.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from remediator.alerts.payload import Alert

ALERTNAME = "CertificateExpiry"
SOURCE = "watcher"

_FIRST = datetime.min.replace(tzinfo=UTC)
_USUALLY = 2 / 3
"""Of its lifetime: when a certificate is renewed about which nothing else is known. It is cert-manager's own default."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """When to speak up. A certificate for a day is never far from its end, and so what was already lost of the time that is
    meant for its renewal counts, too."""

    severity: str
    within: timedelta
    lost: float
    """Part of the time between the renewal that was due and the end."""


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate and where it was seen."""

    place: Mapping[str, str]
    """Labels that say where, and no other certificate has."""
    what: str
    """For people."""
    not_before: datetime | None
    not_after: datetime
    renewal_time: datetime | None = None
    """When whoever renews it means to do so; None: nobody has said."""

    def begins(self, threshold: Threshold) -> datetime:
        """When its end is near enough."""
        near = self.not_after - min(threshold.within, self.not_after - _FIRST)  # a certificate may say any year
        due = self._renewal_due()
        return near if due is None else max(near, due + (self.not_after - due) * threshold.lost)

    def _renewal_due(self) -> datetime | None:
        due = self.renewal_time
        if due is None and self.not_before is not None:
            due = self.not_before + (self.not_after - self.not_before) * _USUALLY
        return None if due is None or due > self.not_after else due


def thresholds(*, warn_within: timedelta, urgent_within: timedelta) -> tuple[Threshold, ...]:
    """A tenth of the time for renewal is lost soon when nobody renews; of two thirds a person should know."""
    return (Threshold("medium", warn_within, 0.1), Threshold("high", urgent_within, 2 / 3))


def alerts(held: Held, at: tuple[Threshold, ...], now: datetime) -> Iterator[Alert]:
    """Those that fire now."""
    for threshold in at:
        begins = held.begins(threshold)
        if begins > now:
            continue
        labels = {"alertname": ALERTNAME, "severity": threshold.severity, **held.place}
        over = held.not_after <= now
        yield Alert(
            firing=True,
            labels=labels,
            annotations={
                "summary": f"{held.what} {'ran out' if over else 'runs out'} {held.not_after:%Y-%m-%d %H:%M}Z",
                "description": _description(held),
            },
            starts_at=begins,
            ends_at=None,
            generator_url="",
            fingerprint=fingerprint(labels),
        )


def ended(labels: Mapping[str, str], starts_at: datetime, now: datetime) -> Alert:
    """The end of one that was raised before."""
    return Alert(
        firing=False,
        labels=dict(labels),
        annotations={},
        starts_at=starts_at,
        ends_at=now,
        generator_url="",
        fingerprint=fingerprint(labels),
    )


def fingerprint(labels: Mapping[str, str]) -> str:
    """The same for the same labels."""
    return hashlib.sha256(json.dumps(sorted(labels.items())).encode()).hexdigest()[:16]


def group_of(labels: Mapping[str, str]) -> str:
    """What the alerts about one certificate have in common."""
    return ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "severity")


def _description(held: Held) -> str:
    if held.renewal_time is None:
        return "Found by remediator's own look at certificates; nothing says that anybody renews it."
    return f"Found by remediator's own look at certificates; its renewal was due {held.renewal_time:%Y-%m-%d %H:%M}Z."
