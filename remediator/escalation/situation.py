"""An incident as a page tells it: what fired, what was decided, what was tried, and what stands now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from remediator.alerts.severity import Severity


@dataclass(frozen=True, slots=True)
class AlertLine:
    name: str
    severity: str
    firing: bool
    since: datetime
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str
    external_url: str


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A standing decision, told once for all alerts that got it."""

    playbook: str | None
    verdict: str
    kind: str | None
    reasons: tuple[str, ...]
    """Denials, each with its earliest time where it has one."""
    notes: tuple[str, ...]
    plan: tuple[str, ...]
    """What would be done, one line a step."""


@dataclass(frozen=True, slots=True)
class StepLine:
    at: datetime
    action: str
    direction: str
    summary: str
    state: str
    ended_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RunLine:
    id: str
    playbook: str
    state: str
    outcome: str | None
    reason: str | None
    created_at: datetime
    ended_at: datetime | None
    steps: tuple[StepLine, ...] = ()
    question: str | None = None
    """Kind of what a person is asked (``runs.cursor.Question``)."""
    question_text: str = ""
    plan_hash: str | None = None
    """Of a request that nobody has answered."""
    expires_at: datetime | None = None
    plan: tuple[str, ...] = ()
    reverses: bool = False
    """It puts back, later, what another made for a time: no attempt at the problem."""

    @property
    def at_it(self) -> bool:
        """Neither over nor waiting for its day."""
        return self.state not in ("ended", "scheduled")


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a page may say of an incident at one instant."""

    now: datetime
    incident_id: str
    title: str
    target: str | None
    mode: str
    severity: Severity
    opened_at: datetime
    recurrences: int
    alerts: tuple[AlertLine, ...]
    """The first ones, firing ones before the others."""
    total: int
    firing: int
    answers: tuple[AnswerLine, ...]
    runs: tuple[RunLine, ...]
    """Oldest first."""
    events: tuple[tuple[datetime, str], ...]
    """Oldest first."""
    runbooks: tuple[str, ...]
    """Of the playbooks concerned."""
    external_url: str
    """Base address of this service; empty when settings have none."""
