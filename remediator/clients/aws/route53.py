"""Route 53: the records of one name, changed in one atomic batch, and what its name servers answer.

A record has no version and takes no mark, and the comment of a batch can only be read by whoever got its answer. So a batch of ours
also writes a TXT record beside what it changes, ``_remediator.www.example.org``, which holds the intent: both or neither are there.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target

_ZONES = "arn:{partition}:route53:::hostedzone/*"
READ_ZONES = (IamPermission("route53:GetHostedZone", _ZONES), IamPermission("route53:ListHostedZonesByName"))
READ_RECORDS = (*READ_ZONES, IamPermission("route53:ListResourceRecordSets", _ZONES))
_TYPES, _ACTIONS = "route53:ChangeResourceRecordSetsRecordTypes", "route53:ChangeResourceRecordSetsActions"
CHANGE_RECORDS = (
    IamPermission(
        "route53:ChangeResourceRecordSets",
        _ZONES,
        writes=True,
        conditions=(
            *(("ForAllValues:StringEquals", _TYPES, kind) for kind in ("A", "AAAA", "CNAME", "TXT")),
            *(("ForAllValues:StringEquals", _ACTIONS, action) for action in ("UPSERT", "DELETE")),
        ),
    ),
)
"""No other types of records than those that fail over and our mark's. A policy may narrow it further, by names of records."""
READ_CHANGES = (IamPermission("route53:GetChange", "arn:{partition}:route53:::change/*"),)
READ_ANSWERS = (IamPermission("route53:TestDNSAnswer"),)

MARK_TTL_S = 300
_ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}", re.IGNORECASE)
_MARK = re.compile(r'"remediator intent=(?P<intent>[a-z0-9_]{1,64})"')
_ESCAPE = re.compile(r"\\([0-7]{3})")
_MOST_ZONES = 100


@dataclass(frozen=True, slots=True)
class Zone:
    """One hosted zone; ``id`` without the path before it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class RecordSet:
    """One of the sets that stand under one name and type. ``document`` is the whole of it, as it must be written back."""

    name: str
    """Without the last dot, in lower case."""
    type: str
    identifier: str
    """Empty for a simple record, which is the only one of its name and type."""
    weight: int | None
    role: str
    """PRIMARY or SECONDARY with failover routing, else empty."""
    values: tuple[str, ...]
    alias: str
    """The name that an alias leads to; empty for one that has values."""
    health_check: str
    document: Mapping[str, Any]

    @property
    def routing(self) -> str:
        """simple, weighted, failover, or other (latency, geolocation, multivalue, IP-based)."""
        if self.weight is not None:
            return "weighted"
        if self.role:
            return "failover"
        return "other" if self.identifier else "simple"

    @property
    def leads_to(self) -> str:
        """For people."""
        return f"alias of {self.alias}" if self.alias else ", ".join(self.values[:4])


@dataclass(frozen=True, slots=True)
class Records:
    """What stands under one name and type, and our mark beside it."""

    zone: Zone
    name: str
    type: str
    sets: tuple[RecordSet, ...]
    mark: str | None
    """The intent that wrote last, if it was one of ours."""

    @property
    def uid(self) -> str:
        """A zone's id is never given again; a name in it has no identity beside itself."""
        return f"{self.zone.id}/{self.name}/{self.type}"

    @property
    def documents(self) -> list[dict[str, Any]]:
        """All sets, in the order of their identifiers: JSON that can be compared and written back."""
        return [dict(one.document) for one in sorted(self.sets, key=lambda one: one.identifier)]


def name_and_type(target: Target) -> tuple[str, str]:
    """A record's target is named ``www.example.org:A``."""
    name, _, kind = target.name.rpartition(":")
    return name, kind


def mark_name(name: str) -> str:
    """Where the mark of a name stands."""
    return f"_remediator.{name}"


def mark_record(name: str, intent: str) -> dict[str, Any]:
    """The mark, as a record."""
    return {
        "Name": f"{mark_name(name)}.",
        "Type": "TXT",
        "TTL": MARK_TTL_S,
        "ResourceRecords": [{"Value": f'"remediator intent={intent}"'}],
    }


async def zone_of(api: AwsApi, wanted: str) -> Zone:
    """By its id, or by its name where one public zone has it.

    Raises:
        TargetNotFoundError: there is no such zone.
        FactsMissingError: it could not be read, or several public zones have this name.
    """
    if _ZONE_ID.fullmatch(wanted):
        found = await api.read("route53", "get_hosted_zone", Id=wanted.upper())
        return _zone(found["HostedZone"])
    name = plain_name(wanted)
    answer = await api.read("route53", "list_hosted_zones_by_name", DNSName=name, MaxItems=str(_MOST_ZONES))
    zones = [
        _zone(one)
        for one in answer.get("HostedZones", ())
        if plain_name(str(one["Name"])) == name and not one.get("Config", {}).get("PrivateZone", False)
    ]
    if not zones:
        raise TargetNotFoundError(f"there is no public hosted zone {name}")
    if len(zones) > 1:
        ids = ", ".join(zone.id for zone in zones)
        raise FactsMissingError(f"{len(zones)} public hosted zones are named {name}; say the id of one: {ids}")
    return zones[0]


