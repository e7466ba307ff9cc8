"""Evidence ``certificate_issuance``: what cert-manager made of the latest attempt to issue the certificate, and where it stuck."""

from typing import Any, ClassVar

from remediator.actions.base import ActionParams
from remediator.actions.evidence.base import Scene
from remediator.clients.kubernetes.certificates import read_certificate, read_issuance
from remediator.clients.permissions import Permission
from remediator.redaction import first_of, redacted

_MOST = 8_000


class Params(ActionParams):
    """Nothing to choose."""


class CertificateIssuance:
    """The Certificate's own conditions, then CertificateRequest, Order and Challenges; no Secret is read."""

    name: ClassVar[str] = "certificate_issuance"
    params: ClassVar[type[ActionParams]] = Params

    def applies(self, kind: str) -> bool:
        return kind == "certificate"

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (*read_certificate(), *read_issuance())

    async def read(self, scene: Scene, params: Any) -> str:
        del params
        certificates = scene.kubernetes.certificates
        certificate = await certificates.read(scene.target)
        issuance = await certificates.issuance(certificate)
        times = {
            "valid from": certificate.not_before,
            "valid until": certificate.not_after,
            "to be renewed at": certificate.renewal_time,
            "failed last at": certificate.last_failure,
        }
        said = [f"{what} {at:%Y-%m-%dT%H:%M:%SZ}" for what, at in times.items() if at is not None]
        lines = [
            f"Certificate {certificate.target.name}: revision {certificate.revision}, {', '.join(said) or 'never issued'}",
            f"  by {certificate.issuer}, for {', '.join(sorted(certificate.names)[:20])}",
            *(
                f"  {one.get('type')}={one.get('status')} {one.get('reason', '')}: {one.get('message', '')}"
                for one in certificate.conditions
            ),
            *issuance.lines,
        ]
        return "\n".join(lines)

    def fit(self, text: str) -> str:
        return first_of(redacted(text), _MOST)
