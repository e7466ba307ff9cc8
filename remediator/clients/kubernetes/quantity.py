"""Sizes of volumes as Kubernetes writes them (``10Gi``, ``1500M``), exact, so that nothing is asked that was not meant."""

from fractions import Fraction
from math import ceil
from typing import Annotated

from pydantic import AfterValidator

from remediator.clients.kubernetes.amounts import amount

_LARGEST = 2**63 - 1
"""Of a size that the API server takes as it stands."""


def size(text: str) -> int:
    """So many bytes; a part of one counts as one.

    Raises:
        ValueError: no size that Kubernetes would take, or not above zero. The message quotes it safely.
    """
    try:
        exact = ceil(amount(text))
    except ValueError:
        accepted = "a number with Ki, Mi, Gi, Ti, Pi, k, M, G, T or P, such as 20Gi"
        raise ValueError(f"{text[:40]!r} is no size; accepted: {accepted}") from None
    if not 0 < exact <= _LARGEST:
        raise ValueError(f"{text[:40]!r} is no size above zero and below 8Ei")
    return exact


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
    piece = 1024**2 if _is_binary(text) else 1000**2
    return ceil(Fraction(size(text) * (100 + by_percent), 100) / piece) * piece


def _is_binary(text: str) -> bool:
    return text.endswith("i") or (text.isdecimal() and int(text) % 1024**2 == 0)


def _checked(text: str) -> str:
    size(text)
    return text


Size = Annotated[str, AfterValidator(_checked)]
"""For parameters: a size as Kubernetes writes it, refused when it is none."""
