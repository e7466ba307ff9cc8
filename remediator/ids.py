"""Names for rows and effects, and the only place that draws random ones.

All are ``<prefix>_`` and 26 lower-case characters of Crockford's base32: valid as Kubernetes label and annotation
values, and with ``_`` turned into ``-`` also as object names.
"""

import hashlib
import os
import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_RANDOM = 16
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_PART = (1 << 40) - 1
_PREFIX = re.compile(r"[a-z]{2,12}")


def new_id(prefix: str) -> str:
    """A fresh id that sorts by the millisecond it was made in (a ULID); within one millisecond order is random."""
    milliseconds = time.time_ns() // 1_000_000  # noqa: TID251 - orders rows for people; nothing decides by it
    # The random half has hexadecimal digits only, 64 bits: a storm makes thousands of names a second, and hex() is in C.
    return _begun(prefix, milliseconds & (1 << 48) - 1) + os.urandom(8).hex()


@lru_cache(maxsize=64)
def _begun(prefix: str, milliseconds: int) -> str:
    return _named(prefix, milliseconds << 80)[:-_RANDOM]


def first_id_at(prefix: str, at: datetime) -> str:
    """Sorts before every id that ``new_id`` makes at this instant or later."""
    return _named(prefix, (at - _EPOCH) // timedelta(milliseconds=1) << 80)


def id_after(prefix: str, former: str | None) -> str:
    """A fresh id that sorts after ``former``, also within one millisecond and after the clock was set back."""
    fresh = new_id(prefix)
    if former is None or fresh > former:
        return fresh
    number = 0
    for digit in former.removeprefix(f"{prefix}_"):
        number = number << 5 | _ALPHABET.index(digit)
    return _named(prefix, number + 1)


def derived_id(prefix: str, *parts: str) -> str:
    """The same id for the same prefix and parts, in every process and for ever; other parts give another id."""
    if not parts:
        raise ValueError("an id must be derived from at least one part")
    digest = hashlib.sha256()
    for part in (prefix, *parts):
        # surrogatepass: labels may hold lone surrogates, which JSON allows.
        # The length keeps ("ab", "c") from ("a", "bc").
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return _named(prefix, int.from_bytes(digest.digest(), "big") >> 256 - 5 * _LENGTH)


def intent_id(run_id: str, remedy: int, step: int, direction: str) -> str:
    """Names one effect of a run, equal for every attempt at it (S15); ``direction`` is ``apply`` or ``undo``."""
    return derived_id("int", run_id, str(remedy), str(step), direction)


def _named(prefix: str, number: int) -> str:
    if _PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"an id's prefix is 2 to 12 lower-case letters, not {prefix!r}")
    # In three parts: beyond 60 bits Python's integers are slow, and a storm needs thousands of names a second.
    high, middle, low = number >> 80, number >> 40 & _PART, number & _PART
    digits = [_PAIRS[high >> 40], _PAIRS[high >> 30 & 1023], _PAIRS[high >> 20 & 1023], _PAIRS[high >> 10 & 1023]]
    digits += [_PAIRS[high & 1023], _PAIRS[middle >> 30], _PAIRS[middle >> 20 & 1023], _PAIRS[middle >> 10 & 1023]]
    digits += [_PAIRS[middle & 1023], _PAIRS[low >> 30], _PAIRS[low >> 20 & 1023], _PAIRS[low >> 10 & 1023]]
    return f"{prefix}_{''.join(digits)}{_PAIRS[low & 1023]}"
