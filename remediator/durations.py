"""Prometheus durations (``1h30m``, ``500ms``, ``0s``) to ``timedelta`` and back: how times are written everywhere here."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

_MILLISECONDS = {
    "y": 365 * 24 * 3_600_000,
    "w": 7 * 24 * 3_600_000,
    "d": 24 * 3_600_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_FORM = "".join(rf"(?:(\d{{1,15}}){unit})?" for unit in _MILLISECONDS)
_DURATION = re.compile(_FORM, re.ASCII)
_LONGEST_MS = 2**63 // 1_000_000  # Prometheus keeps nanoseconds in an int64: about 292 years
_ACCEPTED = (
    "whole numbers with units y, w, d, h, m, s, ms, largest unit first and each at most once, such as 30s, 15m or 1h30m"
)

DURATION_PATTERN = r"^(0|([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$"


def parse_duration(text: str) -> timedelta:
    """Read a Prometheus duration. A day is 24 h, a week 7 d, a year 365 d.

    Raises:
        ValueError: not a duration, or longer than Prometheus can hold; the message says what is accepted.
    """
    if text == "0":
        return timedelta(0)
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text[:40]!r} is not a duration; accepted: {_ACCEPTED}")
    total_ms = sum(
        int(count) * size for count, size in zip(found.groups(), _MILLISECONDS.values(), strict=True) if count
    )
    if total_ms >= _LONGEST_MS:
        raise ValueError(f"{text[:40]!r} is too long; accepted: less than 292y")
    return timedelta(milliseconds=total_ms)


def format_duration(duration: timedelta) -> str:
    """Write a duration as Prometheus does; ``parse_duration`` reads it back, to the millisecond (the rest is rounded).

    Raises:
        ValueError: the duration is negative, which Prometheus cannot write.
    """
    rest = round(duration / timedelta(milliseconds=1))
    if rest < 0:
        raise ValueError("a duration cannot be negative")
    if rest == 0:
        return "0s"
    written = ""
    for unit, size in _MILLISECONDS.items():
        # Like Prometheus: large units only where they divide exactly, so that 36h is not shown as 1d12h.
        if unit in ("y", "w", "d") and rest % size:
            continue
        count, rest = divmod(rest, size)
        written += f"{count}{unit}" if count else ""
    return written


def _validate(value: Any) -> Any:
    if isinstance(value, timedelta):
        if value < timedelta(0):
            raise PydanticCustomError("duration", "a duration cannot be negative")
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("duration", f"a duration is text with a unit; accepted: {_ACCEPTED}")
    try:
        return parse_duration(value)
    except ValueError as error:
        raise PydanticCustomError("duration", str(error)) from None


Duration = Annotated[
    timedelta,
    BeforeValidator(_validate),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["30s", "15m", "1h30m"]}),
]
"""A pydantic field that takes a Prometheus duration or a ``timedelta`` and writes the former."""
