"""``certmanager.renew``: have cert-manager issue a certificate anew, as ``cmctl renew`` asks it to.

Nothing is deleted: the certificate that there is goes on being served until there is another, and also when there never is.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.fresh_write import SHOWN_INTENT, SHOWN_TIME, SHOWN_VERSION
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.answers import Answer
from remediator.clients.kubernetes.cert_manager import CertificateState, Renewable, issuing_body
from remediator.clients.kubernetes.certificates import read_renewable
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.renewal_rules import NoRenewal, RenewalLimits, reason_not_to_renew
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.durations import Duration
from remediator.errors import FactsMissingError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target


class Params(ActionParams):
    """How far it may go against what cert-manager and the certificate authority would do by themselves."""

    early: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: also before the time at which cert-manager, or the authority, would renew it"
    )
    after_failure: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: also while cert-manager holds back after failures, but not within an hour of one"
    )
    quiet_for: Duration = Field(
        timedelta(hours=35),
        description="of an ACME issuer: refused so long after the beginning of its last certificate for exactly these names",
    )
    most_per_week: int = Field(
        3, ge=1, le=5, description="of an ACME issuer: refused when it gave so many for exactly these names in 7 days"
    )

    @property
    def limits(self) -> RenewalLimits:
        return RenewalLimits(
            early=self.early == "accept",
            after_failure=self.after_failure == "accept",
            apart=self.quiet_for,
            most_per_week=self.most_per_week,
        )


class Renew:
    """Sets the condition ``Issuing`` in the status of the Certificate, and with it a condition of our own that stays as the mark.

    What the authority gave before is counted by what the namespace still shows: other clusters and namespaces that ask for the
    same names are not seen, which is why fewer are taken than there are. No undo: an old certificate is not issued again.
    """

    name: ClassVar[str] = "certmanager.renew"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"certificate"})
    effect_within: ClassVar[timedelta] = timedelta(minutes=30)
    """A challenge by DNS alone often takes ten."""

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (*read_renewable(), RESOURCES[kind].permission("patch", "status"))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await ctx.kubernetes.certificates.renewable(target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        objection = _objection(ctx, found, params)
        if objection is not None:
            raise PlanRefusedError(objection.code, objection.text, kind="wait" if objection.passes else "refuse")
        certificate = found.certificate
        body = issuing_body(certificate, SHOWN_INTENT, SHOWN_TIME, SHOWN_VERSION)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=certificate.uid,
            depends_on={**_dependencies(certificate), "objection": None},
            changes=(Change("status.conditions[Issuing]", None, "True"),),
            calls=(Call("PATCH", path_of(target, "status"), body),),
            fidelity=Fidelity.SERVER,
            summary=f"have {certificate.issuer} issue certificate {target.short} anew; the present one is served meanwhile",
            params=params.model_dump(mode="json"),
            memory=_memory(certificate),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        params = Params.model_validate(dict(plan.params))

        async def present(found: Renewable) -> Dependencies:
            objection = _objection(ctx, found, params)
            return {**_dependencies(found.certificate), "objection": None if objection is None else objection.text}

        async def write(found: Renewable) -> Applied:
            after = await ctx.kubernetes.certificates.renew(found.certificate, ctx.kubernetes.now(), intent_id)
            return Applied(plan.summary, {"revision": after.revision})

        return await write_once(
            plan,
            read=lambda: ctx.kubernetes.certificates.renewable(plan.target),
            present=present,
            marked=lambda found: found.certificate.renewed_by == intent_id,
            write=write,
            facts=lambda found: {"revision": found.certificate.revision},
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the mark names the intent, and stays
        try:
            certificate = await ctx.kubernetes.certificates.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if certificate.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to be renewed is gone")
        if certificate.renewed_by == intent_id:
            return Look(Answer.YES, f"a condition of {plan.target.short} names our intent")
        if not certificate.issuing and _memory(certificate) == dict(plan.memory):
            return Look(Answer.NO, f"no attempt to issue {plan.target.short} was begun since it was planned")
        # Whoever writes the whole status may leave out what it does not know; then our mark is no longer to be expected.
        return Look(Answer.UNKNOWN, f"an attempt to issue {plan.target.short} was begun since, without our mark")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        """Issued or failed: either ends the attempt. Which it was, ``certificate_renewed`` tells."""
        del applied  # the plan knows what was there before
        try:
            certificate = await ctx.kubernetes.certificates.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if certificate.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since")
        if certificate.issuing:
            return Look(Answer.NO, f"being issued: {certificate.said}")
        if certificate.revision > int(plan.memory["revision"]):
            return Look(Answer.YES, f"issued as revision {certificate.revision}, until {_told(certificate.not_after)}")
        failed = _memory(certificate)["last_failure"] != plan.memory["last_failure"]
        return Look(answer_of(failed), f"the attempt failed: {certificate.said}" if failed else "nothing was begun yet")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _objection(ctx: ActionContext, found: Renewable, params: Params) -> NoRenewal | None:
    return reason_not_to_renew(found, params.limits, ctx.kubernetes.now())


def _dependencies(certificate: CertificateState) -> dict[str, Any]:
    return {
        "uid": certificate.uid,
        "generation": certificate.generation,
        "issuer": str(certificate.issuer),
        "revision": certificate.revision,
    }


def _memory(certificate: CertificateState) -> dict[str, Any]:
    """What every attempt changes, whoever began it and however it ended."""
    return {
        "revision": certificate.revision,
        "not_after": _told(certificate.not_after),
        "last_failure": _told(certificate.last_failure),
    }


def _told(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
