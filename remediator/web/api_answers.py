"""What the API gives, made from the rows of the store; the OpenAPI document is made from these."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from remediator.engine.records import PlaybookRecord, RunRecord
from remediator.runs.cursor import Question
from remediator.runs.events import ANSWERS
from remediator.store.incidents import Story


class _Shown(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Error(_Shown):
    error: str = Field(description="what is wrong and what is accepted, or why it does nothing")


class Incident(_Shown):
    id: str
    title: str
    target: str | None
    mode: str
    severity: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    verified_at: datetime | None
    recurrences: int


class Incidents(_Shown):
    incidents: list[Incident]


class Alert(_Shown):
    id: str
    source: str
    fingerprint: str
    alertname: str
    state: str
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    first_received_at: datetime
    last_received_at: datetime
    closed_at: datetime | None
    generator_url: str


class Decision(_Shown):
    id: str
    episode_id: str
    incident_id: str
    playbook: str | None
    mode: str
    verdict: str
    kind: str | None
    target: str | None
    reasons: list[dict[str, Any]]
    plan: dict[str, Any] | None
    times: int = Field(description="how often this answer was given in a row")
    decided_at: datetime
    confirmed_at: datetime
    decide_again_at: datetime | None
    run_id: str | None
    current: bool


class Decisions(_Shown):
    decisions: list[Decision]


class Run(_Shown):
    id: str
    mode: str
    incident_id: str
    episode_id: str
    playbook: str
    revision: str
    target: str
    source: str
    state: str
    outcome: str | None
    reason: str | None
    question: dict[str, Any] | None
    created_at: datetime
    due_at: datetime | None = Field(description="when a scheduled one begins to put back what was made for a time")
    changed_at: datetime | None = Field(description="its first begun step")
    ended_at: datetime | None
    deadline_at: datetime
    cancel_at: datetime | None
    cancel_by: str | None
    answer: dict[str, Any] | None


class Runs(_Shown):
    runs: list[Run]


class Step(_Shown):
    intent_id: str
    seq: int
    remedy: str
    action: str
    direction: str
    state: str
    plan: dict[str, Any]
    attempts: int
    first_begun_at: datetime
    begun_at: datetime
    ended_at: datetime | None
    error: str | None


class Approval(_Shown):
    plan_hash: str
    plan: dict[str, Any]
    requested_at: datetime
    expires_at: datetime
    answer: str | None
    answered_at: datetime | None
    answered_by: str | None
    reason: str | None


class RunDetail(_Shown):
    run: Run
    phase: str
    steps: list[Step]
    approval: Approval | None
    accepted_answers: list[str] = Field(description="what `answer` takes now")

    @classmethod
    def of(cls, record: RunRecord) -> Self:
        """With the answers that its question takes."""
        question = record.run.question
        accepted = () if question is None else ANSWERS[Question(question["kind"])]
        return cls(
            run=Run.model_validate(record.run),
            phase=record.run.cursor["phase"],
            steps=[Step.model_validate(step) for step in record.steps],
            approval=None if record.approval is None else Approval.model_validate(record.approval),
            accepted_answers=sorted(answer.value for answer in accepted),
        )


class TimelineEvent(_Shown):
    id: str
    run_id: str | None
    at: datetime
    event: str
    text: str
    detail: dict[str, Any] | None


class Message(_Shown):
    id: str
    channel: str
    action: str
    dedup_key: str
    cause: str
    state: str
    created_at: datetime
    settled_at: datetime | None
    attempts: int
    error: str | None


class PastRun(_Shown):
    id: str
    playbook: str
    target: str
    outcome: str | None
    reason: str | None
    created_at: datetime
    changed_at: datetime | None
    ended_at: datetime | None


class Past(_Shown):
    alerts: int
    alertnames: list[str]
    first_alert_at: datetime | None
    last_closed_at: datetime | None
    pages: int = Field(description="messages that people had about it")
    paged_at: datetime | None
    runs: list[PastRun] = Field(description="oldest first; the newest ones when there were many")


class IncidentDetail(_Shown):
    incident: Incident
    past: Past | None = Field(description="what is left of its details once they were removed (store.retention)")
    alerts: int = Field(description="how many there are; `episodes` shows the first ones")
    firing: int
    episodes: list[Alert]
    decisions: list[Decision]
    runs: list[RunDetail]
    timeline: list[TimelineEvent]
    messages: list[Message]

    @classmethod
    def of(cls, story: Story) -> Self:
        """Runs with their steps and requests."""
        records = [RunRecord(run, story.steps.get(run.id, ()), story.approvals.get(run.id)) for run in story.runs]
        return cls(
            incident=Incident.model_validate(story.incident),
            past=None if story.incident.summary is None else Past.model_validate(story.incident.summary),
            alerts=story.alerts,
            firing=story.firing,
            episodes=[Alert.model_validate(episode) for episode in story.episodes],
            decisions=[Decision.model_validate(decision) for decision in story.decisions],
            runs=[RunDetail.of(record) for record in records],
            timeline=[TimelineEvent.model_validate(event) for event in story.timeline],
            messages=[Message.model_validate(message) for message in story.outbox],
        )


class Playbook(_Shown):
    name: str
    description: str
    owner: str
    runbook: str
    file: str
    revision: str
    content: str = Field(description="hash of match, target and remedies: what settings.autonomy.playbooks trusts")
    priority: int
    match: list[list[str]]
    remedies: list[str]
    ceiling: str = Field(description="autonomy in its file")
    autonomy: str = Field(description="autonomy in force")
    held_by: str = Field(description="what to change to raise it")

    @classmethod
    def of(cls, record: PlaybookRecord) -> Self:
        """What people ask first."""
        playbook = record.playbook
        return cls(
            **playbook.metadata.model_dump(include={"name", "description", "owner", "runbook"}),
            file=record.file,
            revision=playbook.revision,
            content=playbook.content_hash,
            priority=playbook.priority,
            match=[list(matchers) for matchers in playbook.match],
            remedies=[remedy.name for remedy in playbook.remedies],
            ceiling=playbook.autonomy,
            autonomy=record.in_force.level,
            held_by=record.in_force.held_by,
        )


class Playbooks(_Shown):
    set_hash: str
    playbooks: list[Playbook]


class Effect(_Shown):
    run_id: str
    target: str
    action: str
    direction: str
    begun_at: datetime


class Pause(_Shown):
    id: str
    scope: str
    by: str
    reason: str
    began_at: datetime
    remind_at: datetime | None
    effects_begun: list[Effect] = Field(description="begun and not settled: what the pause cannot stop any more")


class Pauses(_Shown):
    pauses: list[Pause]


class Ordered(_Shown):
    run_id: str
    said: str


class Paused(_Shown):
    pause_id: str
    scope: str
    effects_begun: list[Effect]


class Resumed(_Shown):
    scope: str
    ended: int
    still_paused: list[str]


class PauseOfStatus(_Shown):
    scope: str
    by: str
    reason: str


class Status(_Shown):
    now: datetime
    mode: str
    paused: list[PauseOfStatus]
    hold_until: datetime | None = Field(description="until then it only watches")
    set_hash: str
    playbooks: int
    open_incidents: int
    in_hand: dict[str, int] = Field(description="runs that have not ended, by state")
