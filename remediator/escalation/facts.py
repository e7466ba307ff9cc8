"""Everything that escalation rests on, gathered in one place (``store.paging``)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from remediator.alerts.severity import Severity


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """A standing decision on open alerts; equal ones of many alerts are one."""

    playbook: str | None
    verdict: str
    kind: str | None
    severity: Severity
    since: datetime
    beside_wait: bool = False
    """Another playbook's denial on the same alert is a ``wait``: it may still act."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run that has not ended, or ended since the incident was opened (or last reopened)."""

    id: str
    playbook: str
    state: str
    outcome: str | None
    since: datetime
    """When it came to stand as it does: ended, asked for a person, began to watch, was admitted."""
    asks_approval: bool = False
    """In state ``approval``, and nobody has answered."""
    withdrawn: bool = False
    """Its request was withdrawn by remediator itself: no ending that anybody must be told."""

    @property
    def ended(self) -> bool:
        return self.state == "ended"

    @property
    def under_way(self) -> bool:
        """Working by itself. One that found no answer and only keeps looking (S24), or waits for people, is not."""
        return (
            self.state in ("ready", "running", "waiting", "approval")
            and self.outcome is None
            and not self.asks_approval
        )


@dataclass(frozen=True, slots=True)
class Told:
    """A message that was written for this incident, sent or not."""

    dedup_key: str
    action: Literal["trigger", "resolve"]
    cause: str


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """One open incident at one instant."""

    now: datetime
    incident_id: str
    severity: Severity
    """The highest of its alerts."""
    opened_at: datetime
    """First delivery of its first alert."""
    recurrences: int = 0
    firing: frozenset[Severity] = frozenset()
    """Severities of its alerts that are open."""
    unclosed: int = 0
    """Alerts that are open or doubtful."""
    had_alerts: bool = True
    """False: it is a notice, about something that is no alert (dead letters, a body that was too large)."""
    answers: tuple[AnswerFacts, ...] = ()
    runs: tuple[RunFacts, ...] = ()
    told: tuple[Told, ...] = ()
    """In the order in which they are sent."""
