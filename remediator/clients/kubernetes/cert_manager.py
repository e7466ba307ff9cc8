"""A Certificate of cert-manager, its requests and its issuer as they were read, and the status that has it renewed. Pure.

The words are cert-manager's: https://cert-manager.io/docs/reference/api-docs/
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from remediator.clients.certificates import Certificate as IssuedCertificate
from remediator.clients.certificates import NotACertificateError, certificate_in, names_of_request
from remediator.targets import Target

GROUP = "cert-manager.io"
ISSUERS = {"Issuer": "issuer", "ClusterIssuer": "clusterissuer"}
"""cert-manager's own kinds of issuers, by their kind in the API. Others are of other groups, and nothing is known of them."""
MARK = "remediator.dev/Renewal"
"""Type of the condition that carries the intent which asked for the last renewal (S15). cert-manager sets and removes its own
conditions only, so that this one stays when ``Issuing`` is gone; the status takes no annotation."""
_REVISION, _CERTIFICATE = "cert-manager.io/certificate-revision", "cert-manager.io/certificate-name"
_REASON = "ManuallyTriggered"


@dataclass(frozen=True, slots=True)
class IssuerRef:
    """Who is to sign."""

    kind: str
    group: str
    name: str

    @property
    def is_known(self) -> bool:
        return self.group == GROUP and self.kind in ISSUERS

    def __str__(self) -> str:
        return f"{self.kind[:60]} {self.name[:253]}" + ("" if self.group == GROUP else f" ({self.group[:60]})")


@dataclass(frozen=True, slots=True)
class Window:
    """When the certificate authority would like to be asked (ACME Renewal Information)."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class CertificateState:
    """One read of one Certificate."""

    target: Target
    uid: str
    resource_version: str
    generation: int
    terminating: bool
    secret: str
    issuer: IssuerRef
    names: frozenset[str]
    """Everything that it is to be for: what a certificate authority calls the exact set of identifiers."""
    hosts: tuple[str, ...]
    """Its DNS names, as they are written."""
    revision: int
    """How often it was issued."""
    not_before: datetime | None
    not_after: datetime | None
    renewal_time: datetime | None
    """When cert-manager means to renew it."""
    last_failure: datetime | None
    failures: int
    """Attempts that failed, one after the other."""
    window: Window | None
    renewal_off: bool
    """Its owner has switched cert-manager's own renewals off."""
    conditions: tuple[Mapping[str, Any], ...]

    def condition(self, type_: str) -> Mapping[str, Any]:
        """Empty where there is none of that type."""
        return next((one for one in self.conditions if one.get("type") == type_), {})

    @property
    def issuing(self) -> bool:
        return bool(self.condition("Issuing").get("status") == "True")

    @property
    def ready(self) -> bool:
        """Of the spec as it is now."""
        found = self.condition("Ready")
        seen = int(found.get("observedGeneration") or self.generation)
        return found.get("status") == "True" and seen >= self.generation

    @property
    def renewed_by(self) -> str:
        """The intent of ours that asked last."""
        return str(self.condition(MARK).get("message") or "")

    @property
    def said(self) -> str:
        """What cert-manager says of the attempt under way, or of the last one that failed."""
        found = self.condition("Issuing")
        return f"{found.get('reason', '')}: {found.get('message', '')}"[:300] if found else ""


@dataclass(frozen=True, slots=True)
class Request:
    """One read of one CertificateRequest."""

    name: str
    uid: str
    certificate: str
    """The Certificate that it was made for."""
    revision: int
    issuer: IssuerRef
    created_at: datetime
    names: frozenset[str] | None
    """None: what it asks for cannot be read."""
    issued: IssuedCertificate | None
    """None: nothing was issued, or it cannot be read."""
    failed_at: datetime | None
    denied: bool
    """Refused by an approver, or as no valid request."""
    said: str
    """Its conditions, for people."""

    @property
    def was_limited(self) -> bool:
        """Did the certificate authority refuse it for having been asked too often?"""
        said = self.said.lower()
        return "ratelimited" in said or "too many certificates" in said


@dataclass(frozen=True, slots=True)
class IssuerState:
    """One read of one issuer."""

    ref: IssuerRef
    ready: bool
    acme: bool
    said: str


@dataclass(frozen=True, slots=True)
class Renewable:
    """What there is to know before a renewal is asked for."""

    certificate: CertificateState
    issuer: IssuerState | None
    """None: there is no such issuer, or none that can be read."""
    sharing: tuple[str, ...]
    """Other Certificates that write the same Secret."""
    issued_at: tuple[datetime, ...]
    """When this issuer gave certificates for exactly these names, as far as this namespace still shows, oldest first."""
    denied: str
    """Name of a request of the next revision that was denied and is still there; empty if there is none."""
    limited: str
    """What the certificate authority said when it last refused for having been asked too often; empty if it did not."""

    @property
    def uid(self) -> str:
        return self.certificate.uid


def issuing_body(certificate: CertificateState, intent_id: str, at: str, version: str = "") -> dict[str, Any]:
    """The merge patch of the status with which ``cmctl renew`` asks for a renewal, and our mark."""
    stamp = {"lastTransitionTime": at, "observedGeneration": certificate.generation}
    asked = {
        "type": "Issuing",
        "status": "True",
        "reason": _REASON,
        "message": "Certificate re-issuance triggered by remediator",
        **stamp,
    }
    mark = {"type": MARK, "status": "True", "reason": _REASON, "message": intent_id, **stamp}
    # A merge patch replaces the whole list: without Ready, whatever waits for it would stop trusting the certificate.
    others = [dict(one) for one in certificate.conditions if one.get("type") not in ("Issuing", MARK)]
    return {
        "metadata": {"resourceVersion": version or certificate.resource_version},
        "status": {"conditions": [*others, asked, mark]},
    }


