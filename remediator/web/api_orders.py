"""What the API takes: bodies and queries. Unknown keys are refused; the OpenAPI document is made from these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from remediator.durations import Duration

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
RunState = Literal["approval", "scheduled", "ready", "running", "waiting", "needs_person", "ended"]


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ApproveOrder(_Given):
    plan: str = Field(min_length=1, max_length=64, description="hash of the plan that was shown; a yes is bound to it")
    reason: Reason


class ReasonOrder(_Given):
    reason: Reason


class AnswerOrder(_Given):
    said: Literal["yes", "no", "unknown", "continue", "undo", "abandon"] = Field(
        description="to `landed`: yes, no, unknown; to `paused`: continue, undo, abandon; to `undo_failed`: continue, abandon"
    )
    reason: Reason


class PauseOrder(_Given):
    scope: str = Field(
        "all",
        max_length=600,
        description="all, playbook:<name>, namespace:<cluster>/<namespace> or target:kubernetes/<cluster>/<namespace>/<kind>/<name>",
    )
    reason: Reason
    remind: Duration | None = Field(None, description="when its owner is reminded; a pause never ends by itself")


class ResumeOrder(_Given):
    scope: str = Field(max_length=600, description="exactly as it was paused")


class ExplainOrder(_Given):
    alert: Any = Field(description="one alert, a whole webhook body, or a list of alerts; labels are enough")
    source: str | None = Field(None, max_length=63, description="where it comes from; needed with several sources")


class ListQuery(_Given):
    limit: int = Field(100, ge=1, le=1_000)


class IncidentsQuery(ListQuery):
    state: Literal["open", "closed"] | None = None


class RunsQuery(ListQuery):
    state: RunState | None = None
    incident: str | None = Field(None, description="id of an incident")


class DecisionsQuery(ListQuery):
    incident: str | None = Field(None, description="id of an incident")
    episode: str | None = Field(None, description="id of an episode")
