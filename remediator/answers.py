"""Three-valued answers: not knowing is neither yes nor no (S7)."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Self


class Answer(StrEnum):
    """What a question asked of the world was answered."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, fact: bool) -> Self:
        """The answer where the fact is known."""
        return cls("yes" if fact else "no")


def all_of(answers: Iterable[Answer]) -> Answer:
    """No if any is a known no, else unknown if any is unknown, else yes.

    Raises ValueError for none at all: "everything holds" must never come from having asked nothing.
    """
    given = _some(answers)
    if Answer.NO in given:
        return Answer.NO
    return Answer.UNKNOWN if Answer.UNKNOWN in given else Answer.YES


def any_of(answers: Iterable[Answer]) -> Answer:
    """Yes if any is a known yes, else unknown if any is unknown, else no. Raises ValueError for none at all."""
    return negate(all_of(negate(answer) for answer in answers))


def negate(answer: Answer) -> Answer:
    """The opposite of what is known; unknown stays unknown."""
    match answer:
        case Answer.YES:
            return Answer.NO
        case Answer.NO:
            return Answer.YES
        case Answer.UNKNOWN:
            return Answer.UNKNOWN


def _some(answers: Iterable[Answer]) -> frozenset[Answer]:
    given = frozenset(answers)
    if not given:
        raise ValueError("no answers to combine")
    return given
