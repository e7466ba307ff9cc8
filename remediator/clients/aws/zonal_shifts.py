"""Zonal shifts: traffic of one load balancer kept away from one availability zone, for a time that is said at the start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission

READ_SHIFTS = (IamPermission("arc-zonal-shift:ListZonalShifts"), IamPermission("arc-zonal-shift:GetManagedResource"))
START_SHIFT = (IamPermission("arc-zonal-shift:StartZonalShift", writes=True),)
CANCEL_SHIFT = (IamPermission("arc-zonal-shift:CancelZonalShift", writes=True),)
"""Of any load balancer of the account: the ARN has a random part that no playbook knows. A policy may narrow it by tags."""

_COMMENT = re.compile(r"remediator (?P<intent>int_[a-z0-9]+)(?: |$)")


@dataclass(frozen=True, slots=True)
class Shift:
    """One shift, running or over."""

    id: str
    away_from: str
    status: str
    started_at: datetime
    expires_at: datetime
    intent: str | None
    """The effect of ours that started it; None for anybody else's."""

    @property
    def active(self) -> bool:
        return self.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Managed:
    """What zonal shift says of a resource: the weight of each zone, by its id, and whether AWS itself shifts it now."""

    weights: Mapping[str, float]
    autoshifts: tuple[str, ...]


async def managed(api: AwsApi, arn: str) -> Managed:
    """Read it.

    Raises:
        TargetNotFoundError: zonal shift does not manage this resource.
        FactsMissingError: it could not be read.
    """
    found = await api.read("arc-zonal-shift", "get_managed_resource", resourceIdentifier=arn)
    return Managed(
        {str(zone): float(weight) for zone, weight in found.get("appliedWeights", {}).items()},
        tuple(str(one["awayFrom"]) for one in found.get("autoshifts", ()) if one.get("appliedStatus") == "APPLIED"),
    )


async def shifts(api: AwsApi, arn: str) -> tuple[Shift, ...]:
    """All that are kept of this resource, oldest first."""
    found = await api.pages("arc-zonal-shift", "list_zonal_shifts", "items", resourceIdentifier=arn)
    return tuple(sorted((_shift(one) for one in found), key=lambda one: one.started_at))


async def start(api: AwsApi, arn: str, away_from: str, minutes: int, intent: str) -> Shift | None:
    """Start one, at most once; its comment is our mark. None in a dry-run, where nothing is sent."""
    sent = await api.write(
        "arc-zonal-shift",
        "start_zonal_shift",
        resourceIdentifier=arn,
        awayFrom=away_from,
        expiresIn=f"{minutes}m",
        comment=f"remediator {intent}",
    )
    return None if sent is None else _shift(sent)


async def cancel(api: AwsApi, shift_id: str) -> bool:
    """End one before its time. False: a dry-run, and nothing was sent."""
    return await api.write("arc-zonal-shift", "cancel_zonal_shift", zonalShiftId=shift_id) is not None


def _shift(one: Mapping[str, Any]) -> Shift:
    mark = _COMMENT.match(str(one.get("comment", "")))
    return Shift(
        id=str(one["zonalShiftId"]),
        away_from=str(one["awayFrom"]),
        status=str(one["status"]),
        started_at=one["startTime"],
        expires_at=one["expiryTime"],
        intent=mark["intent"] if mark else None,
    )
