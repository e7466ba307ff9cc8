"""Alertmanager's webhook body, version "4" (what it contains: ``notify/webhook`` and ``template`` in prometheus/alertmanager).

Unknown keys are tolerated: two were added within a year without a new version. One alert that cannot be understood becomes
``Rejected`` and leaves its neighbours unharmed (S3). A body of 5,000 alerts (3.9 MB) must not hold up the event loop, so the
envelope is read at once with each alert still raw (5 ms), and the alerts in slices, between which the caller can give others a turn.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import msgspec


class NotAlertmanagerError(ValueError):
    """The body is not JSON, or has no list ``alerts``: the only two reasons for a 400 (S3)."""


class TooManyAlertsError(ValueError):
    """The body holds so many alerts that reading it would take the memory: as one that is too large (S3)."""


class Alert(NamedTuple):
    """One alert of one delivery. Instants are aware UTC, to the microsecond (Alertmanager sends nanoseconds)."""

    firing: bool
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    """None while it fires, whatever the body said."""
    generator_url: str
    fingerprint: str


class Rejected(NamedTuple):
    """An alert that could not be understood."""

    raw: bytes
    error: str


class Envelope(NamedTuple):
    """A body whose alerts have not been read yet."""

    receiver: str
    """As the operator wrote it: Alertmanager sends it through Go's ``regexp.QuoteMeta``."""
    group_key: str
    external_url: str
    truncated: int
    """Alerts that ``max_alerts`` cut off."""
    raw_alerts: Sequence[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A whole body, read."""

    receiver: str
    group_key: str
    external_url: str
    truncated: int
    alerts: tuple[Alert, ...]
    rejected: tuple[Rejected, ...]


def parse(body: bytes) -> Delivery:
    """Read a body in one go, however long that takes.

    Raises:
        NotAlertmanagerError: not JSON, or no ``alerts``.
        TooManyAlertsError: there could be more than ``_MOST_ALERTS`` in it.
    """
    envelope = parse_envelope(body)
    read = parse_alerts(envelope.raw_alerts)
    return Delivery(
        receiver=envelope.receiver,
        group_key=envelope.group_key,
        external_url=envelope.external_url,
        truncated=envelope.truncated,
        alerts=tuple(alert for alert in read if isinstance(alert, Alert)),
        rejected=tuple(alert for alert in read if isinstance(alert, Rejected)),
    )


def parse_envelope(body: bytes) -> Envelope:
    """Read everything but the alerts. Whatever else is odd about the envelope is tolerated: the alerts are what counts.

    Raises:
        NotAlertmanagerError: not JSON, or no ``alerts``.
        TooManyAlertsError: there could be more than ``_MOST_ALERTS`` in it.
    """
    if len(body) > _MOST_ALERTS and body.count(b",") > _MOST_ALERTS:
        raise TooManyAlertsError(f"could hold more than {_MOST_ALERTS:,} alerts")
    try:
        wire = _envelope(body)
    except msgspec.ValidationError:
        raise NotAlertmanagerError(
            "no list `alerts` in the body: expected Alertmanager's webhook JSON, version 4"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAlertmanagerError(f"not JSON: {error}") from None
    except RecursionError:
        raise NotAlertmanagerError("nested too deeply to be Alertmanager's JSON") from None
    if isinstance(wire, _WireEnvelope):
        return Envelope(
            unquote_meta(wire.receiver), wire.group_key, wire.external_url, max(0, wire.truncated), wire.alerts
        )
    return Envelope(
        receiver=unquote_meta(_lenient(wire.receiver, _TEXT, "")),
        group_key=_lenient(wire.group_key, _TEXT, ""),
        external_url=_lenient(wire.external_url, _TEXT, ""),
        truncated=max(0, _lenient(wire.truncated, _COUNT, 0)),
        raw_alerts=wire.alerts,
    )


def unquote_meta(receiver: str) -> str:
    """Undo Go's ``regexp.QuoteMeta``, through which Alertmanager sends the receiver's name."""
    return _QUOTED_META.sub(r"\1", receiver) if "\\" in receiver else receiver


def parse_alerts(raw_alerts: Sequence[msgspec.Raw]) -> list[Alert | Rejected]:
    """Read these alerts, in order; never raises. About 5 µs each."""
    return [_alert(raw) for raw in raw_alerts]


_NOTHING = msgspec.Raw()
_MOST_ALERTS = 2_000_000
"""An alert that is not even one takes two bytes and, once read, a hundred. An Alertmanager's has some 30 commas in 800 bytes."""


class _WireEnvelope(msgspec.Struct):
    alerts: list[msgspec.Raw]
    receiver: str = ""
    group_key: str = msgspec.field(default="", name="groupKey")
    external_url: str = msgspec.field(default="", name="externalURL")
    truncated: int = msgspec.field(default=0, name="truncatedAlerts")


class _OddEnvelope(msgspec.Struct):
    """What a custom ``payload:`` may send: only the list of alerts is as it should be."""

    alerts: list[msgspec.Raw]
    receiver: msgspec.Raw = _NOTHING
    group_key: msgspec.Raw = msgspec.field(default=_NOTHING, name="groupKey")
    external_url: msgspec.Raw = msgspec.field(default=_NOTHING, name="externalURL")
    truncated: msgspec.Raw = msgspec.field(default=_NOTHING, name="truncatedAlerts")


class _WireAlert(msgspec.Struct):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    fingerprint: str
    starts_at: datetime = msgspec.field(name="startsAt")
    ends_at: msgspec.Raw = msgspec.field(default=_NOTHING, name="endsAt")
    annotations: dict[str, str] | None = None
    generator_url: str | None = msgspec.field(default=None, name="generatorURL")


_ENVELOPE: "msgspec.json.Decoder[_WireEnvelope]" = msgspec.json.Decoder(_WireEnvelope)
_ODD: "msgspec.json.Decoder[_OddEnvelope]" = msgspec.json.Decoder(_OddEnvelope)
_ALERT: "msgspec.json.Decoder[_WireAlert]" = msgspec.json.Decoder(_WireAlert)
_INSTANT: "msgspec.json.Decoder[datetime]" = msgspec.json.Decoder(datetime)
_TEXT: "msgspec.json.Decoder[str]" = msgspec.json.Decoder(str)
_COUNT: "msgspec.json.Decoder[int]" = msgspec.json.Decoder(int)

_QUOTED_META = re.compile(r"\\([\\.+*?()|\[\]{}^$])")
_FINGERPRINT = re.compile(r"[!-~]{1,128}")

# Every escape of a JSON string; group 1 is a lone surrogate. msgspec refuses those, JSON and Alertmanager's sources do not.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)

_T = TypeVar("_T")
_Escape: TypeAlias = "re.Match[bytes]"


def _envelope(body: bytes) -> _WireEnvelope | _OddEnvelope:
    try:
        return _ENVELOPE.decode(body)
    except msgspec.ValidationError:
        return _ODD.decode(body)
    except msgspec.DecodeError:
        if _SURROGATE.search(body) is None:
            raise
        return _ODD.decode(_ESCAPE.sub(_spell_out, body))


def _spell_out(escape: _Escape) -> bytes:
    """A lone surrogate as the six characters of its escape: a text that every database takes (S3)."""
    return escape[0] if escape[1] is None else b"\\\\u" + escape[1]


def _lenient(raw: msgspec.Raw, decoder: "msgspec.json.Decoder[_T]", default: _T) -> _T:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return default


def _alert(raw: msgspec.Raw) -> Alert | Rejected:
    try:
        wire = _ALERT.decode(raw)
        firing = wire.status == "firing"
        labels = (
            wire.labels
            if "" not in wire.labels.values()
            else {name: value for name, value in wire.labels.items() if value}
        )
        if not labels or "" in labels:
            raise ValueError("an alert needs at least one label, and every label a name")
        if not _FINGERPRINT.fullmatch(wire.fingerprint):
            raise ValueError("fingerprint: expected 1 to 128 printable ASCII characters")
        return Alert(
            firing=firing,
            labels=labels,
            annotations=wire.annotations or {},
            starts_at=_utc(wire.starts_at),
            ends_at=None if firing else _utc(_INSTANT.decode(wire.ends_at)),
            generator_url=wire.generator_url or "",
            fingerprint=wire.fingerprint,
        )
    except (ValueError, OverflowError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
        return Rejected(bytes(raw), str(error)[:500])


def _utc(instant: datetime) -> datetime:
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        raise ValueError("a time without a zone")
    return instant.astimezone(UTC)
