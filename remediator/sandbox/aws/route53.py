"""Route 53: zones with records, changed in batches that all name servers have a minute later, and health checks."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service, paged

IN_SYNC_AFTER_S = 60.0
CHECKERS = (
    "us-east-1",
    "us-west-2",
    "eu-west-1",
    "sa-east-1",
    "ap-southeast-1",
    "ap-northeast-1",
    "us-west-1",
    "ap-southeast-2",
)

Record = dict[str, Any]
_Key = tuple[str, str, str]


@dataclass
class Zone:
    """`records` are what the API shows, `served` what the name servers answer from."""

    id: str
    name: str
    private: bool = False
    records: dict[_Key, Record] = field(default_factory=dict)
    served: dict[_Key, Record] = field(default_factory=dict)


@dataclass
class Change:
    id: str
    at: datetime
    comment: str
    status: str = "PENDING"


@dataclass
class HealthCheck:
    """`sees`: what its checkers see. What it says of it is `healthy`."""

    id: str
    type: str = "HTTPS"
    sees: bool = True
    inverted: bool = False
    disabled: bool = False
    version: int = 1

    @property
    def healthy(self) -> bool:
        return (self.disabled or self.sees) != self.inverted


class Route53(Service):
    name: ClassVar[str] = "route53"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.zones: dict[str, Zone] = {}
        self.changes: dict[str, Change] = {}
        self.health_checks: dict[str, HealthCheck] = {}
        self.aliases: dict[str, list[str]] = {}
        """The addresses behind a load balancer's name."""
        self.batches = 0
        """How many were carried out."""

    def zone(self, name: str, *, private: bool = False, id: str | None = None) -> Zone:
        """Make a hosted zone."""
        made = Zone(id or f"Z{self.cloud.new_id().upper()}", _full(name), private)
        self.zones[made.id] = made
        return made

    def put(self, zone: Zone, record: Mapping[str, Any]) -> None:
        """Set a record, served at once."""
        kept = _kept(record)
        zone.records[_key(kept)] = kept
        zone.served[_key(kept)] = deepcopy(kept)

    def health_check(self, id: str, **settings: Any) -> HealthCheck:
        made = HealthCheck(id, **settings)
        self.health_checks[id] = made
        return made

    def found(self, zone: Zone, name: str, type: str) -> list[Record]:
        """What the API shows under one name and type, by identifier."""
        return [one for key, one in sorted(zone.records.items()) if key[:2] == (_full(name), type)]

    # Zones and records.

    async def ListHostedZones(self, call: Call) -> dict[str, Any]:
        every = sorted(self.zones.values(), key=lambda one: one.id)
        page, marker = paged(every, call.params, token="Marker", limit="MaxItems")
        limit = str(call.params.get("MaxItems") or 100)
        more = {"NextMarker": marker} if marker else {}
        return {
            "HostedZones": [_shown(one) for one in page],
            "Marker": str(call.params.get("Marker") or ""),
            "IsTruncated": marker is not None,
            "MaxItems": limit,
            **more,
        }

    async def ListHostedZonesByName(self, call: Call) -> dict[str, Any]:
        start = _order(_full(call.params["DNSName"])) if call.params.get("DNSName") else ()
        every = sorted(self.zones.values(), key=lambda one: (_order(one.name), one.id))
        rest = [one for one in every if _order(one.name) >= start]
        limit = int(call.params.get("MaxItems") or 100)
        more = {} if len(rest) <= limit else {"NextDNSName": rest[limit].name, "NextHostedZoneId": rest[limit].id}
        return {
            "HostedZones": [_shown(one) for one in rest[:limit]],
            "IsTruncated": len(rest) > limit,
            "MaxItems": str(limit),
            **more,
        }

    async def GetHostedZone(self, call: Call) -> dict[str, Any]:
        return {"HostedZone": _shown(self._zone(call.params["Id"]))}

    async def ListResourceRecordSets(self, call: Call) -> dict[str, Any]:
        zone, asked = self._zone(call.params["HostedZoneId"]), call.params
        if asked.get("StartRecordType") and not asked.get("StartRecordName"):
            raise Refused("InvalidInput", "StartRecordType needs StartRecordName")
        start = (
            _order(_full(asked["StartRecordName"])) if asked.get("StartRecordName") else (),
            asked.get("StartRecordType") or "",
            asked.get("StartRecordIdentifier") or "",
        )
        every = sorted(zone.records.items(), key=lambda one: (_order(one[0][0]), one[0][1], one[0][2]))
        rest = [one for key, one in every if (_order(key[0]), key[1], key[2]) >= start]
        limit = min(int(asked.get("MaxItems") or 300), 300)
        answer: dict[str, Any] = {
            "ResourceRecordSets": [_escaped(one) for one in rest[:limit]],
            "IsTruncated": len(rest) > limit,
            "MaxItems": str(limit),
        }
        if len(rest) > limit:
            following = rest[limit]
            answer |= {"NextRecordName": _escape(following["Name"]), "NextRecordType": following["Type"]}
            if "SetIdentifier" in following:
                answer["NextRecordIdentifier"] = following["SetIdentifier"]
        return answer

    async def ChangeResourceRecordSets(self, call: Call) -> dict[str, Any]:
        zone, batch = self._zone(call.params["HostedZoneId"]), call.params["ChangeBatch"]
        records, problems = dict(zone.records), []
        for one in batch["Changes"]:
            problem = self._apply(zone, records, one["Action"], _kept(one["ResourceRecordSet"]))
            if problem:
                problems.append(problem)
        problems += _mixed(records)
        if problems:  # all of a batch or nothing
            raise Refused("InvalidChangeBatch", f"[{', '.join(problems)}]", 400, {"messages": problems})
        zone.records = records
        self.batches += 1
        change = Change(f"C{self.cloud.new_id().upper()}", call.at, batch.get("Comment", ""))
        self.changes[change.id] = change
        served = deepcopy(records)
        self.cloud.after(IN_SYNC_AFTER_S, lambda: self._in_sync(zone, change, served))
        return {"ChangeInfo": _info(change)}

    async def GetChange(self, call: Call) -> dict[str, Any]:
        change = self.changes.get(_bare(call.params["Id"]))
        if change is None:
            raise Refused("NoSuchChange", "A change with that id does not exist.", 404)
        return {"ChangeInfo": _info(change)}

    async def TestDNSAnswer(self, call: Call) -> dict[str, Any]:
        zone, asked = self._zone(call.params["HostedZoneId"]), call.params
        name = _full(asked["RecordName"])
        sets = [one for key, one in sorted(zone.served.items()) if key[:2] == (name, asked["RecordType"])]
        return {
            "Nameserver": "ns-1.awsdns-01.org",
            "RecordName": name,
            "RecordType": asked["RecordType"],
            "RecordData": self._answer(sets),
            "ResponseCode": "NOERROR" if sets else "NXDOMAIN",
            "Protocol": "UDP",
        }

    # Health checks.

    async def GetHealthCheck(self, call: Call) -> dict[str, Any]:
        return {"HealthCheck": _checked(self._health_check(call.params["HealthCheckId"]))}

    async def GetHealthCheckStatus(self, call: Call) -> dict[str, Any]:
        found = self._health_check(call.params["HealthCheckId"])
        if found.type in ("CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL"):
            raise Refused("InvalidInput", "The health check has no checkers of its own.")
        status = (
            "Success: HTTP Status Code 200, OK" if found.sees else "Failure: HTTP Status Code 503, Service Unavailable"
        )
        observations = [
            {"Region": region, "IPAddress": "192.0.2.1", "StatusReport": {"Status": status, "CheckedTime": call.at}}
            for region in CHECKERS
        ]
        return {"HealthCheckObservations": observations}

    async def UpdateHealthCheck(self, call: Call) -> dict[str, Any]:
        found, asked = self._health_check(call.params["HealthCheckId"]), call.params
        if asked.get("HealthCheckVersion") not in (None, found.version):
            raise Refused("HealthCheckVersionMismatch", "The version of the health check does not match.", 409)
        found.inverted = asked.get("Inverted", found.inverted)
        found.disabled = asked.get("Disabled", found.disabled)
        found.version += 1
        return {"HealthCheck": _checked(found)}

    def _apply(self, zone: Zone, records: dict[_Key, Record], action: str, record: Record) -> str | None:
        key, shown = _key(record), f"name='{record['Name']}', type='{record['Type']}'"
        if not (record["Name"] == zone.name or record["Name"].endswith(f".{zone.name}")):
            return f"RRSet with DNS name {record['Name']} is not permitted in zone {zone.name}"
        if record.get("HealthCheckId") and record["HealthCheckId"] not in self.health_checks:
            raise Refused("NoSuchHealthCheck", f"No health check exists with the id {record['HealthCheckId']}", 404)
        match action:
            case "CREATE" if key in records:
                return f"Tried to create resource record set [{shown}] but it already exists"
            case "DELETE" if key not in records:
                return f"Tried to delete resource record set [{shown}] but it was not found"
            case "DELETE" if records[key] != record:
                return f"Tried to delete resource record set [{shown}] but the values provided do not match the current values"
            case "DELETE":
                del records[key]
            case _:
                records[key] = record
        return None

    def _in_sync(self, zone: Zone, change: Change, served: dict[_Key, Record]) -> None:
        zone.served, change.status = served, "INSYNC"

    def _answer(self, sets: list[Record]) -> list[str]:
        """The heaviest healthy one, where the real service draws lots by weight."""
        healthy = [one for one in sets if self._is_healthy(one)]
        heavy = [one for one in healthy if one.get("Weight", 1) > 0 and one.get("Failover") != "SECONDARY"]
        chosen = heavy or healthy or sets
        if not chosen:
            return []
        record = max(chosen, key=lambda one: int(one.get("Weight", 0)))
        if "AliasTarget" in record:
            return list(self.aliases.get(_full(record["AliasTarget"]["DNSName"]), []))
        return [str(value["Value"]) for value in record.get("ResourceRecords", ())]

    def _is_healthy(self, record: Record) -> bool:
        check = self.health_checks.get(record.get("HealthCheckId", ""))
        return check is None or check.healthy

    def _zone(self, id: str) -> Zone:
        found = self.zones.get(_bare(id))
        if found is None:
            raise Refused("NoSuchHostedZone", f"No hosted zone found with ID: {_bare(id)}", 404)
        return found

    def _health_check(self, id: str) -> HealthCheck:
        found = self.health_checks.get(id)
        if found is None:
            raise Refused("NoSuchHealthCheck", f"No health check exists with the specified ID {id}", 404)
        return found


