"""Sizes as Kubernetes writes them (``10Gi``, ``1500M``, ``5e9``), exact: no floats, so that nothing is asked that was not meant."""

import re
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator

_FORM = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?P<suffix>[eE][+-]?[0-9]{1,2}|[KMGTPE]i|[numkMGTPE]|)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_LARGEST = 2**63 - 1
"""Of a size that the API server takes as it stands."""


def size(text: str) -> int:
    """So many bytes; parts of a byte count as one.

    Raises:
        ValueError: no size that Kubernetes would take, or not above zero. The message quotes it safely.
    """
    found = _FORM.fullmatch(text) if len(text) <= 64 else None
    if found is None:
        accepted = "a number with Ki, Mi, Gi, Ti, Pi, k, M, G, T or P, such as 20Gi"
        raise ValueError(f"{text[:40]!r} is no size; accepted: {accepted}")
    suffix = found["suffix"]
    exact = Fraction(found["number"])
    if suffix in _BINARY:
        exact *= 1024 ** _BINARY[suffix]
    else:
        exact *= Fraction(10) ** (_DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:]))
    rounded = -(-exact.numerator // exact.denominator)
    if not 0 < rounded <= _LARGEST:
        raise ValueError(f"{text[:40]!r} is no size above zero and below 8Ei")
    return rounded


def written(bytes_: int, *, like: str) -> str:
    """Without loss, in the largest unit that leaves no fraction, binary or decimal as the other size is."""
    units = (
        [(f"{prefix}i", 1024**power) for power, prefix in enumerate("KMGTPE", 1)]
        if _is_binary(like)
        else [(prefix, 1000**power) for power, prefix in enumerate("kMGTPE", 1)]
    )
    for suffix, unit in reversed(units):
        if bytes_ % unit == 0:
            return f"{bytes_ // unit}{suffix}"
    return str(bytes_)


def grown(text: str, by_percent: int) -> int:
    """A size and so many percent of it more, rounded up to a whole Mi (or M): storage comes in no smaller pieces."""
    before = size(text)
    piece = 1024**2 if _is_binary(text) else 1000**2
    wanted = Fraction(before * (100 + by_percent), 100) / piece
    return -(-wanted.numerator // wanted.denominator) * piece


def _is_binary(text: str) -> bool:
    return text.endswith("i") or (text.isdecimal() and int(text) % 1024 == 0)


def _checked(text: str) -> str:
    size(text)
    return text


Size = Annotated[str, AfterValidator(_checked)]
"""For parameters: a size as Kubernetes writes it, refused when it is none."""
