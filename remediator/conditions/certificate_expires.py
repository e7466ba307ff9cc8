"""``certificate_expires``: does the certificate that is stored now run out soon, or has it already?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.certificates import read_certificate
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_certificate import KIND, certificate_or_unknown, told
from remediator.durations import Duration
from remediator.targets import Target


class Params(ConditionParams):
    """How soon."""

    within: Duration = Field(description="in so long or less")


class CertificateExpires:
    """By what cert-manager says of the Secret. One that was never issued is unknown."""

    name: ClassVar[str] = "certificate_expires"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_certificate() if kind == KIND else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        certificate = await certificate_or_unknown(world, target)
        if isinstance(certificate, Look):
            return certificate
        if certificate.not_after is None:
            return Look(Answer.UNKNOWN, f"certificate {target.short} was never issued, as far as cert-manager says")
        seen = f"certificate {target.short} runs out at {told(certificate.not_after)}"
        return Look(Answer.of(certificate.not_after <= known.now + params.within), seen)
