"""What the store must say of runs, kept in plain Python by the rules of S17, S18, S19 and S39, for tests that compare."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from remediator.runs.cursor import Cursor, Outcome, Phase, Question
from remediator.store.runs import RunRow
from remediator.targets import Target

Kind = Literal["ready", "approval", "scheduled"]
"""In which state it waits while it has begun nothing."""

ACTIVE = ("ready", "running", "waiting", "needs_person")
LEASE = timedelta(seconds=30)
GRACE = timedelta(seconds=10)
BUSY = timedelta(seconds=2)


@dataclass
class Run:
    """One run as it must stand in its row."""

    id: str
    target: Target
    kind: Kind
    wake_at: datetime | None
    reverses: str | None = None
    expires_at: datetime | None = None
    """Of its approval request."""
    answered: str | None = None
    """... and what was said."""
    state: str = ""
    owner: str | None = None
    fence: int = 0
    lease_until: datetime | None = None
    applying: bool = False
    """Its cursor stands at a begun step."""
    unsettled: bool = False
    """So does its journal."""
    begun: bool = False
    cancel_at: datetime | None = None
    locked: bool = False

    def __post_init__(self) -> None:
        self.state = self.kind

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def inactive(self) -> bool:
        """It waits for a yes, or for its time."""
        return self.state in ("approval", "scheduled")

    @property
    def takes_locks(self) -> bool:
        """A claim of it is to do something; else only to end it."""
        unanswered = self.state == "approval" and self.answered != "approved"
        return not unanswered and not (self.inactive and self.cancel_at is not None)

    def due(self, now: datetime) -> bool:
        free = self.owner is None or (self.lease_until is not None and self.lease_until < now - GRACE)
        return self.state != "ended" and self.wake_at is not None and self.wake_at <= now and free

    def cursor(self, phase: Phase, now: datetime) -> Cursor:
        """Where a drive of it may stand in this phase."""
        ended, asked = phase is Phase.ENDED, phase is Phase.PERSON
        return Cursor(
            phase,
            since=now,
            changed=self.begun,
            reverses=self.reverses,
            outcome=Outcome.FAILED if ended else None,
            note="refused" if ended else "",
            question=Question.LANDED if asked else None,
        )

    def freed(self, wake_at: datetime | None, state: str) -> None:
        """Nobody holds it any more; what has begun nothing gives back its locks."""
        self.owner, self.lease_until, self.wake_at = None, None, wake_at
        self.state = state if self.begun else self.kind
        self.locked = self.locked and self.begun
        self.applying = self.applying and state == "running"

    def ended(self) -> None:
        self.freed(None, "ended")
        self.state, self.locked = "ended", False


@dataclass
class Model:
    """All runs, and who may do what with them."""

    runs: dict[str, Run] = field(default_factory=dict)
    pauses: dict[str, int] = field(default_factory=dict)
    """How many stand, by scope."""

    def active_on(self, target: Target, *, without: str = "") -> bool:
        return any(run.active and run.target == target and run.id != without for run in self.runs.values())

    def in_the_way(self, run: Run) -> bool:
        """Somebody keeps it from its target."""
        if run.inactive and self.active_on(run.target, without=run.id):
            return True
        return any(
            other.locked and other is not run and conflict(other.target, run.target) for other in self.runs.values()
        )

    def current(self, claim: RunRow) -> bool:
        """It is the newest claim of its run, and was not given back."""
        run = self.runs[claim.id]
        return (run.owner, run.fence) == (claim.owner, claim.fence)

    def locks(self) -> Iterator[tuple[str, str, bool]]:
        """Every lock: run, scope, exclusive."""
        for run in self.runs.values():
            if run.locked:
                for kind, scopes in run.target.scopes().items():
                    for scope in scopes:
                        yield run.id, f"live|{scope}", kind == "exclusive"

    def counted(self) -> set[str]:
        """Runs in the ledger: in hand, or begun. A reverse is counted with what it reverses."""
        return {run.id for run in self.runs.values() if not run.reverses and (run.state != "ended" or run.begun)}


def conflict(one: Target, other: Target) -> bool:
    """Two runs on these may not be under way at once (S17)."""
    mine, theirs = one.scopes(), other.scopes()
    alone, also_alone = set(mine["exclusive"]), set(theirs["exclusive"])
    return bool(alone & also_alone or alone & set(theirs["shared"]) or set(mine["shared"]) & also_alone)
