"""What the peers of one Alertmanager cluster say is firing. Firing if any ready peer says so; not firing only if all that can be
reached agree and at least one can be trusted (S26, S29)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from remediator.alerts.payload import Alert
from remediator.answers import Answer
from remediator.clients.alertmanager_groups import GroupedAlert, grouped
from remediator.clients.http_json import HttpJson, items_of
from remediator.clock import Clock
from remediator.errors import FactsMissingError
from remediator.settings import Credential

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    import aiohttp

TRUSTED_AFTER_S = 300.0
"""An Alertmanager that is up for less may not have been sent every alert again."""

_TURN = 500
"""Alerts of which the union is made in one go: about 2 ms of the loop."""


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """One alert that has not ended. ``ends_at`` is when it would count as resolved if nobody sent it again."""

    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    """Both in UTC."""
    ends_at: datetime
    state: str
    """``active``, ``suppressed`` (silenced or inhibited: still firing) or ``unprocessed``."""
    receivers: tuple[str, ...]
    generator_url: str

    @property
    def delivered(self) -> Alert:
        """What a webhook would have told of it."""
        return Alert(
            firing=True,
            labels=dict(self.labels),
            annotations=dict(self.annotations),
            starts_at=self.starts_at,
            ends_at=None,
            generator_url=self.generator_url,
            fingerprint=self.fingerprint,
        )


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One peer, or why it could not be asked."""

    url: str
    uptime_s: float | None
    cluster: str
    """``ready``, ``settling`` or ``disabled`` (a single one); empty when it could not be asked."""
    problem: str | None = None

    @property
    def ready(self) -> bool:
        return self.problem is None and self.cluster in ("ready", "disabled")

    @property
    def doubt(self) -> str | None:
        """Why its list may lack alerts that fire; None when there is no such reason."""
        if self.problem is not None:
            return self.problem
        if not self.ready:
            return f"its cluster is {self.cluster}"
        if self.uptime_s is None or self.uptime_s < TRUSTED_AFTER_S:
            return f"it is up for {self.uptime_s or 0:.0f} s only"
        return None


@dataclass(frozen=True, slots=True)
class Listing:
    """The union over the ready peers, and whether what is missing from it is known not to fire."""

    alerts: tuple[ActiveAlert, ...]
    absence_doubt: str | None
    """Why absence from ``alerts`` proves nothing; None when it counts (but see S26: two looks)."""


@dataclass(frozen=True, slots=True)
class _Peer:
    status: PeerStatus
    alerts: tuple[ActiveAlert, ...]


_Read: TypeAlias = Callable[[HttpJson], Awaitable[tuple[ActiveAlert, ...]]]


class AlertmanagerPeers:
    """The HA peers of one cluster. ``watchdog`` is the alert that always fires: a list without it is doubted; None: there is none."""

    def __init__(
        self,
        urls: Sequence[str],
        credential: Credential,
        session: "aiohttp.ClientSession",
        timeout_s: float,
        clock: Clock,
        *,
        watchdog: str | None = "Watchdog",
    ) -> None:
        self._peers = tuple(HttpJson(url, credential, session, timeout_s) for url in urls)
        self._clock = clock
        self._watchdog = watchdog

    async def alerts(self, matchers: Sequence[str] = (), *, receiver: str | None = None) -> tuple[ActiveAlert, ...]:
        """Every alert that any ready peer has, whatever its state. ``receiver`` is a name, not a pattern.

        Raises:
            FactsMissingError: no peer is ready and readable.
        """
        return (await self.listing(matchers, receiver=receiver)).alerts

    async def listing(self, matchers: Sequence[str] = (), *, receiver: str | None = None) -> Listing:
        """As ``alerts``, with what its silence is worth."""
        ready = await self._ready(lambda peer: _alerts(peer, matchers))
        union = await self._union(ready)
        found = tuple(alert for alert in union if receiver is None or receiver in alert.receivers)
        doubts = [peer.status.doubt for peer in ready]
        doubt = None if None in doubts else doubts[0]
        if doubt is None and self._watchdog is not None:
            doubt = await self._watchdog_doubt([peer for peer in ready if peer.status.doubt is None])
        return Listing(found, doubt)

    async def told(self, receiver: str) -> tuple[ActiveAlert, ...]:
        """Every alert in this receiver's groups at any ready peer. Those of which nobody is told now, because they are silenced,
        inhibited or muted by a time interval, have the state ``suppressed``. ``receiver`` is a name, not a pattern.

        Raises:
            FactsMissingError: no peer is ready and readable.
        """
        return await self._union(await self._ready(lambda peer: _grouped(peer, receiver, self._clock)))

    async def is_active(self, fingerprint: str, labels: Mapping[str, str]) -> Answer:
        """Does this alert fire (also silenced or inhibited)? Unknown when nobody trustworthy can say that it does not."""
        matchers = [matcher_text(name, value) for name, value in labels.items()]
        try:
            listing = await self.listing(matchers)
        except FactsMissingError:
            return Answer.UNKNOWN
        if any(alert.fingerprint == fingerprint for alert in listing.alerts):
            return Answer.YES
        return Answer.NO if listing.absence_doubt is None else Answer.UNKNOWN

    async def status(self) -> tuple[PeerStatus, ...]:
        """Every peer, also those that cannot be reached. Raises nothing."""
        return tuple(await asyncio.gather(*(self._status(peer) for peer in self._peers)))

    async def _ready(self, read: _Read) -> list[_Peer]:
        """What the ready peers say; FactsMissingError when there is none."""
        peers = await asyncio.gather(*(self._peer(peer, read) for peer in self._peers))
        ready = [peer for peer in peers if peer.status.ready]
        if not ready:
            said = "; ".join(f"{peer.status.url}: {peer.status.doubt}" for peer in peers)
            raise FactsMissingError(f"no Alertmanager peer is ready: {said}")
        return ready

    async def _peer(self, peer: HttpJson, read: _Read) -> _Peer:
        status = await self._status(peer)
        if not status.ready:
            return _Peer(status, ())
        try:
            return _Peer(status, await read(peer))
        except FactsMissingError as error:
            return _Peer(replace(status, problem=str(error)), ())

    async def _union(self, peers: Sequence[_Peer]) -> tuple[ActiveAlert, ...]:
        union: dict[str, ActiveAlert] = {}
        for peer in peers:
            for number, alert in enumerate(peer.alerts):
                union[alert.fingerprint] = _merged(union.get(alert.fingerprint), alert)
                if number % _TURN == _TURN - 1:
                    await self._clock.sleep(0)  # gives the others a turn
        return tuple(union.values())

    async def _status(self, peer: HttpJson) -> PeerStatus:
        try:
            document = await peer.get("/api/v2/status")
            started = datetime.fromisoformat(document["uptime"])
            cluster = str(document["cluster"]["status"])
            return PeerStatus(peer.base, (self._clock.now() - started).total_seconds(), cluster)
        except FactsMissingError as error:
            return PeerStatus(peer.base, None, "", str(error))
        except (KeyError, TypeError, ValueError) as error:
            return PeerStatus(peer.base, None, "", f"{peer.base}: the status cannot be understood: {error!r}")

    async def _watchdog_doubt(self, trusted: Sequence[_Peer]) -> str | None:
        """Does at least one trusted peer hold the alert that always fires?"""
        peers = [peer for peer in self._peers if any(peer.base == known.status.url for known in trusted)]
        for peer in peers:
            try:
                if await _alerts(peer, [matcher_text("alertname", str(self._watchdog))]):
                    return None
            except FactsMissingError:
                continue
        return f"the heartbeat alert {self._watchdog} is not there, so Prometheus may not reach Alertmanager"


