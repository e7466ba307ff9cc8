"""``certificate_failed``: has an attempt to issue the certificate failed lately?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.certificates import read_certificate, read_issuance
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_certificate import KIND, certificate_or_unknown, told
from remediator.durations import Duration
from remediator.targets import Target


class Params(ConditionParams):
    """How lately."""

    within: Duration = Field(description="so long ago or less")


class CertificateFailed:
    """With the words of the last in the chain that says why: a Challenge, else its Order, else the CertificateRequest.

    Only of the attempts since the last success: that takes the memory of earlier failures away.
    """

    name: ClassVar[str] = "certificate_failed"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (*read_certificate(), *read_issuance()) if kind == KIND else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        certificate = await certificate_or_unknown(world, target)
        if isinstance(certificate, Look):
            return certificate
        if certificate.last_failure is None:
            if certificate.failures:
                return Look(Answer.UNKNOWN, f"{certificate.failures} attempts failed, at times unknown")
            return Look(Answer.NO, "no attempt has failed since the last success")
        cause = await world.kubernetes.certificates.cause(certificate) or certificate.said
        seen = f"{certificate.failures} failed, the last at {told(certificate.last_failure)} ({cause})"
        return Look(Answer.of(certificate.last_failure > known.now - params.within), seen)
