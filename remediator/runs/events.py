"""The words between the machine and the runner: commands one way, events the other."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from remediator.answers import Answer
from remediator.runs.cursor import Question


class Do(Enum):
    """What the runner is to do; each is answered by exactly one event."""

    CHECK = "check"
    """Ask guards, plan and episode again -> Admitted, Denied."""
    APPLY = "apply"
    """Apply; the begun mark is stored -> Applied, Refused."""
    LAND = "land"
    """Look for our mark -> Answer; Applied.PARTLY when it is there and the rest of the step is not done yet."""
    LOOK_EFFECT = "look_effect"
    """Ask the action whether the effect has run its course -> Answer."""
    LOOK_VERIFY = "look_verify"
    """Ask the remedy's conditions -> Answer."""
    ASK_PERSON = "ask_person"
    """Wait for ``runs answer`` -> PersonSaid."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until``; then ``resume``."""

    until: datetime


Command = Do | Wait


@dataclass(frozen=True, slots=True)
class Admitted:
    """All guards said yes and the plan is made, for this remedy."""

    remedy: int


@dataclass(frozen=True, slots=True)
class Denied:
    """Not to be begun now. ``paused``: because of a pause. ``no_remedy``: no further remedy applies. ``unread``: only because
    the world could not be read, so asking again may help."""

    reason: str
    paused: bool = False
    no_remedy: bool = False
    unread: bool = False


class Applied(Enum):
    """How the call ended."""

    DONE = "done"
    NOT_DONE = "not_done"
    """Certainly nothing changed; may be tried again."""
    PARTLY = "partly"
    """Something was done, and the rest could not be done yet."""
    LOST = "lost"
    """Sent, no answer."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly nothing changed, and repeating will not help; ``overtaken``: because the world changed first (S16)."""

    reason: str
    overtaken: bool = False


class PersonSaid(Enum):
    """Answers of ``runs answer``."""

    LANDED = "yes"
    NOT_LANDED = "no"
    NOBODY_KNOWS = "unknown"
    CONTINUE = "continue"
    UNDO = "undo"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody asked to cancel."""

    by: str


Event = Admitted | Denied | Applied | Refused | Answer | PersonSaid | Cancel

ANSWERS: dict[Question, frozenset[PersonSaid]] = {
    Question.LANDED: frozenset({PersonSaid.LANDED, PersonSaid.NOT_LANDED, PersonSaid.NOBODY_KNOWS}),
    Question.PAUSED: frozenset({PersonSaid.CONTINUE, PersonSaid.UNDO, PersonSaid.ABANDON}),
    Question.UNDO_FAILED: frozenset({PersonSaid.CONTINUE, PersonSaid.ABANDON}),
}
"""Which answers a question takes."""
