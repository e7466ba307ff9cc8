"""What an action is: plan, apply, landed, verify, undo (S15).

An action is told its target and never chooses it. It never asks whether this is a dry-run: the client that it is given is the
dry-run (design, "Dry run is a client").
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import Right
from remediator.conditions.base import Look, account_of_place, cluster_of_place
from remediator.runs.cursor import EFFECT_WITHIN
from remediator.runs.plan import Plan
from remediator.targets import Target


class ActionParams(BaseModel):
    """Base of every action's parameters: frozen, unknown keys refused; never names a target."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanRefusedError(Exception):
    """This action must not be done to this target as the world is now. Becomes a denial of the given kind (S8).

    The message says what was seen and names the way out.
    """

    def __init__(self, code: str, message: str, *, kind: Literal["wait", "refuse"] = "refuse") -> None:
        super().__init__(message)
        self.code = code
        self.kind = kind


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What an action may use: the client of the target's place, live or dry."""

    cluster: KubernetesClient | None
    own_changes: bool = False
    """This run has changed the target before: a rollout under way is its own and is no reason to refuse (S10)."""
    account: AwsApi | None = None

    @property
    def kubernetes(self) -> KubernetesClient:
        """Raises FactsMissingError where the place has no cluster."""
        return cluster_of_place(self.cluster)

    @property
    def aws(self) -> AwsApi:
        """Raises FactsMissingError where the place has no account."""
        return account_of_place(self.account)


@dataclass(frozen=True, slots=True)
class Applied:
    """What the far side answered. ``facts`` (for instance the generation that our write made) are kept for verify and undo."""

    summary: str
    facts: dict[str, Any]
    complete: bool = True
    """False: something was done and the rest could not be done yet (a budget refused an eviction). The same step is checked,
    planned and begun again after a while, so that a pause stops it in between; what it has done already it must find done."""


class Action(Protocol):
    """One kind of change. Instances hold no state."""

    name: ClassVar[str]
    version: ClassVar[int]
    params: ClassVar[type[ActionParams]]
    target_kinds: ClassVar[frozenset[str]]

    def permissions(self, kind: str, params: Any) -> tuple[Right, ...]:
        """What all five methods together ask of the cluster or of AWS for a target of this kind, and no more."""
        ...

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        """What happens when the remedy is refuted and its playbook does not say (S24). May depend on the parameters: scaling out is
        kept, scaling in undone."""
        ...

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        """Read, and say exactly what apply would do.

        Raises:
            PlanRefusedError: not to be done to this target now.
            FactsMissingError: a read failed, so nothing can be said.
        """
        ...

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        """Read, compare what the plan depends on, write once with our mark (S15, S16).

        Safe to call again only after ``landed`` said no.

        Raises:
            OvertakenError: the world is not as planned; nothing was written.
            TransientError: nothing was written; may be tried again.
            PermanentError: refused by the far side; nothing was written.
            OutcomeUnknownError: sent, and no answer came back: ask ``landed``.
        """
        ...

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        """Does the world carry our own mark of this intent? Never judged by the wanted state alone. Unknown when a read fails."""
        ...

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        """Has this step's effect run its course, so that the next step may begin? One look: ``no`` is not yet, ``unknown`` is could
        not be read. Whether the remedy *worked* is asked by its ``verify:``, not here."""
        ...

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """A plan that puts back what this step changed, or None where that is not possible or somebody wrote since (S25)."""
        ...


def effect_within(action: Action) -> timedelta:
    """How long its effect may take when a later step waits for it: what an action that is slower than usual says of itself."""
    found: timedelta = getattr(action, "effect_within", EFFECT_WITHIN)
    return found


def answer_of(known: bool) -> Answer:
    """A known yes or no."""
    return Answer.YES if known else Answer.NO
