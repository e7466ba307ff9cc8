"""``kubernetes.expand_volume``: ask for a larger volume behind a claim. Volumes never shrink, so there is no undo."""

from datetime import datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.fresh_write import SHOWN_INTENT, SHOWN_VERSION
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.answers import Answer
from remediator.clients.kubernetes.claim import Claim, growth_body, obstacle_to_growth
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.ownership import owners_of
from remediator.clients.kubernetes.quantity import Size, grown, size, written
from remediator.clients.kubernetes.volumes import read_claim_and_class
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_FIELD = ("spec", "resources", "requests", "storage")


class Params(ActionParams):
    """Exactly one of ``by_percent``, ``by`` and ``to``, and always the size that must not be passed."""

    by_percent: int | None = Field(
        None, ge=1, le=1000, description="grow by so many percent of what it has, in whole Mi (or M)"
    )
    by: Size | None = Field(None, description="grow by so much, such as 20Gi")
    to: Size | None = Field(None, description="the size to have, such as 100Gi")
    max_size: Size = Field(description="never more than this; a step that would go further goes this far")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(given is not None for given in (self.by_percent, self.by, self.to)) != 1:
            raise ValueError("expand_volume needs exactly one of by_percent, by and to")
        if self.to is not None and size(self.to) > size(self.max_size):
            raise ValueError(f"to: {self.to} is more than max_size: {self.max_size}")
        return self

    def wanted(self, asked: str) -> str:
        """From a claim's size to the one to ask for, never above ``max_size``. ``to`` may be less than what is there."""
        if self.to is not None:
            return self.to
        after = grown(asked, self.by_percent) if self.by_percent is not None else size(asked) + size(self.by or "0")
        return written(min(after, size(self.max_size)), like=asked)


class ExpandVolume:
    """Writes the claim itself. Of a StatefulSet's claims too: its template cannot be changed, so later replicas get the old size."""

    name: ClassVar[str] = "kubernetes.expand_volume"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"persistentvolumeclaim"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (*read_claim_and_class(), RESOURCES[kind].permission("patch"))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            claim = await ctx.kubernetes.volumes.claim(target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        allows = await ctx.kubernetes.volumes.class_allows_growth(claim)
        if (obstacle := obstacle_to_growth(claim, class_allows=allows, max_size=size(params.max_size))) is not None:
            raise PlanRefusedError(obstacle.code, obstacle.text, kind="wait" if obstacle.passes else "refuse")
        wanted = params.wanted(claim.asked)
        if size(wanted) <= claim.wanted:
            raise PlanRefusedError(
                "would_not_grow", f"claim {target.short} has {claim.asked} already; volumes never shrink to {wanted}"
            )
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=claim.uid,
            depends_on={"uid": claim.uid, "size": claim.asked, "class": claim.storage_class, "class_allows": True},
            changes=(Change(".".join(_FIELD), claim.asked, wanted),),
            calls=(Call("PATCH", path_of(target), growth_body(SHOWN_VERSION, wanted, SHOWN_INTENT)),),
            fidelity=Fidelity.SERVER,
            summary=f"grow the volume of claim {target.short} from {claim.asked} to {wanted}, for good{_template_note(target)}",
            params=params.model_dump(mode="json"),
            memory={"capacity": claim.capacity},
            owners=owners_of(claim, *_FIELD),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        async def present(claim: Claim) -> Dependencies:
            allows = await ctx.kubernetes.volumes.class_allows_growth(claim)
            return {"uid": claim.uid, "size": claim.asked, "class": claim.storage_class, "class_allows": allows}

        async def write(claim: Claim) -> Applied:
            after = await ctx.kubernetes.volumes.grow(claim, str(plan.changes[0].after), intent_id)
            return Applied(plan.summary, {"size": after.asked})

        return await write_once(
            plan,
            read=lambda: ctx.kubernetes.volumes.claim(plan.target),
            present=present,
            marked=lambda claim: claim.intent == intent_id,
            write=write,
            facts=lambda claim: {"size": claim.asked},
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the mark names the intent itself
        try:
            claim = await ctx.kubernetes.volumes.claim(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if claim.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to grow is gone")
        marked = claim.intent == intent_id
        return Look(answer_of(marked), f"claim {plan.target.short} {'has' if marked else 'does not have'} our mark")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied  # the plan says how large it is to be
        try:
            claim = await ctx.kubernetes.volumes.claim(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if claim.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since")
        wanted = str(plan.changes[0].after)
        if claim.capacity >= size(wanted):
            return Look(Answer.YES, f"it has {wanted}")
        return Look(Answer.NO, claim.resizing or claim.resize_failed or f"it does not have {wanted} yet")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _template_note(target: Target) -> str:
    if target.owner[0] != "statefulset":
        return ""
    return f"; new replicas of StatefulSet {target.owner[1]} still get the old size, until its volumeClaimTemplates are changed"
