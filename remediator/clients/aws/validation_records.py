"""The CNAME records by which ACM validates domains: which hosted zone each belongs to, whether it is there, making and removing it.

Route 53 keeps neither tags nor tokens of a record, and the comment of a change cannot be read back. So our mark is the record's
TTL, derived from the intent (``marked_ttl``): nobody else chooses just that number.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from remediator.clients.aws.acm import ValidationRecord
from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission

_ZONE = "arn:{partition}:route53:::hostedzone/*"
_ONLY_CNAME = ("ForAllValues:StringEquals", "route53:ChangeResourceRecordSetsRecordTypes", "CNAME")
_ONLY_HIDDEN = ("ForAllValues:StringLike", "route53:ChangeResourceRecordSetsNormalizedRecordNames", "_*")

READ = (
    IamPermission("route53:ListHostedZones"),
    IamPermission("route53:ListResourceRecordSets", _ZONE),
    IamPermission("route53:GetChange", "arn:{partition}:route53:::change/*"),
)
CHANGE = IamPermission("route53:ChangeResourceRecordSets", _ZONE, writes=True, conditions=(_ONLY_CNAME, _ONLY_HIDDEN))

SHOWN_TTL = "<301 to 599, derived from the intent>"
_LEAST_TTL, _MARKS = 301, 299
"""Not 300, which others like."""


def marked_ttl(intent_id: str) -> int:
    """The TTL in seconds that says which intent made a record: low, so that a wrong one is soon forgotten."""
    return _LEAST_TTL + int(hashlib.sha256(intent_id.encode()).hexdigest()[:8], 16) % _MARKS


@dataclass(frozen=True, order=True, slots=True)
class Zone:
    """A public hosted zone."""

    name: str
    """With the final dot."""
    id: str
    """Without ``/hostedzone/``."""

    def has(self, name: str) -> bool:
        """Would a record of this name stand in it, if in no zone below it?"""
        return f".{name}".endswith(f".{self.name}")


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record that stands where ours should."""

    name: str
    type: str
    values: tuple[str, ...]
    ttl: int | None

    def is_that(self, record: ValidationRecord) -> bool:
        """Does it say what ACM wants to read?"""
        return self.type == record.type and [one.lower().rstrip(".") for one in self.values] == [
            record.value.lower().rstrip(".")
        ]

    def __str__(self) -> str:
        return f"{self.type} {', '.join(self.values)[:200] or 'alias'}"


def change_in(zone: Zone) -> IamPermission:
    """The permission to change records, in this zone alone."""
    return replace(CHANGE, resource=CHANGE.resource.replace("*", zone.id))


async def public_zones(api: AwsApi) -> tuple[Zone, ...]:
    """Raises FactsMissingError."""
    found = await api.pages("route53", "list_hosted_zones", "HostedZones")
    return understood("hosted zones", lambda: tuple(_zone_from(one) for one in found if not _private(one)))


def zones_for(name: str, zones: Iterable[Zone]) -> tuple[Zone, ...]:
    """Those with the longest name that ends this one; several where one name has several zones, which nobody can choose among."""
    fitting = [zone for zone in zones if zone.has(name.lower())]
    longest = max((len(zone.name) for zone in fitting), default=0)
    return tuple(sorted(zone for zone in fitting if len(zone.name) == longest))


async def records_at(api: AwsApi, zone: Zone, name: str) -> tuple[FoundRecord, ...]:
    """Every record of exactly this name. Raises FactsMissingError."""
    # The name alone: a record of another type is in the way of a CNAME as well. They are listed in order, so ours come first.
    answer = await api.read(
        "route53", "list_resource_record_sets", HostedZoneId=zone.id, StartRecordName=name, MaxItems="20"
    )
    found = understood(f"records of {zone.name}", lambda: [_record_from(one) for one in answer["ResourceRecordSets"]])
    return tuple(one for one in found if one.name == name.lower())


def changes_of(action: str, records: Iterable[ValidationRecord], ttl: int | str) -> list[dict[str, Any]]:
    """The batch's changes, which happen all or none: ``CREATE`` (refused where the record is there) or ``DELETE`` (refused where it
    is not exactly so)."""
    return [
        {
            "Action": action,
            "ResourceRecordSet": {
                "Name": record.name,
                "Type": record.type,
                "TTL": ttl,
                "ResourceRecords": [{"Value": record.value}],
            },
        }
        for record in records
    ]


async def change_records(
    api: AwsApi, zone_id: str, changes: list[dict[str, Any]], comment: str
) -> dict[str, Any] | None:
    """Send one batch; None in a dry-run. Raises as ``AwsApi.write``."""
    batch = {"Comment": comment, "Changes": changes}
    return await api.write("route53", "change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch=batch)


def change_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of the answer to a change: its id, by which ``in_sync`` asks."""
    return {"change": str((answer.get("ChangeInfo") or {}).get("Id") or "").removeprefix("/change/")}


async def in_sync(api: AwsApi, change_id: str) -> bool:
    """Do all name servers answer with the change? Raises FactsMissingError."""
    answer = await api.read("route53", "get_change", Id=change_id)
    return understood(f"change {change_id}", lambda: bool(answer["ChangeInfo"]["Status"] == "INSYNC"))


def _private(found: Mapping[str, Any]) -> bool:
    return bool((found.get("Config") or {}).get("PrivateZone"))


def _zone_from(found: Mapping[str, Any]) -> Zone:
    return Zone(str(found["Name"]).lower(), str(found["Id"]).removeprefix("/hostedzone/"))


def _record_from(found: Mapping[str, Any]) -> FoundRecord:
    return FoundRecord(
        # Route 53 writes some characters as octal numbers: "\052" is the asterisk. Names of validation records have none of them.
        name=str(found["Name"]).lower(),
        type=str(found["Type"]),
        values=tuple(str(one["Value"]) for one in found.get("ResourceRecords") or ()),
        ttl=found.get("TTL"),
    )
