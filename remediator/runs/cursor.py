"""Where a run stands: a value that fits in one column and says everything that the machine needs to go on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

Direction = Literal["apply", "undo"]


class Phase(StrEnum):
    SETTLE = "settle"
    """Waiting before the first change (S11), or until a reverse is due."""
    CHECK = "check"
    """Guards, plan and episode are asked again (S10); nothing is begun."""
    APPLY = "apply"
    """Marked as begun. The change may be anywhere between unsent and done."""
    LAND = "land"
    """The answer was lost: looking for our own mark (S15)."""
    EFFECT = "effect"
    """Done; its effect must run its course before what comes next."""
    VERIFY = "verify"
    """The remedy's conditions are asked (S24)."""
    WATCH = "watch"
    """Unknown at the end: nothing more is changed, people are told, still looking (S24)."""
    LAST_LOOK = "last_look"
    """Cancelled after a change: the world is verified once (S18)."""
    PERSON = "person"
    """Only a person can say how it goes on (S19)."""
    ENDED = "ended"


class Outcome(StrEnum):
    """How a run ended. Only ``verified`` and ``informed`` are success."""

    VERIFIED = "verified"
    INFORMED = "informed"
    REFUTED = "refuted"
    UNKNOWN = "unknown"
    FAILED = "failed"
    OVERTAKEN = "overtaken"
    CANCELLED = "cancelled"
    REHEARSED = "rehearsed"


class Question(StrEnum):
    """What a person is asked."""

    LANDED = "landed"
    """Did this step happen? Answered yes, no or unknown."""
    PAUSED = "paused"
    """Stopped by a pause after a change, and it did not work: continue, undo or abandon (S23)."""
    UNDO_FAILED = "undo_failed"
    """The undo did not go through: continue (try again) or abandon (S19)."""


EFFECT_WITHIN = timedelta(minutes=10)
"""How long a step's effect may usually take when something waits for it."""


@dataclass(frozen=True, slots=True)
class RemedyShape:
    """What the machine must know of a remedy."""

    steps: int
    within: timedelta
    hold: timedelta
    if_refuted: Literal["undo", "keep"]
    writes: bool = True
    """False: its steps only look, and the run ends ``informed``."""
    effect_within: timedelta = EFFECT_WITHIN
    """How long the effect of one of its steps may take when something waits for it: as long as the slowest of its actions needs."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the machine must know of a run's playbook and mode. Fixed for the run's life."""

    remedies: tuple[RemedyShape, ...]
    rehearsal: bool
    """Dry-run: applied through the dry client, nothing verified or undone (S14)."""
    settle: timedelta
    look: timedelta
    """Between two looks."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a run stands. Instants are aware UTC."""

    phase: Phase
    since: datetime
    """When the phase was entered."""
    remedy: int = 0
    step: int = 0
    direction: Direction = "apply"
    attempts: int = 0
    """Times that the present step was begun."""
    done: tuple[int, ...] = ()
    """Steps of this remedy that changed the world and were not undone."""
    changed: bool = False
    """Something was changed in this run, in any remedy."""
    parts_since: datetime | None = None
    """Since when the present step has been done in parts."""
    reverses: str | None = None
    """The run that made for a time what this one puts back; ``remedy`` and ``step`` say which of its steps."""
    hold_since: datetime | None = None
    """Since when the conditions hold without a break."""
    absent_since: datetime | None = None
    """Since when looks have not found the alert; absence counts only when two looks agree (S26)."""
    restart_until: datetime | None = None
    """An unknown look ended a hold, which may begin again until then, also after ``within``."""
    stopped: str | None = None
    """Why no further step or remedy may be begun."""
    paused: bool = False
    """What stopped it was a pause."""
    cancelled: bool = False
    outcome: Outcome | None = None
    note: str = ""
    """For people: why it ended, waits or looks again."""
    question: Question | None = None

    def to_json(self) -> dict[str, Any]:
        """For the store; ``from_json`` gives an equal cursor."""
        values = {name: getattr(self, name) for name in self.__slots__}
        instants = {name: None if (at := values[name]) is None else at.isoformat() for name in _INSTANTS}
        return values | instants | {"done": list(self.done)}

    def moved(self, step: timedelta) -> Self:
        """The same cursor after a step of the clock (S28)."""
        instants: dict[str, Any] = {
            name: None if (at := getattr(self, name)) is None else at + step for name in _INSTANTS
        }
        return replace(self, **instants)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read back what ``to_json`` made."""
        # A run of an earlier release has no parts_since and no reverses.
        instants = {
            name: None if (at := document.get(name)) is None else datetime.fromisoformat(at) for name in _INSTANTS
        }
        kinds = {name: None if document[name] is None else kind(document[name]) for name, kind in _KINDS.items()}
        return cls(**{**document, **instants, **kinds, "done": tuple(document["done"])})


_INSTANTS = ("since", "parts_since", "hold_since", "absent_since", "restart_until")
_KINDS = {"phase": Phase, "outcome": Outcome, "question": Question}
