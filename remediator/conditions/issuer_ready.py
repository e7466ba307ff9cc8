"""``issuer_ready``: does cert-manager call the issuer of the certificate ready?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.certificates import READ_ISSUERS, read_certificate
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_certificate import KIND, certificate_or_unknown
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class IssuerReady:
    """An issuer that does not exist is a no; one that is not cert-manager's own is unknown."""

    name: ClassVar[str] = "issuer_ready"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (*read_certificate(), *READ_ISSUERS) if kind == KIND else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        certificate = await certificate_or_unknown(world, target)
        if isinstance(certificate, Look):
            return certificate
        ref = certificate.issuer
        if not ref.is_known:
            return Look(Answer.UNKNOWN, f"{ref} is none of cert-manager's own issuers")
        try:
            issuer = await world.kubernetes.certificates.issuer(target.namespace, ref)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        if issuer is None:
            return Look(Answer.NO, f"{ref} does not exist")
        return Look(Answer.of(issuer.ready), f"{ref}: {issuer.said}")
