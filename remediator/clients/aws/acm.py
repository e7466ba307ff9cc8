"""Certificates of AWS Certificate Manager as they are described, and the import of one in its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.certificates import chain_of, serial_of
from remediator.clients.permissions import IamPermission
from remediator.targets import Target

_ARN = "arn:{partition}:acm:{region}:{account}:certificate/{name}"

READ = IamPermission("acm:DescribeCertificate", _ARN)
IMPORT = IamPermission("acm:ImportCertificate", _ARN, writes=True)


@dataclass(frozen=True, order=True, slots=True)
class ValidationRecord:
    """The record that proves to ACM that we have a domain. Names as ACM writes them, with the final dot."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class Renewal:
    """How far ACM's own renewal has come."""

    status: str
    """``PENDING_AUTO_RENEWAL``, ``PENDING_VALIDATION``, ``SUCCESS`` or ``FAILED``."""
    reason: str
    """Of a failure, such as ``CAA_ERROR``; may be empty."""
    updated_at: datetime | None

    def __str__(self) -> str:
        return f"renewal {self.status}{f' ({self.reason})' if self.reason else ''}"


@dataclass(frozen=True, slots=True)
class AcmCertificate:
    """One read of one certificate."""

    arn: str
    type: str
    """``AMAZON_ISSUED``, ``IMPORTED`` or ``PRIVATE``."""
    status: str
    names: tuple[str, ...]
    """Lower case and sorted."""
    serial: str
    """Empty before it is issued."""
    key: str
    not_after: datetime | None
    imported_at: datetime | None
    in_use: bool
    eligible: bool
    """Would ACM renew it by itself, as it sees it: it is its own, and something uses it."""
    failure: str
    renewal: Renewal | None
    methods: tuple[str, ...]
    """How its domains are validated: ``DNS``, ``EMAIL``, ``HTTP``."""
    records: tuple[ValidationRecord, ...]
    """Each once: a domain and its wildcard share one."""
    unvalidated: tuple[str, ...]
    """Domains that ACM could not validate when it last looked."""

    def __str__(self) -> str:
        until = f", until {self.not_after:%Y-%m-%d %H:%M} UTC" if self.not_after is not None else ""
        failure = f", {self.failure}" if self.failure else ""
        renewal = f", {self.renewal}" if self.renewal is not None else ""
        return f"{self.type} {self.status}{failure}{until}{renewal}"


def arn_of(api: AwsApi, target: Target) -> str:
    """The name by which the API knows a certificate; raises ValueError for one of another account or region."""
    if (target.kind, target.account, target.region) != ("acm-certificate", api.account, api.region):
        raise ValueError(f"{target} is no certificate of account {api.account} in {api.region}")
    return f"arn:{api.partition}:acm:{api.region}:{api.account}:certificate/{target.name}"


async def read_certificate(api: AwsApi, target: Target) -> AcmCertificate:
    """Raises TargetNotFoundError or FactsMissingError."""
    answer = await api.read("acm", "describe_certificate", CertificateArn=arn_of(api, target))
    return understood(str(target), lambda: _certificate_from(answer["Certificate"]))


async def exists(api: AwsApi, target: Target) -> None:
    """Raises TargetNotFoundError or FactsMissingError."""
    await read_certificate(api, target)


@dataclass(frozen=True, slots=True)
class Import:
    """What replaces a certificate: PEM, and the key, which is handed on to the one call and shown nowhere."""

    chain: bytes = field(repr=False)
    private_key: bytes = field(repr=False)


async def import_certificate(api: AwsApi, target: Target, new: Import) -> dict[str, Any] | None:
    """Put it in the place of the one that is there, under the same ARN; None in a dry-run.

    Without tags: they may not be given when a certificate is imported anew. Raises as ``AwsApi.write``.
    """
    leaf, rest = chain_of(new.chain)
    chain = {"CertificateChain": rest} if rest else {}
    return await api.write(
        "acm",
        "import_certificate",
        CertificateArn=arn_of(api, target),
        Certificate=leaf,
        PrivateKey=new.private_key,
        **chain,
    )


def _certificate_from(found: Mapping[str, Any]) -> AcmCertificate:
    renewal = found.get("RenewalSummary")
    options = found.get("DomainValidationOptions") or []
    looked = (renewal or {}).get("DomainValidationOptions") or options
    records = [one["ResourceRecord"] for one in (*options, *looked) if one.get("ResourceRecord")]
    return AcmCertificate(
        arn=str(found["CertificateArn"]),
        type=str(found["Type"]),
        status=str(found["Status"]),
        names=tuple(sorted({str(name).lower() for name in found.get("SubjectAlternativeNames") or ()})),
        serial=serial_of(found["Serial"]) if found.get("Serial") else "",
        key=str(found.get("KeyAlgorithm") or "").replace("-", "_"),
        not_after=found.get("NotAfter"),
        imported_at=found.get("ImportedAt"),
        in_use=bool(found.get("InUseBy")),
        eligible=found.get("RenewalEligibility") == "ELIGIBLE",
        failure=str(found.get("FailureReason") or ""),
        renewal=_renewal_from(renewal) if renewal else None,
        methods=tuple(sorted({str(one["ValidationMethod"]) for one in options if one.get("ValidationMethod")})),
        records=tuple(
            sorted({ValidationRecord(str(one["Name"]), str(one["Type"]), str(one["Value"])) for one in records})
        ),
        unvalidated=tuple(str(one["DomainName"]) for one in looked if one.get("ValidationStatus") != "SUCCESS"),
    )


def _renewal_from(found: Mapping[str, Any]) -> Renewal:
    return Renewal(
        status=str(found["RenewalStatus"]),
        reason=str(found.get("RenewalStatusReason") or ""),
        updated_at=found.get("UpdatedAt"),
    )
