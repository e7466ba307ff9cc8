"""Zonal shift: traffic of a load balancer kept away from one zone until a time that was said."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from remediator.sandbox.aws.elbv2 import Elbv2, LoadBalancer
from remediator.sandbox.aws.service import Call, Refused, Service, paged

_EXPIRES = re.compile(r"([1-9][0-9]*)([mh])")
_LONGEST = timedelta(hours=72)


@dataclass
class Shift:
    id: str
    arn: str
    away_from: str
    started_at: datetime
    expires_at: datetime
    comment: str
    status: str = "ACTIVE"


class ArcZonalShift(Service):
    """Every load balancer is managed unless its ARN is in `unmanaged`. Zones are named as `euc1-az1` here."""

    name: ClassVar[str] = "arc-zonal-shift"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.shifts: list[Shift] = []
        self.unmanaged: set[str] = set()
        self.autoshifted: dict[str, str] = {}

    def put(self, arn: str, away_from: str, *, hours: int = 1) -> Shift:
        """As somebody else would start it."""
        now = self.cloud.now()
        made = Shift(self.cloud.new_id("shift-"), arn, away_from, now, now + timedelta(hours=hours), "by hand")
        self.shifts.append(made)
        return made

    def active(self, arn: str) -> list[Shift]:
        return [one for one in self._kept() if one.arn == arn and one.status == "ACTIVE"]

    async def GetManagedResource(self, call: Call) -> dict[str, Any]:
        found = self._resource(call.params["resourceIdentifier"])
        away = {one.away_from for one in self.active(found.arn)} | {self.autoshifted.get(found.arn, "")}
        auto = self.autoshifted.get(found.arn)
        shown = [
            {
                "appliedStatus": "APPLIED",
                "zonalShiftId": one.id,
                "resourceIdentifier": one.arn,
                "awayFrom": one.away_from,
                "expiryTime": one.expires_at,
                "startTime": one.started_at,
                "comment": one.comment,
            }
            for one in self.active(found.arn)
        ]
        return {
            "arn": found.arn,
            "name": found.name,
            "appliedWeights": {zone: 0.0 if zone in away else 1.0 for zone in _zones(found)},
            "zonalShifts": shown,
            "autoshifts": [{"appliedStatus": "APPLIED", "awayFrom": auto, "startTime": call.at}] if auto else [],
        }

    async def ListZonalShifts(self, call: Call) -> dict[str, Any]:
        asked = call.params
        found = [
            one
            for one in self._kept()
            if asked.get("resourceIdentifier") in (None, one.arn) and asked.get("status") in (None, one.status)
        ]
        page, token = paged(found, asked, token="nextToken", limit="maxResults")
        return {"items": [_shown(one) for one in page], **({"nextToken": token} if token else {})}

    async def StartZonalShift(self, call: Call) -> dict[str, Any]:
        asked = call.params
        found = self._resource(asked["resourceIdentifier"])
        lasts = _duration(asked["expiresIn"])
        if asked["awayFrom"] not in _zones(found):
            raise Refused(
                "ValidationException", f"{asked['awayFrom']} is no zone of it.", members={"reason": "InvalidAz"}
            )
        if self.active(found.arn):
            raise Refused(
                "ConflictException",
                "There is already an active zonal shift for the resource.",
                members={"reason": "ZonalShiftAlreadyExists"},
            )
        made = Shift(
            self.cloud.new_id("shift-"), found.arn, asked["awayFrom"], call.at, call.at + lasts, asked["comment"]
        )
        self.shifts.append(made)
        return _shown(made)

    async def CancelZonalShift(self, call: Call) -> dict[str, Any]:
        found = next((one for one in self._kept() if one.id == call.params["zonalShiftId"]), None)
        if found is None:
            raise Refused("ResourceNotFoundException", "No such zonal shift.")
        if found.status != "ACTIVE":
            raise Refused("ConflictException", "It is not active.", members={"reason": "ZonalShiftStatusNotActive"})
        found.status = "CANCELED"
        return _shown(found)

    def _kept(self) -> list[Shift]:
        now = self.cloud.now()
        for one in self.shifts:
            if one.status == "ACTIVE" and one.expires_at <= now:
                one.status = "EXPIRED"
        return self.shifts

    def _resource(self, arn: str) -> LoadBalancer:
        known = self.cloud.in_account(self.account).of(Elbv2).load_balancers.values()
        found = next((one for one in known if one.arn == arn), None)
        if found is None or arn in self.unmanaged:
            raise Refused("ResourceNotFoundException", "The resource is not managed by zonal shift.")
        return found


def _zones(found: LoadBalancer) -> list[str]:
    return [f"euc1-az{number}" for number in range(1, len(found.zones) + 1)]


def _duration(text: str) -> timedelta:
    parsed = _EXPIRES.fullmatch(text)
    if parsed is None:
        raise Refused(
            "ValidationException", "expiresIn is a number and m or h.", members={"reason": "InvalidExpiresIn"}
        )
    lasts = timedelta(**{"minutes" if parsed[2] == "m" else "hours": int(parsed[1])})
    if lasts > _LONGEST:
        raise Refused("ValidationException", "A shift lasts 3 days at most.", members={"reason": "InvalidExpiresIn"})
    return lasts


def _shown(one: Shift) -> dict[str, Any]:
    return {
        "zonalShiftId": one.id,
        "resourceIdentifier": one.arn,
        "awayFrom": one.away_from,
        "expiryTime": one.expires_at,
        "startTime": one.started_at,
        "status": one.status,
        "comment": one.comment,
    }