async def records(api: AwsApi, target: Target) -> Records:
    """Everything under the target's name and type.

    Raises:
        TargetNotFoundError: no such zone, or nothing under this name and type.
        FactsMissingError: it could not be read.
    """
    zone = await zone_of(api, target.within)
    name, kind = name_and_type(target)
    sets = await _sets(api, zone, name, kind)
    if not sets:
        raise TargetNotFoundError(f"zone {zone.name} has no {kind} record {name}")
    marks = [_MARK.fullmatch(value) for one in await _sets(api, zone, mark_name(name), "TXT") for value in one.values]
    mark = next((found["intent"] for found in marks if found), None)
    return Records(zone, name, kind, tuple(sets), mark)


async def exists(api: AwsApi, target: Target) -> None:
    """For the target's finder: raises TargetNotFoundError where nothing stands under the name and type."""
    await records(api, target)


async def change(api: AwsApi, zone: Zone, changes: Sequence[Mapping[str, Any]], comment: str) -> str | None:
    """Send one batch, at most once. The change's id; None in a dry-run, where nothing is sent."""
    sent = await api.write(
        "route53",
        "change_resource_record_sets",
        HostedZoneId=zone.id,
        ChangeBatch={"Comment": comment, "Changes": [dict(one) for one in changes]},
    )
    return None if sent is None else str(sent["ChangeInfo"]["Id"]).rpartition("/")[2]


async def is_in_sync(api: AwsApi, change_id: str) -> bool:
    """Do all of Route 53's name servers have it? Resolvers still keep what they have for its TTL."""
    answer = await api.read("route53", "get_change", Id=change_id)
    return bool(answer["ChangeInfo"]["Status"] == "INSYNC")


async def answered(api: AwsApi, zone: Zone, name: str, kind: str) -> tuple[str, tuple[str, ...]]:
    """What a name server of the zone answers now: the response code and the values, as health checks and weights have it."""
    answer = await api.read("route53", "test_dns_answer", HostedZoneId=zone.id, RecordName=name, RecordType=kind)
    return str(answer["ResponseCode"]), tuple(plain_value(str(one)) for one in answer.get("RecordData", ()))


def plain_name(name: str) -> str:
    r"""Without the last dot, in lower case, and ``\052`` as the ``*`` that it stands for."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), name).rstrip(".").lower()


def plain_value(value: str) -> str:
    """To compare: a name's last dot and its case mean nothing, and an address of IPv6 has many spellings."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return value.rstrip(".").lower()


async def _sets(api: AwsApi, zone: Zone, name: str, kind: str) -> list[RecordSet]:
    """The list begins where it is told to and goes on to the zone's end, so it is left as soon as another name comes."""
    found: list[RecordSet] = []
    start: dict[str, str] = {"StartRecordName": name, "StartRecordType": kind}
    while True:
        page = await api.read("route53", "list_resource_record_sets", HostedZoneId=zone.id, **start)
        for one in page.get("ResourceRecordSets", ()):
            if (plain_name(str(one["Name"])), one["Type"]) != (name, kind):
                return found
            found.append(_record_set(one))
        if not page.get("IsTruncated"):
            return found
        start = {"StartRecordName": str(page["NextRecordName"]), "StartRecordType": str(page["NextRecordType"])}
        if page.get("NextRecordIdentifier"):
            start["StartRecordIdentifier"] = str(page["NextRecordIdentifier"])


def _zone(found: Mapping[str, Any]) -> Zone:
    return Zone(str(found["Id"]).rpartition("/")[2], plain_name(str(found["Name"])))


def _record_set(one: Mapping[str, Any]) -> RecordSet:
    return RecordSet(
        name=plain_name(str(one["Name"])),
        type=str(one["Type"]),
        identifier=str(one.get("SetIdentifier", "")),
        weight=int(one["Weight"]) if "Weight" in one else None,
        role=str(one.get("Failover", "")),
        values=tuple(str(value["Value"]) for value in one.get("ResourceRecords", ())),
        alias=plain_value(str(one.get("AliasTarget", {}).get("DNSName", ""))),
        health_check=str(one.get("HealthCheckId", "")),
        document=dict(one),
    )
