"""Severity (S4): what the label says, what settings make of it, what PagerDuty calls it."""

from collections.abc import Mapping
from enum import StrEnum


class Severity(StrEnum):
    """Ours, from the runbooks. ``UNKNOWN`` is told like high and never acts by itself; ``NONE`` is never remediated."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    UNKNOWN = "unknown"
    NONE = "none"

    @property
    def rank(self) -> int:
        """Order of deciding: smaller first. Unknown ranks with high, because it is told like high."""
        return _RANKS[self]

    @property
    def told_as(self) -> "Severity":
        """The severity that decides whom to tell."""
        return Severity.HIGH if self is Severity.UNKNOWN else self


_RANKS = {
    Severity.CRITICAL: 0,
    Severity.HIGH: 1,
    Severity.UNKNOWN: 1,
    Severity.MEDIUM: 2,
    Severity.LOW: 3,
    Severity.NONE: 4,
}

RANKS = tuple(sorted(set(_RANKS.values())))
"""Every rank, the most urgent first."""

PAGERDUTY_WORDS: Mapping[Severity, str] = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.UNKNOWN: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
    Severity.NONE: "info",
}
"""Events API v2 knows exactly critical, error, warning, info (``payload.severity``)."""

DEFAULT_LABEL_VALUES: Mapping[str, Severity] = {
    "critical": Severity.CRITICAL,
    "page": Severity.CRITICAL,
    "p1": Severity.CRITICAL,
    "high": Severity.HIGH,
    "error": Severity.HIGH,
    "p2": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "warning": Severity.MEDIUM,
    "p3": Severity.MEDIUM,
    "low": Severity.LOW,
    "info": Severity.LOW,
    "p4": Severity.LOW,
    "none": Severity.NONE,
}


def severity_of(labels: Mapping[str, str], values: Mapping[str, Severity] = DEFAULT_LABEL_VALUES) -> Severity:
    """The severity of an alert with these labels; absent and unlisted values are ``UNKNOWN``."""
    return values.get(labels.get("severity", "").strip().lower(), Severity.UNKNOWN)