def _mixed(records: Mapping[_Key, Record]) -> list[str]:
    """What cannot stand beside each other: sets of several routing policies, a simple record and others, a CNAME and other types."""
    by_name: dict[str, set[str]] = {}
    by_set: dict[tuple[str, str], set[str]] = {}
    for name, kind, identifier in records:
        by_name.setdefault(name, set()).add(kind)
        record = records[(name, kind, identifier)]
        policy = next((word for word in ("Weight", "Failover", "Region") if word in record), "simple")
        if (policy == "simple") != (not identifier):
            policy = "InvalidSet"
        by_set.setdefault((name, kind), set()).add(policy)
    problems = [
        f"RRSet of type CNAME with DNS name {name} is not permitted as it conflicts with other records"
        for name, kinds in by_name.items()
        if "CNAME" in kinds and len(kinds) > 1
    ]
    problems += [
        f"RRSet with DNS name {name}, type {kind} cannot be created as other RRSets exist with a different routing policy"
        for (name, kind), policies in by_set.items()
        if len(policies) > 1 or "InvalidSet" in policies
    ]
    return problems


def _key(record: Record) -> _Key:
    return record["Name"], record["Type"], record.get("SetIdentifier", "")


def _kept(record: Mapping[str, Any]) -> Record:
    return {**deepcopy(dict(record)), "Name": _full(str(record["Name"]))}