def matcher_text(name: str, value: str) -> str:
    """One equality matcher in Alertmanager's syntax, both sides quoted."""
    return f"{_quoted(name)}={_quoted(value)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


async def _alerts(peer: HttpJson, matchers: Sequence[str]) -> tuple[ActiveAlert, ...]:
    flags = [(flag, "true") for flag in ("active", "silenced", "inhibited", "unprocessed")]
    items = await peer.get("/api/v2/alerts", flags + [("filter", matcher) for matcher in matchers])
    try:
        return tuple(_alert(item) for item in items_of(items))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FactsMissingError(
            f"{peer.base}: the alerts cannot be understood: {type(error).__name__}: {error}"
        ) from None


async def _grouped(peer: HttpJson, receiver: str, clock: Clock) -> tuple[ActiveAlert, ...]:
    def active(alert: GroupedAlert) -> ActiveAlert:
        return ActiveAlert(
            fingerprint=alert.fingerprint,
            labels=alert.labels,
            annotations=alert.annotations or {},
            starts_at=_instant(alert.starts_at),
            ends_at=_instant(alert.ends_at),
            state=alert.state,
            receivers=(receiver,),
            generator_url=alert.generator_url or "",
        )

    return tuple([active(alert) async for alert in grouped(peer, receiver, clock)])


def _alert(item: Mapping[str, Any]) -> ActiveAlert:
    return ActiveAlert(
        fingerprint=str(item["fingerprint"]),
        labels=dict(item["labels"]),
        annotations=dict(item.get("annotations") or {}),
        starts_at=_instant(datetime.fromisoformat(item["startsAt"])),
        ends_at=_instant(datetime.fromisoformat(item["endsAt"])),
        state=str(item["status"]["state"]),
        receivers=tuple(str(receiver["name"]) for receiver in item.get("receivers") or ()),
        generator_url=str(item.get("generatorURL") or ""),
    )


def _instant(said: datetime) -> datetime:
    """In UTC. Who posts an alert chooses its zone, and by that an instant before the first year that can be told, or after the last."""
    try:
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except OverflowError:
        return said.replace(tzinfo=UTC)  # off by that zone, in the first year or the last


def _merged(known: ActiveAlert | None, alert: ActiveAlert) -> ActiveAlert:
    """Two peers' views of one alert: notifying wins over suppressed, and the earliest start stands (as Alertmanager merges)."""
    if known is None:
        return alert
    base = alert if alert.state == "active" and known.state != "active" else known
    receivers = tuple(dict.fromkeys(known.receivers + alert.receivers))
    return replace(
        base,
        starts_at=min(known.starts_at, alert.starts_at),
        ends_at=max(known.ends_at, alert.ends_at),
        receivers=receivers,
    )
