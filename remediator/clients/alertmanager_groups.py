"""Alertmanager's groups of one receiver: what it tells whom. Thousands of alerts can be in them, so they are read in slices."""

import re
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from remediator.clients.http_json import HttpJson
from remediator.clock import Clock
from remediator.errors import FactsMissingError

_SLICE = 250
"""Alerts that are read in one go: about 2 ms of the loop."""

_FLAGS = tuple((flag, "true") for flag in ("active", "silenced", "inhibited", "muted"))


class _Receiver(msgspec.Struct):
    name: str


class _Group(msgspec.Struct):
    receiver: _Receiver
    alerts: list[msgspec.Raw]


class _Status(msgspec.Struct):
    state: str
    muted_by: list[str] | None = msgspec.field(default=None, name="mutedBy")


class GroupedAlert(msgspec.Struct, frozen=True):
    """One alert of a group, as the API shows it."""

    fingerprint: str
    labels: dict[str, str]
    starts_at: datetime = msgspec.field(name="startsAt")
    ends_at: datetime = msgspec.field(name="endsAt")
    status: _Status
    annotations: dict[str, str] | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")

    @property
    def state(self) -> str:
        """``active``, or ``suppressed`` also where a time interval mutes its group: nobody is told then."""
        return "suppressed" if self.status.muted_by else self.status.state


_GROUPS = msgspec.json.Decoder(list[_Group])
_ALERT = msgspec.json.Decoder(GroupedAlert)


async def grouped(peer: HttpJson, receiver: str, clock: Clock) -> AsyncIterator[GroupedAlert]:
    """Every alert of this receiver's groups that has not ended; one can be in several groups. ``receiver`` is a name, not a pattern.

    Raises:
        FactsMissingError: the peer cannot be asked, or its answer not be understood.
    """
    path = "/api/v2/alerts/groups"
    body = await peer.body(path, [*_FLAGS, ("receiver", re.escape(receiver))])
    try:
        groups = _GROUPS.decode(body)
        raw = [alert for group in groups if group.receiver.name == receiver for alert in group.alerts]
        for at in range(0, len(raw), _SLICE):
            for alert in raw[at : at + _SLICE]:
                yield _ALERT.decode(alert)
            await clock.sleep(0)  # gives the others a turn
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise FactsMissingError(f"{peer.base}{path}: the groups cannot be understood: {error}") from None
