"""Certificates of cert-manager with their requests and issuers: reading them, and asking for a renewal. No Secret is read."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from remediator.clients.certificates import Certificate as IssuedCertificate
from remediator.clients.kubernetes.cert_manager import (
    ISSUERS,
    CertificateState,
    IssuerRef,
    IssuerState,
    Renewable,
    Request,
    certificate_from,
    issuer_from,
    issuing_body,
    renewable_from,
    request_from,
)
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.issuance import Issuance, issuance_of
from remediator.clients.kubernetes.marks import intent_manager
from remediator.clients.kubernetes.names import RESOURCES, permission_on
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission
from remediator.errors import StepError
from remediator.targets import InvalidTargetError, Target

_CERTIFICATE, _REQUEST = RESOURCES["certificate"], RESOURCES["certificaterequest"]
_ISSUER, _CLUSTER_ISSUER = RESOURCES["issuer"], RESOURCES["clusterissuer"]
READ_ISSUERS = (_ISSUER.permission("get"), _CLUSTER_ISSUER.permission("get", everywhere=True))
"""Which of the two a certificate has, only its spec says."""


def read_certificate() -> tuple[Permission, ...]:
    """What reading one needs."""
    return (_CERTIFICATE.permission("get"),)


def list_certificates() -> tuple[Permission, ...]:
    """What ``listing`` needs."""
    return (_CERTIFICATE.permission("list"),)


def read_issued() -> tuple[Permission, ...]:
    """What reading the certificate that was issued last needs."""
    return (*read_certificate(), _REQUEST.permission("list"))


def read_issuance() -> tuple[Permission, ...]:
    """What ``issuance`` asks for, beside reading the Certificate."""
    return tuple(RESOURCES[kind].permission("list") for kind in ("certificaterequest", "order", "challenge"))


def read_renewable() -> tuple[Permission, ...]:
    """What ``renewable`` asks for."""
    return (*read_issued(), _CERTIFICATE.permission("list"), *READ_ISSUERS)


class Certificates(Part):
    """Of one cluster."""

    async def read(self, target: Target) -> CertificateState:
        """Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        return understood(target, lambda: certificate_from(target, document))

    async def listing(self, namespace: str) -> tuple[CertificateState, ...]:
        """All of a namespace. Raises FactsMissingError."""
        found = await self._list("certificate", namespace)
        return understood(f"certificates of {namespace}", lambda: tuple(self._of(namespace, one) for one in found))

    async def requests(self, namespace: str) -> tuple[Request, ...]:
        """All of a namespace. Raises FactsMissingError."""
        found = await self._list("certificaterequest", namespace)
        return understood(f"certificate requests of {namespace}", lambda: tuple(map(request_from, found)))

    async def renewable(self, target: Target) -> Renewable:
        """Raises TargetNotFoundError (of the Certificate) or FactsMissingError."""
        certificate = await self.read(target)
        issuer = await self.issuer(target.namespace, certificate.issuer)
        certificates = await self.listing(target.namespace)
        return renewable_from(certificate, issuer, certificates, await self.requests(target.namespace))

    async def issuer(self, namespace: str, ref: IssuerRef) -> IssuerState | None:
        """None: it does not exist, or is none of cert-manager's own kinds. Raises FactsMissingError."""
        if not ref.is_known:
            return None
        try:
            # Nothing has checked the name that a Certificate gives: as it is, it could lead to another path.
            named = Target.kubernetes(self._cluster, namespace, ISSUERS[ref.kind], ref.name)
            if named.kind == "issuer":
                document = await self._api.get(_ISSUER.path(namespace, named.name), READ_ISSUERS[0])
            else:
                document = await self._api.get(_CLUSTER_ISSUER.path("", named.name), READ_ISSUERS[1])
        except (InvalidTargetError, TargetNotFoundError):
            return None
        return understood(ref, lambda: issuer_from(ref, document))

    async def issued(self, certificate: CertificateState) -> IssuedCertificate | None:
        """What was issued for its present revision; None when the request that says so is gone. Raises FactsMissingError."""
        found = [
            one.issued
            for one in await self.requests(certificate.target.namespace)
            if (one.certificate, one.revision) == (certificate.target.name, certificate.revision)
        ]
        return found[0] if found else None

    async def issuance(self, certificate: CertificateState) -> Issuance:
        """What became of its latest attempt, to the end of the chain. Raises FactsMissingError."""
        kinds = ("certificaterequest", "order", "challenge")
        found = [await self._list(kind, certificate.target.namespace) for kind in kinds]
        return understood(certificate.target, lambda: issuance_of(certificate.uid, *found))

    async def cause(self, certificate: CertificateState) -> str:
        """Why the latest attempt failed, in the words of whoever refused it, or why that cannot be read. Raises nothing of ours."""
        try:
            return (await self.issuance(certificate)).cause
        except StepError as error:
            return f"why it failed could not be read: {error}"

    async def renew(self, certificate: CertificateState, at: datetime, intent_id: str) -> CertificateState:
        """Ask for it in the status of a Certificate as just read; raises ConflictError when somebody wrote since."""
        document = await self._api.patch(
            self._path(certificate.target, "status"),
            permission_on(certificate.target, "patch", "status"),
            issuing_body(certificate, intent_id, at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")),
            field_manager=intent_manager(intent_id),
        )
        return understood(certificate.target, lambda: certificate_from(certificate.target, document))

    def _of(self, namespace: str, document: Mapping[str, Any]) -> CertificateState:
        name = str(document["metadata"]["name"])
        return certificate_from(Target.kubernetes(self._cluster, namespace, "certificate", name), document)
