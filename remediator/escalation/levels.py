"""Levels and their keys (S35), and which of them hold a person's attention."""

from collections.abc import Sequence

from remediator.escalation.facts import Told

LONGEST_KEY = 255
"""PagerDuty's limit for a dedup key."""


def dedup_key(incident_id: str, recurrences: int, level: int = 1) -> str:
    """``<incident>/L<n>``, with ``/<recurrences>`` behind it once the incident was reopened: a trigger under a resolved key
    would be a new page without its history, and a late resolve of the first opening must not end the second."""
    suffix = f"/{recurrences}" if recurrences else ""
    return f"{incident_id}/L{level}{suffix}"[:LONGEST_KEY]


def triggered(told: Sequence[Told]) -> tuple[str, ...]:
    """Keys that were triggered and not resolved since."""
    last = {message.dedup_key: message.action for message in told}
    return tuple(key for key, action in last.items() if action == "trigger")


def resolves(told: Sequence[Told], key: str) -> int:
    """How often this key was resolved. Part of later causes: what was told before a resolve must be told again after it."""
    return sum(message.action == "resolve" and message.dedup_key == key for message in told)


def holding(told: Sequence[Told], key: str) -> tuple[str, ...]:
    """Causes that triggered this key since its last resolve."""
    causes: list[str] = []
    for message in told:
        if message.dedup_key == key:
            causes = [*causes, message.cause] if message.action == "trigger" else []
    return tuple(causes)
