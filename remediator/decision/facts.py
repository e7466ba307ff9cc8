"""Everything that a decision rests on, gathered in one place. A fact that could not be had stands in ``missing``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from remediator.alerts.severity import Severity
from remediator.playbooks.model import Autonomy
from remediator.runs.plan import Plan
from remediator.targets import Target

Kind = Literal["wait", "refuse"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that stands in the way, found while the facts were gathered."""

    code: str
    text: str
    kind: Kind = "refuse"


@dataclass(frozen=True, slots=True)
class EpisodeFacts:
    """The alert. ``confirmed_at`` is None after a reopening that nobody confirmed (S2)."""

    firing: bool
    severity: Severity
    first_received_at: datetime
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class PauseFact:
    """A pause that covers this playbook and target."""

    scope: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeFact:
    """The last change of the target by any playbook. ``outcome`` is None while that run is under way."""

    at: datetime
    playbook: str
    outcome: str | None
    only_looked: bool = False
    """A diagnosis, which is no change: it counts only for the playbook that made it, or that would make it again and again."""


@dataclass(frozen=True, slots=True)
class Used:
    """How much of a limit is used."""

    runs: int = 0
    free_at: datetime | None = None
    """When one more run is below the limit; None while there is room now."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the ledger counts (S9), without the entries of the run that is asking."""

    last_change: ChangeFact | None = None
    runs_on_target: Used = Used()
    """Of this playbook on this target in the budget's period."""
    of_playbook: Used = Used()
    """Of this playbook in the totals' period."""
    of_everything: Used = Used()
    """Of all in the totals' period."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What settings allow over all playbooks."""

    total: int
    total_per_playbook: int
    per: timedelta


@dataclass(frozen=True, slots=True)
class Ladder:
    """What the autonomy ladder earned, and with which content (S14)."""

    level: Autonomy
    content_hash: str


@dataclass(frozen=True, slots=True)
class AutonomyFacts:
    """Levels from outside the playbook file."""

    start: Autonomy
    """``settings.autonomy.start``."""
    named: Autonomy | None = None
    """What ``settings.autonomy.playbooks`` says of this playbook."""
    content: str | None = None
    """The content that settings trust with it (S14)."""
    ladder: Ladder | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One condition of a remedy's ``when``, as it was answered."""

    remedy: str
    condition: str
    answer: str
    seen: str


@dataclass(frozen=True, slots=True)
class RemedyFacts:
    """Which remedy applies, and what it would do (S7)."""

    chosen: int | None
    """Index of the first remedy whose ``when`` is a known yes, if none before it is unknown."""
    unknown: str | None = None
    """Name of the remedy whose ``when`` could not be judged: nothing blunter is taken in its place."""
    asked: tuple[Asked, ...] = ()
    plans: tuple[Plan, ...] = ()
    """Plans of the chosen remedy's steps."""
    refused: Problem | None = None
    """An action said that it must not be done now."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A permission that the playbook needs for this target and that the API server says we do not have."""

    text: str
    writes: bool
    """Needed only by a playbook that acts, or does after a yes."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known for one episode and one playbook at one instant."""

    now: datetime
    episode: EpisodeFacts
    autonomy: AutonomyFacts
    limits: Limits
    playbook_present: bool = True
    """The playbook is in the active set (S22)."""
    target: Target | None = None
    target_problem: Problem | None = None
    namespace_allowed: bool | None = None
    own_ground: str | None = None
    """What of remediator's own ground the target is, if any (S12)."""
    pauses: tuple[PauseFact, ...] = ()
    said_no: str | None = None
    """Who cancelled or rejected what this playbook wanted to do to this target, and why, while its incident is not over."""
    start_hold_until: datetime | None = None
    ledger: LedgerFacts | None = None
    busy: tuple[str, ...] | None = None
    """Runs that hold or wait for the target or something that contains it, without the run that is asking (S17)."""
    remedy: RemedyFacts | None = None
    missing: tuple[Problem, ...] = ()
    lacking: tuple[Lacking, ...] = ()
    """As the API server last said. Nothing while it has not been asked: then the first refused request says so."""
    max_unconfirmed: timedelta = timedelta(minutes=5)
    """How recent a confirmation of an old alert must be (S10)."""


@dataclass(frozen=True, slots=True)
class Denial:
    """One guard's no: what it looked at, what it found, and the earliest time at which it could be a yes."""

    guard: str
    code: str
    kind: Kind
    text: str
    earliest: datetime | None = None
    values: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """For the store, the API and ``explain``."""
        return {
            "guard": self.guard,
            "code": self.code,
            "kind": self.kind,
            "text": self.text,
            "earliest": None if self.earliest is None else self.earliest.isoformat(),
            "values": dict(self.values or {}),
        }