def certificate_from(target: Target, document: Mapping[str, Any]) -> CertificateState:
    """Read a Certificate."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    hosts = tuple(map(str, spec.get("dnsNames") or ()))
    window = ((status.get("acme") or {}).get("ari") or {}).get("suggestedWindow") or {}
    return CertificateState(
        target=target,
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        generation=int(metadata.get("generation") or 1),
        terminating="deletionTimestamp" in metadata,
        secret=str(spec["secretName"]),
        issuer=_issuer_ref(spec),
        names=_names(spec),
        hosts=hosts or ((str(spec["commonName"]),) if spec.get("commonName") else ()),
        revision=int(status.get("revision") or 0),
        not_before=_instant(status.get("notBefore")),
        not_after=_instant(status.get("notAfter")),
        renewal_time=_instant(status.get("renewalTime")),
        last_failure=_instant(status.get("lastFailureTime")),
        failures=int(status.get("failedIssuanceAttempts") or 0),
        window=_window(window),
        renewal_off=(spec.get("renewal") or {}).get("policy") == "Disabled",
        conditions=tuple(status.get("conditions") or ()),
    )


def request_from(document: Mapping[str, Any]) -> Request:
    """Read a CertificateRequest."""
    metadata, status = document["metadata"], document.get("status") or {}
    annotations = metadata.get("annotations") or {}
    return Request(
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        certificate=str(annotations.get(_CERTIFICATE) or ""),
        revision=int(annotations.get(_REVISION) or 0),
        issuer=_issuer_ref(document["spec"]),
        created_at=_at(metadata["creationTimestamp"]),
        names=_asked_for(document["spec"].get("request")),
        issued=_issued(status.get("certificate")),
        failed_at=_instant(status.get("failureTime")),
        denied=any(
            one.get("type") in ("Denied", "InvalidRequest") and one.get("status") == "True"
            for one in status.get("conditions") or ()
        ),
        said=conditions_said(status),
    )


def issuer_from(ref: IssuerRef, document: Mapping[str, Any]) -> IssuerState:
    """Read an Issuer or a ClusterIssuer."""
    status = document.get("status") or {}
    ready = [one for one in status.get("conditions") or () if one.get("type") == "Ready"]
    is_ready = bool(ready) and ready[0].get("status") == "True"
    return IssuerState(ref, is_ready, "acme" in document["spec"], conditions_said(status) or "it has no conditions yet")


def renewable_from(
    certificate: CertificateState,
    issuer: IssuerState | None,
    certificates: Sequence[CertificateState],
    requests: Sequence[Request],
) -> Renewable:
    """Put together what was read of one namespace."""
    others = [one for one in certificates if one.uid != certificate.uid]
    alike = [
        one
        for one in requests
        if one.issuer == certificate.issuer
        and (one.names == certificate.names or (one.names is None and one.certificate == certificate.target.name))
    ]
    # cert-manager keeps one request of each Certificate by default, and a request can be deleted: the certificates themselves still
    # tell. By their own beginning, so that nothing is counted twice.
    issued = {one.issued.not_before for one in alike if one.issued is not None} | {
        one.not_before
        for one in (certificate, *others)
        if one.not_before is not None and (one.issuer, one.names) == (certificate.issuer, certificate.names)
    }
    newest = max(alike, key=lambda one: (one.created_at, one.revision), default=None)
    return Renewable(
        certificate=certificate,
        issuer=issuer,
        sharing=tuple(sorted(one.target.name for one in others if one.secret == certificate.secret)),
        issued_at=tuple(sorted(issued)),
        denied=next(
            (
                one.name
                for one in requests
                if one.denied and (one.certificate, one.revision) == (certificate.target.name, certificate.revision + 1)
            ),
            "",
        ),
        limited=newest.said if newest is not None and newest.failed_at is not None and newest.was_limited else "",
    )


def conditions_said(status: Mapping[str, Any]) -> str:
    """The conditions of a status, for people."""
    told = [
        f"{one.get('type')}={one.get('status')} {one.get('reason', '')}: {str(one.get('message', '')).strip()}"[:400]
        for one in status.get("conditions") or ()
    ]
    return "; ".join(told)


def _issuer_ref(spec: Mapping[str, Any]) -> IssuerRef:
    found = spec["issuerRef"]
    return IssuerRef(str(found.get("kind") or "Issuer"), str(found.get("group") or GROUP), str(found["name"]))


def _names(spec: Mapping[str, Any]) -> frozenset[str]:
    listed = [name for key in ("dnsNames", "ipAddresses") for name in spec.get(key) or ()]
    common = [spec["commonName"]] if spec.get("commonName") else []
    return frozenset(str(name).lower() for name in (*listed, *common))


def _asked_for(request: Any) -> frozenset[str] | None:
    try:
        return names_of_request(base64.b64decode(str(request)))
    except (NotACertificateError, ValueError):
        return None


def _issued(certificate: Any) -> IssuedCertificate | None:
    try:
        return certificate_in(base64.b64decode(str(certificate))) if certificate else None
    except (NotACertificateError, ValueError):
        return None


def _window(found: Mapping[str, Any]) -> Window | None:
    start, end = _instant(found.get("start")), _instant(found.get("end"))
    return None if start is None or end is None else Window(start, end)


def _instant(text: Any) -> datetime | None:
    return _at(text) if text else None


def _at(text: Any) -> datetime:
    found = datetime.fromisoformat(str(text))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
