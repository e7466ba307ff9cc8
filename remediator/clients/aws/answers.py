"""Answers of AWS that are understood or are none."""

from collections.abc import Callable
from typing import TypeVar

from remediator.errors import FactsMissingError, StepError

T = TypeVar("T")


def understood(what: str, read: Callable[[], T], otherwise: type[StepError] = FactsMissingError) -> T:
    """What was answered, or ``otherwise``: of a read that the fact is missing, of a write that its outcome is unknown."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise otherwise(f"{what}: the answer cannot be understood: {type(error).__name__}: {error}") from None