def _full(name: str) -> str:
    return f"{name.replace(chr(92) + '052', '*').rstrip('.').lower()}."


def _escape(name: str) -> str:
    return name.replace("*", "\\052")


def _escaped(record: Record) -> Record:
    return {**record, "Name": _escape(record["Name"])}


def _order(name: str) -> tuple[str, ...]:
    """As Route 53 sorts: by the labels from the last one on."""
    return tuple(reversed(_escape(name).rstrip(".").split(".")))


def _bare(id: str) -> str:
    return id.rpartition("/")[2]


def _shown(zone: Zone) -> dict[str, Any]:
    return {
        "Id": f"/hostedzone/{zone.id}",
        "Name": zone.name,
        "CallerReference": zone.id,
        "Config": {"PrivateZone": zone.private},
        "ResourceRecordSetCount": len(zone.records),
    }


def _info(change: Change) -> dict[str, Any]:
    return {
        "Id": f"/change/{change.id}",
        "Status": change.status,
        "SubmittedAt": change.at,
        **({"Comment": change.comment} if change.comment else {}),
    }


def _checked(check: HealthCheck) -> dict[str, Any]:
    return {
        "Id": check.id,
        "CallerReference": check.id,
        "HealthCheckConfig": {
            "Type": check.type,
            "FullyQualifiedDomainName": "www.example.org",
            "Inverted": check.inverted,
            "Disabled": check.disabled,
        },
        "HealthCheckVersion": check.version,
    }
