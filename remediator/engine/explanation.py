"""What ``explain`` answers: for one alert and every playbook, all that the decider would look at, and what it would decide.

Pydantic, because it is shown as it is: by the API, by its OpenAPI document and by the command line.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True)


class MatchSet(_Shown):
    """One of a playbook's sets of matchers."""

    matchers: list[str]
    holds: bool
    said_no: list[str] = Field(description="matchers that do not hold, each with the value that the alert has")


class Question(_Shown):
    """One condition of a remedy's `when`."""

    remedy: str
    condition: str
    answer: str
    seen: str


class GuardAnswer(_Shown):
    """One guard's answer: yes, or why not."""

    guard: str
    passes: bool
    code: str | None = None
    kind: str | None = Field(None, description="wait or refuse (S8)")
    text: str | None = None
    earliest: datetime | None = Field(None, description="when it could pass")
    values: dict[str, Any] = {}


class Level(_Shown):
    """Autonomy in force, and what holds it there (S14)."""

    level: str
    held_by: str


class PlaybookAnswer(_Shown):
    """One playbook's part in it."""

    playbook: str
    priority: int
    matches: bool
    match: list[MatchSet]
    why_not: str | None = Field(None, description="why it does not match although a set holds")
    autonomy: Level
    target: str | None = None
    target_problem: str | None = None
    when: list[Question] = []
    remedy: str | None = Field(None, description="the first remedy that applies for certain")
    plan: dict[str, Any] | None = Field(None, description="exact calls, changes and their fidelity")
    guards: list[GuardAnswer] = []
    verdict: str | None = Field(None, description="null for a playbook that does not match, or when nothing was asked")
    kind: str | None = None
    reasons: list[dict[str, Any]] = []
    decide_again_at: datetime | None = None
    not_asked: list[str] = Field([], description="facts that were not looked at")


class AlertAnswer(_Shown):
    """One alert of what was given."""

    alertname: str
    labels: dict[str, str]
    severity: str
    firing: bool
    source: str
    mode: str
    episode_id: str | None = Field(None, description="its open episode, if this alert is known; its age is then taken")
    run_id: str | None = Field(None, description="a run that this episode has under way")
    playbooks: list[PlaybookAnswer] = Field(description="those that match first, by priority; then the others by name")
    verdicts: list[str] = Field(description="one line each: what would be decided now")


class Explanation(_Shown):
    """Nothing was written and nothing was changed to find this."""

    alerts: list[AlertAnswer]
    rejected: list[str] = Field([], description="alerts that could not be understood, and why")
    left_out: int = Field(0, description="alerts beyond the first ones, not explained")
