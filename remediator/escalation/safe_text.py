"""Text from outside, made fit to be shown: labels, annotations and errors are hostile, and PagerDuty refuses what is too long."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

ELLIPSIS = "…"


def clean(text: str, limit: int) -> str:
    """One line without control, direction-changing or half characters, at most ``limit`` UTF-16 units long."""
    head = text[: 2 * limit]  # a label may have megabytes; nothing behind this can be shown
    visible = "".join(
        " " if unicodedata.category(character).startswith(("C", "Z")) else character for character in head
    )
    return cut(" ".join(visible.split()), limit)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning with an ellipsis, at most ``limit`` UTF-16 units long (how others may count)."""
    if len(text) * 2 <= limit or _units(text) <= limit:
        return text
    kept, room = 0, limit - 1
    for character in text:
        room -= _units(character)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + ELLIPSIS


def web_link(text: str) -> str | None:
    """The text if it is an http or https address that can be shown as a link, else None."""
    link = text.strip()
    if not link.startswith(("https://", "http://")) or len(link) > 2_000:
        return None
    plain = link.isascii() and link.isprintable() and not any(character in link for character in " <>\"'`\\")
    return link if plain else None


def size(value: Any) -> int:
    """Bytes of the value as the JSON that is sent."""
    return len(json.dumps(value, ensure_ascii=True).encode())


def fit(details: Mapping[str, Any], order: Sequence[str], limit: int) -> dict[str, Any]:
    """The details in at most ``limit`` bytes. The lists named in ``order`` lose their ends, the least important list first.

    A list of which something was left out says so at its end.
    """
    fitted = dict(details)
    for name in order:
        entries = list(fitted.get(name, ()))
        kept = len(entries)
        while kept and size(fitted) > limit:
            kept //= 2
            fitted[name] = [*entries[:kept], f"{len(entries) - kept} more left out, too large for a page"]
    return fitted


def _units(text: str) -> int:
    return len(text) + sum(ord(character) > 0xFFFF for character in text)
