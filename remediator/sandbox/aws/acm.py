"""AWS Certificate Manager: certificates that it issued and renews while their validation records are there, and imported ones."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from remediator.sandbox.aws.route53 import Route53
from remediator.sandbox.aws.service import Call, Refused, Service

LOOK_S = 60.0
"""How often it looks for the records of a renewal. The real one takes hours."""
ISSUE_S = 30.0
_LIFE = timedelta(days=395)
_ARN = re.compile(r"arn:aws:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+")


@dataclass(slots=True)
class Certificate:
    """One certificate as it is. `serial` is a number."""

    id: str
    region: str
    names: list[str]
    type: str
    serial: int
    not_before: datetime
    not_after: datetime
    status: str = "ISSUED"
    method: str = "DNS"
    in_use_by: list[str] = field(default_factory=list)
    key: str = "EC-prime256v1"
    imported_at: datetime | None = None
    renewal: str | None = None
    renewal_reason: str | None = None
    renewed_at: datetime | None = None
    validated: dict[str, bool] = field(default_factory=dict)
    private_key: bytes = field(default=b"", repr=False)
    renewals: int = 0
    imports: int = 0

    def record(self, name: str) -> tuple[str, str]:
        """Name and value of the CNAME that validates a name; a wildcard has that of its domain."""
        domain = name.removeprefix("*.")
        token = f"{abs(hash_of(self.id, domain)):032x}"
        return f"_{token}.{domain}.", f"_{token[::-1]}.acm-validations.aws."


def hash_of(*texts: str) -> int:
    """The same number in every process."""
    return int(hashlib.sha256("/".join(texts).encode()).hexdigest()[:32], 16)


class Acm(Service):
    """`certificates` by id, in every region."""

    name: ClassVar[str] = "acm"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.certificates: dict[str, Certificate] = {}

    # For tests.

    def issued(self, id: str, *names: str, left: timedelta = timedelta(days=20), **more: Any) -> Certificate:
        """One of ACM's own, in use, that ends after `left`; whether its records are there is Route 53's."""
        use = [f"arn:aws:elasticloadbalancing:{self.cloud.region}:{self.account}:loadbalancer/app/front/1"]
        return self._put(id, names, "AMAZON_ISSUED", left, {"in_use_by": use, **more})

    def imported(self, id: str, *names: str, left: timedelta = timedelta(days=20), **more: Any) -> Certificate:
        """One that somebody imported."""
        return self._put(id, names, "IMPORTED", left, {"imported_at": self.cloud.now() - timedelta(days=70), **more})

    def renew(self, id: str) -> None:
        """Let ACM begin to renew it: it looks for the records at once, and then again and again."""
        certificate = self.certificates[id]
        certificate.renewal = "PENDING_AUTO_RENEWAL"
        certificate.renewed_at = self.cloud.now()
        self._look(certificate)

    # Operations.

    async def DescribeCertificate(self, call: Call) -> dict[str, Any]:
        return {"Certificate": self._detail(self._found(call))}

    async def ListCertificates(self, call: Call) -> dict[str, Any]:
        return {
            "CertificateSummaryList": [
                {"CertificateArn": self._arn(one), "DomainName": one.names[0], "Status": one.status, "Type": one.type}
                for one in self.certificates.values()
                if one.region == call.region
            ]
        }

    async def ImportCertificate(self, call: Call) -> dict[str, Any]:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        asked = call.params
        if "CertificateArn" in asked and asked.get("Tags"):
            raise Refused("InvalidParameterException", "Tagging is not permitted on re-import.")
        try:
            leaf = x509.load_pem_x509_certificate(asked["Certificate"])
            key = serialization.load_pem_private_key(asked["PrivateKey"], password=None)
            if asked.get("CertificateChain"):
                x509.load_pem_x509_certificates(asked["CertificateChain"])
        except (ValueError, TypeError):
            raise Refused("ValidationException", "The certificate or private key is not valid PEM.") from None
        form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
            raise Refused("ValidationException", "The private key does not match the certificate.")
        names = [
            str(name)
            for name in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
                x509.DNSName
            )
        ]
        size = getattr(key, "key_size", 0)
        kind = f"RSA-{size}" if type(key).__name__.startswith(("RSA", "_RSA")) else _CURVES.get(size, "")
        if "CertificateArn" in asked:
            certificate = self._found(call)
            if certificate.type != "IMPORTED":
                raise Refused("ValidationException", "The certificate was not imported.")
            if kind != certificate.key:
                raise Refused("ValidationException", "The key type and size cannot be changed.")
        else:
            certificate = Certificate(
                self.cloud.new_id("imported-"), call.region, names, "IMPORTED", 0, call.at, call.at, key=kind
            )
            self.certificates[certificate.id] = certificate
        certificate.names = names
        certificate.serial = leaf.serial_number
        certificate.not_before, certificate.not_after = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        certificate.imported_at = call.at
        certificate.private_key = asked["PrivateKey"]
        certificate.imports += 1
        certificate.status = "ISSUED"
        return {"CertificateArn": self._arn(certificate)}

    # What happens by itself.

    def _look(self, certificate: Certificate) -> None:
        if certificate.renewal not in ("PENDING_AUTO_RENEWAL", "PENDING_VALIDATION"):
            return
        for name in certificate.names:
            wanted, value = certificate.record(name)
            certificate.validated[name] = value in self._values(wanted)
        if all(certificate.validated.values()):
            self.cloud.after(ISSUE_S, lambda: self._issue(certificate))
            return
        certificate.renewal = "PENDING_VALIDATION"
        certificate.renewed_at = self.cloud.now()
        self.cloud.after(LOOK_S, lambda: self._look(certificate))

    def _issue(self, certificate: Certificate) -> None:
        now = self.cloud.now()
        certificate.renewal, certificate.renewed_at = "SUCCESS", now
        certificate.serial += 1
        certificate.not_before, certificate.not_after = now, now + _LIFE
        certificate.renewals += 1

    def _values(self, name: str) -> list[str]:
        """What the public name servers of this account say."""
        zones = self.cloud.in_account(self.account).of(Route53).zones.values()
        found = [zone.served.get((name, "CNAME", "")) for zone in zones if not zone.private]
        values = [str(one["Value"]) for record in found if record for one in record.get("ResourceRecords", ())]
        return [value if value.endswith(".") else f"{value}." for value in values]

    # Shapes.

    def _put(self, id: str, names: tuple[str, ...], type: str, left: timedelta, more: dict[str, Any]) -> Certificate:
        now = self.cloud.now().astimezone(UTC)
        region = more.pop("region", self.cloud.region)
        serial = hash_of(id) % 2**120
        made = Certificate(id, region, list(names), type, serial, now + left - _LIFE, now + left, **more)
        self.certificates[id] = made
        return made

    def _arn(self, certificate: Certificate) -> str:
        return f"arn:aws:acm:{certificate.region}:{self.account}:certificate/{certificate.id}"

    def _found(self, call: Call) -> Certificate:
        arn = call.params["CertificateArn"]
        if not _ARN.fullmatch(arn):
            raise Refused("InvalidArnException", f"{arn} is not a valid ARN")
        found = self.certificates.get(arn.rpartition("/")[2])
        if found is None or self._arn(found) != arn or found.region != call.region:
            raise Refused("ResourceNotFoundException", f"Could not find certificate {arn}.")
        return found

    def _detail(self, one: Certificate) -> dict[str, Any]:
        own = one.type == "AMAZON_ISSUED"
        hexed = f"{one.serial:032x}"
        detail: dict[str, Any] = {
            "CertificateArn": self._arn(one),
            "DomainName": one.names[0],
            "SubjectAlternativeNames": list(one.names),
            "Serial": ":".join(hexed[at : at + 2] for at in range(0, len(hexed), 2)),
            "Status": one.status,
            "Type": one.type,
            "KeyAlgorithm": one.key,
            "NotBefore": one.not_before,
            "NotAfter": one.not_after,
            "InUseBy": list(one.in_use_by),
            "RenewalEligibility": "ELIGIBLE" if own and one.in_use_by and one.status == "ISSUED" else "INELIGIBLE",
        }
        if one.imported_at is not None:
            detail["ImportedAt"] = one.imported_at
        if own:
            # Of the issuance; a renewal's own looks stand in its summary.
            detail["DomainValidationOptions"] = [self._option(one, name, "SUCCESS") for name in one.names]
        if own and one.renewal is not None:
            detail["RenewalSummary"] = {
                "RenewalStatus": one.renewal,
                "UpdatedAt": one.renewed_at,
                "DomainValidationOptions": [
                    self._option(one, name, "SUCCESS" if one.validated.get(name) else "PENDING_VALIDATION")
                    for name in one.names
                ],
            }
            if one.renewal_reason:
                detail["RenewalSummary"]["RenewalStatusReason"] = one.renewal_reason
        return detail

    def _option(self, one: Certificate, name: str, status: str) -> dict[str, Any]:
        option: dict[str, Any] = {
            "DomainName": name,
            "ValidationDomain": name.removeprefix("*."),
            "ValidationStatus": status,
            "ValidationMethod": one.method,
        }
        if one.method == "DNS":
            record, value = one.record(name)
            option["ResourceRecord"] = {"Name": record, "Type": "CNAME", "Value": value}
        return option


_CURVES = {256: "EC-prime256v1", 384: "EC-secp384r1", 521: "EC-secp521r1"}
