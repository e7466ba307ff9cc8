"""The last door before the network: no request that could change something passes it without the right to (S20, S21).

The check stands in ``send``, after the connection is had and before the first byte, because waiting for a connection can outlast
a lease. ``live``: a write needs a permit with more than the request time-out left. ``dry``: a write needs the mark by which the other
side changes nothing, where it looks for it. ``read``: no write at all. Wherever the answer is no, ``NotSentError`` is raised and
nothing has left. What a write is, and what marks it, is the protocol's (wire.py).
"""

import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from remediator.clients.kubernetes.wire import KubernetesWire
from remediator.clients.wire import Sent, Wire
from remediator.clock import Clock
from remediator.errors import NotSentError

Probe = Callable[[str], None]
"""Told ``send.<protocol>.before`` just before the first byte of a write, ``send.<protocol>.after`` once its answer's headers came."""


def no_probe(point: str) -> None:
    """The probe of every program that is not being crash-tested."""


@dataclass(slots=True)
class WritePermit:
    """The right to write until an instant of CLOCK_BOOTTIME. Whoever renews the lease moves ``valid_until``."""

    valid_until: float


@dataclass(slots=True)
class Departure:
    """Whether any byte of the request at hand has left: what tells "nothing changed" from "outcome unknown"."""

    begun: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What a session may do."""

    writes: Literal["live", "dry", "read"]
    clock: Clock
    timeout_s: float
    """Of one request: a permit must outlast it."""
    loopback_only: bool = False
    probe: Probe = no_probe


_PERMIT: ContextVar[WritePermit | None] = ContextVar("write_permit", default=None)
_DEPARTURE: ContextVar[Departure | None] = ContextVar("departure", default=None)


@contextmanager
def permit(given: WritePermit) -> Iterator[None]:
    """Allow writes in this task (and tasks it starts) while the permit is valid."""
    token = _PERMIT.set(given)
    try:
        yield
    finally:
        _PERMIT.reset(token)


@contextmanager
def departure() -> Iterator[Departure]:
    """Watch whether the requests made inside have begun to leave."""
    watched = Departure()
    token = _DEPARTURE.set(watched)
    try:
        yield watched
    finally:
        _DEPARTURE.reset(token)


def is_loopback(host: str | None) -> bool:
    """An address of this machine, or the name ``localhost`` (whose address is checked again once connected)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


_PLAIN: Final[Wire] = KubernetesWire()


def open_session(
    rules: Rules,
    *,
    connector: aiohttp.BaseConnector | None = None,
    wire: Wire = _PLAIN,
    **options: Any,
) -> aiohttp.ClientSession:
    """A session that keeps the rules. With ``loopback_only`` no proxy of the environment is used.

    ``options`` are further ones of aiohttp's session.
    """
    options.setdefault("timeout", aiohttp.ClientTimeout(total=rules.timeout_s))
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=guarded_request(rules, wire),
        response_class=_watched_response(rules, wire),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=not rules.loopback_only,
        read_bufsize=2**21,
        trace_configs=[_no_redirects()],
        **options,
    )
    # aiohttp sends a PUT or DELETE again by itself when a kept connection breaks; a write is never repeated blindly (S15).
    # There is no public switch; a test fails if this one stops working.
    session._retry_connection = False
    return session


def _no_redirects() -> aiohttp.TraceConfig:
    """A websocket's handshake follows redirects and cannot be told not to: refused for whoever asks."""

    async def refuse(*_: object) -> None:
        raise aiohttp.ClientError("it was answered by a redirect, which is not followed")

    traced = aiohttp.TraceConfig()
    traced.on_request_redirect.append(refuse)
    return traced


def guarded_request(rules: Rules, wire: Wire) -> type[ClientRequest]:
    """The ``request_class`` that keeps the rules."""

    class GuardedRequest(ClientRequest):
        def __init__(self, method: str, url: URL, **kwargs: Any) -> None:
            if rules.loopback_only and (kwargs.get("proxy") is not None or not is_loopback(url.host)):
                raise NotSentError(f"{url.host} is not loopback, and loopback_only is set: not sent")
            super().__init__(method, url, **kwargs)

        async def send(self, conn: Connection) -> ClientResponse:
            if rules.loopback_only:
                _check_peer(conn)
            said = b"" if isinstance(self.body, bytes) else await self.body.as_bytes()
            sent = Sent(self.method, self.url, self.headers, said)
            writes = wire.is_write(sent)
            rehearsed = writes and not wire.tells(sent)
            if writes:
                _check_write(rules, wire, sent)
                if rehearsed:
                    rules.probe(f"send.{wire.name}.before")
                _check_write(rules, wire, sent)
            if (watched := _DEPARTURE.get()) is not None:
                watched.begun = True
            response = await super().send(conn)
            if isinstance(response, _Watched):
                response.answers_write = rehearsed
            return response

    return GuardedRequest


def _check_peer(conn: Connection) -> None:
    peer = conn.transport.get_extra_info("peername") if conn.transport is not None else None
    if not peer or not is_loopback(peer[0]):
        raise NotSentError("connected to an address that is not loopback, and loopback_only is set: not sent")


def _check_write(rules: Rules, wire: Wire, sent: Sent) -> None:
    what = f"{sent.method} {sent.url.path}"
    if rules.writes == "read":
        raise NotSentError(f"{what} could change something, and this client only reads: not sent")
    if rules.writes == "dry":
        if (why := wire.not_dry(sent)) is not None:
            raise NotSentError(f"{what} {why}: not sent (S21)")
        return
    held = _PERMIT.get()
    if held is None:
        raise NotSentError(f"{what} has no write permit: not sent (S20)")
    left_s = held.valid_until - rules.clock.boottime()
    if left_s <= rules.timeout_s:
        raise NotSentError(
            f"{what}: the lease has {left_s:.1f} s left, less than the time-out of {rules.timeout_s:g} s: not sent (S20)"
        )


def _watched_response(rules: Rules, wire: Wire) -> type["_Watched"]:
    class WatchedResponse(_Watched):
        async def start(self, connection: Connection) -> ClientResponse:
            answered = await super().start(connection)
            if self.answers_write:
                rules.probe(f"send.{wire.name}.after")
            return answered

    return WatchedResponse


class _Watched(ClientResponse):
    answers_write = False
    """Is it the answer to a write that had an effect? Said by the request, which alone knows its body."""
