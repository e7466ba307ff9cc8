"""One way to fix it: when it applies, what it does, how one knows that it worked. Only the model: it neither acts nor asks."""

from typing import Any, Literal, Self

from pydantic import Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError, ValidationError

from remediator.durations import Duration
from remediator.playbooks.fields import (
    DnsLabel,
    Frozen,
    Identifier,
    Misplaced,
    nested,
    params_of,
    relocated,
    single_key,
)
from remediator.playbooks.language import ASKS_ALWAYS, DIAGNOSES
from remediator.playbooks.promql import PromqlParams

COMBINATORS = ("not", "any", "all")
_BESIDE_CONDITION = frozenset({"on"})
_BESIDE_STEP = frozenset({"on", "for", "remembers", "restores"})


class Condition(Frozen):
    """A question asked of the world: ``{rollout_complete: {}}``, ``{not: {...}}``, ``{any: [...]}``, ``{all: [...]}``.

    Made by ``model_validate`` from that form only, as steps are; the fields are for reading.
    """

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    of: tuple["Condition", ...] = ()
    """What ``not``, ``any`` or ``all`` combines; empty for every other name."""
    on: Identifier | None = None
    """Which of the playbook's named targets is asked about."""

    @model_validator(mode="before")
    @classmethod
    def _from_single_key(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        name, params, beside = single_key(value, what="a condition", also=_BESIDE_CONDITION)
        if name in COMBINATORS:
            if beside:
                raise PydanticCustomError("condition", f"{name} takes no on; its conditions do")
            return {"name": name, "of": _combined(name, params)}
        params = params_of(name, params)
        if name == "promql":
            try:
                PromqlParams.model_validate(params)
            except ValidationError as error:
                raise relocated("promql", nested(error, PromqlParams, params, name)) from None
        return {"name": name, "params": params, **beside}

    @model_serializer(mode="plain")
    def _to_single_key(self) -> dict[str, Any]:
        if self.name == "not":
            return {"not": self.of[0].model_dump(mode="json")}
        if self.name in COMBINATORS:
            return {self.name: [condition.model_dump(mode="json") for condition in self.of]}
        return {self.name: self.params} | ({"on": self.on} if self.on else {})

    def leaves(self) -> tuple["Condition", ...]:
        """The questions themselves, without ``not``, ``any`` and ``all``."""
        if self.name not in COMBINATORS:
            return (self,)
        return tuple(leaf for condition in self.of for leaf in condition.leaves())

    def rests_only_on(self, name: str) -> bool:
        """Could this hold because of the condition ``name`` alone?"""
        if self.name not in COMBINATORS:
            return self.name == name
        found = [condition.rests_only_on(name) for condition in self.of]
        return any(found) if self.name == "any" else all(found)


def _combined(name: str, value: Any) -> list[Condition]:
    if name == "not":
        try:
            return [Condition.model_validate(value)]
        except ValidationError as error:
            raise relocated("condition", nested(error, Condition, value, name)) from None
    if not isinstance(value, list | tuple) or not value:
        raise relocated("condition", [((name,), f"{name} takes a list of one or more conditions")])
    conditions: list[Condition] = []
    problems: list[Misplaced] = []
    for position, item in enumerate(value):
        try:
            conditions.append(Condition.model_validate(item))
        except ValidationError as error:
            problems += nested(error, Condition, item, name, position)
    if problems:
        raise relocated("condition", problems)
    return conditions


class Evidence(Frozen):
    """Something to collect before the first step: ``{kubernetes_logs: {lines: 200}}``."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    on: Identifier | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_single_key(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        name, params, beside = single_key(value, what="an evidence", also=_BESIDE_CONDITION)
        return {"name": name, "params": params_of(name, params), **beside}

    @model_serializer(mode="plain")
    def _to_single_key(self) -> dict[str, Any]:
        return {self.name: self.params} | ({"on": self.on} if self.on else {})


class Step(Frozen):
    """One call of an action: ``{kubernetes.scale: {by: 1}}``, with the keys of the step itself beside it."""

    action: str
    params: dict[str, Any] = Field(default_factory=dict)
    on: Identifier | None = None
    """Which of the playbook's named targets it changes."""
    for_: Duration | None = Field(None, alias="for")
    """The change is temporary: its reverse is scheduled when it is made."""
    remembers: Identifier | None = None
    """Keep what was before under this name."""
    restores: Identifier | None = None
    """Put back what was kept under this name."""

    @model_validator(mode="before")
    @classmethod
    def _from_single_key(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        action, params, beside = single_key(value, what="a step", also=_BESIDE_STEP)
        return {"action": action, "params": params_of(action, params), **beside}

    @model_serializer(mode="wrap")
    def _to_single_key(self, handler: Any) -> dict[str, Any]:
        written = handler(self)
        beside = {
            "on": self.on,
            "for": written.get("for_", written.get("for")),
            "remembers": self.remembers,
            "restores": self.restores,
        }
        return {self.action: self.params} | {key: value for key, value in beside.items() if value is not None}

    @property
    def writes(self) -> bool:
        """Is it meant to change the world? Waiting, diagnosing and collecting evidence are not."""
        return self.action not in DIAGNOSES and not self.action.startswith("evidence.")

    @property
    def asks_always(self) -> bool:
        """Is it done only after a person's yes, whatever the autonomy is?"""
        return self.action in ASKS_ALWAYS


class Verify(Frozen):
    """How one knows that the remedy worked (S24): the conditions come to hold within ``within``, and then for ``hold``."""

    within: Duration
    hold: Duration = Field(default="1m", validate_default=True)
    all: tuple[Condition, ...] | None = Field(None, min_length=1)
    any: tuple[Condition, ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.all is None) == (self.any is None):
            raise PydanticCustomError(
                "verify", "a verification needs exactly one list of conditions; accepted: all or any"
            )
        if not self.within:
            raise PydanticCustomError(
                "verify", "within must be longer than 0s: the time in which the conditions must come to hold"
            )
        if self.condition.rests_only_on("alert_resolved"):
            raise PydanticCustomError(
                "verify",
                "alert_resolved alone proves nothing, since an alert also ends when its metric does; "
                "add an independent condition to all, such as rollout_complete, replicas_ready or promql",
            )
        return self

    @property
    def condition(self) -> Condition:
        """All of it as one condition."""
        if self.all is not None:
            return Condition.model_validate({"all": list(self.all)})
        return Condition.model_validate({"any": list(self.any or ())})


class Remedy(Frozen):
    """Preconditions, steps in order, verification, and what to do when it is refuted."""

    name: DnsLabel
    when: tuple[Condition, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)
    verify: Verify | None = None
    if_refuted: Literal["undo", "keep"] | None = None
    """None: as the action's own default says (S24)."""

    @model_validator(mode="after")
    def _writing_needs_verify(self) -> Self:
        if self.writes and self.verify is None:
            raise PydanticCustomError(
                "verify",
                "a remedy that changes something needs verify: {within: ..., all: [...]} (S15)",
            )
        if not self.writes and self.if_refuted == "undo":
            raise PydanticCustomError(
                "if_refuted", "nothing can be undone where no step changes anything; leave if_refuted out"
            )
        return self

    @property
    def writes(self) -> bool:
        """Does any step change the world?"""
        return any(step.writes for step in self.steps)
