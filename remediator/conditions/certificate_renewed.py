"""``certificate_renewed``: is another certificate stored than before this run's renewal, one that lasts longer?"""

from datetime import datetime
from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.certificates import read_certificate, read_issuance
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_certificate import KIND, certificate_or_unknown, renewal_by_this_run, told
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class CertificateRenewed:
    """Ready alone proves nothing: it holds all the time, because the old certificate is valid. So a new revision, and a later end.

    One that is not issued is told with the words of the last in the chain that says why. Whether it is served, ``tls_serves`` tells;
    Secrets are not read for it.
    """

    name: ClassVar[str] = "certificate_renewed"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (*read_certificate(), *read_issuance()) if kind == KIND else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        certificate = await certificate_or_unknown(world, target)
        if isinstance(certificate, Look):
            return certificate
        plan = renewal_by_this_run(known.done, target)
        if plan is None:
            return Look(Answer.UNKNOWN, "this run has renewed no such certificate")
        if certificate.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"certificate {target.short} was made again since it was renewed")
        revision, before = int(plan.memory["revision"]), str(plan.memory["not_after"])
        seen = f"revision {certificate.revision} after {revision}, until {told(certificate.not_after)}"
        if certificate.revision <= revision or certificate.issuing:
            cause = await world.kubernetes.certificates.cause(certificate) or certificate.said or "nothing was begun"
            state = "being issued" if certificate.issuing else "not issued"
            return Look(Answer.NO, f"{seen}; {state}: {cause}")
        if certificate.not_after is None or (before and certificate.not_after <= datetime.fromisoformat(before)):
            return Look(Answer.NO, f"{seen}, which is no longer than the one before")
        return Look(Answer.of(certificate.ready), seen if certificate.ready else f"{seen}, but it is not ready")
