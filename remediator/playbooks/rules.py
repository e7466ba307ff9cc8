"""What holds a playbook back and whom it tells: guards and escalation as the file says them; judging is decision/'s."""

from typing import Any, Literal, Self

from pydantic import Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError, ValidationError

from remediator.durations import Duration
from remediator.playbooks.fields import DnsLabel, Frozen, Identifier, StrictBool, StrictInt, Text, nested, relocated
from remediator.playbooks.remedy import Condition

OUTCOMES = ("verified", "informed", "refuted", "unknown", "failed", "overtaken", "cancelled", "rehearsed")
ESCALATE_WORDS = ("refuse", "failed", "unfixed", *(word for word in OUTCOMES if word != "failed"), "needs_person")


class Budget(Frozen):
    """At most ``runs`` runs of this playbook on one target in ``per`` (S9)."""

    runs: StrictInt = Field(gt=0)
    per: Duration

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if not self.per:
            raise PydanticCustomError("budget", "per must be longer than 0s")
        return self


class BlastGroup(Frozen):
    """What counts as one group: the place and the named part of the target."""

    by: Literal["namespace", "cluster", "node", "account", "region"]


class BlastRadius(Frozen):
    """How many distinct targets of one group may be changed in ``per`` (S9)."""

    group: BlastGroup
    max_targets: StrictInt | None = Field(None, gt=0)
    max_percent: StrictInt | None = Field(None, gt=0, le=100)
    per: Duration = Field(default="1h", validate_default=True)
    at_least_one: StrictBool = True
    """A percentage that rounds down to nothing still allows one."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.max_targets is None and self.max_percent is None:
            raise PydanticCustomError(
                "blast_radius", "a blast radius needs a limit; accepted: max_targets, max_percent, or both"
            )
        return self


class Guards(Frozen):
    """Limits of this playbook. Each can only make it do less than settings allow."""

    cooldown: Duration = Field(default="15m", validate_default=True)
    """Since the last change of the target by any playbook."""
    budget: Budget = Budget.model_validate({"runs": 3, "per": "1h"})
    blast_radius: BlastRadius | None = None
    windows: tuple[Identifier | DnsLabel, ...] = ()
    """Names of windows in settings."""
    drift: Literal["accept", "suspend"] | None = None
    """What to do about an owner (Argo CD, Flux, Helm) that would put the change back; None refuses (S13)."""
    max_alert_age: Duration = Field(default="1h", validate_default=True)
    """An alert first delivered longer ago needs a fresh sign that it still fires (S10)."""


class EscalateOn(Frozen):
    """One cause to tell people: a word, or a condition that holds."""

    word: str | None = None
    condition: Condition | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_word(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, dict) and set(value) == {"condition"}:
            try:
                return {"condition": Condition.model_validate(value["condition"])}
            except ValidationError as error:
                raise relocated("escalate", nested(error, Condition, value["condition"], "condition")) from None
        if not isinstance(value, str) or value not in ESCALATE_WORDS:
            shown = f"{value!r} is" if isinstance(value, str) else "this is"
            raise PydanticCustomError(
                "escalate",
                f"{shown} no cause to escalate; accepted: {', '.join(ESCALATE_WORDS)} or {{condition: {{...}}}}",
            )
        return {"word": value}

    @model_serializer(mode="plain")
    def _to_word(self) -> Any:
        return self.word if self.condition is None else {"condition": self.condition.model_dump(mode="json")}


class Escalation(Frozen):
    """Tell the policy when one of these happens (S39). For ``unfixed``, ``after`` counts from the first alert."""

    on: tuple[EscalateOn, ...] = Field(min_length=1)
    after: Duration | None = None
    """None: at once, and for ``unfixed`` what settings say for the severity."""
    policy: Text

    @property
    def words(self) -> frozenset[str]:
        """The words among the causes."""
        return frozenset(cause.word for cause in self.on if cause.word is not None)
