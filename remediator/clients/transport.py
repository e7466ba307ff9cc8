"""The last door before the network: no request that could change something passes it without the right to (S20, S21).

The check stands in ``send``, after the connection is had and before the first byte, because waiting for a connection can outlast
a lease. ``live``: a write needs a permit with more than the request time-out left. ``dry``: a write needs ``dryRun=All``, where the
server looks for it. ``read``: no write at all. Wherever the answer is no, ``NotSentError`` is raised and nothing has left.
"""

import ipaddress
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from remediator.clock import Clock
from remediator.errors import NotSentError

Probe = Callable[[str], None]
"""Told ``send.kubernetes.before`` just before the first byte of a write, ``send.kubernetes.after`` once its answer's headers came."""

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_THROUGH = frozenset({"exec", "attach", "portforward", "proxy"})
"""Subresources behind which anything at all can be done, whatever the method: a websocket begins with a GET."""
_GONE_THROUGH = frozenset({"pods", "nodes", "services"})


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


def is_write(method: str, url: URL) -> bool:
    """Could it change something? Asking the API server what we may do is a POST and still a read."""
    if goes_through(url):
        return True
    if method in _READS:
        return False
    return not (method == "POST" and url.path.endswith("/selfsubjectaccessreviews"))


def goes_through(url: URL) -> bool:
    """Does it lead through the API server into a pod, a node or a service? There is no dry-run of that."""
    parts = [part for part in url.path.split("/") if part]
    return any(one in _GONE_THROUGH and last in _THROUGH for one, last in zip(parts, parts[2:], strict=False))


def tells(url: URL) -> bool:
    """Is it an event? It is told about an effect and is none, so it is no point at which a crash is rehearsed."""
    return url.path.startswith("/apis/events.k8s.io/")


def is_loopback(host: str | None) -> bool:
    """An address of this machine, or the name ``localhost`` (whose address is checked again once connected)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def open_session(rules: Rules, *, connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """A session that keeps the rules. With ``loopback_only`` no proxy of the environment is used."""
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=guarded_request(rules),
        response_class=_watched_response(rules),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=rules.timeout_s),
        trust_env=not rules.loopback_only,
        read_bufsize=2**21,
        trace_configs=[_no_redirects()],
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


def guarded_request(rules: Rules) -> type[ClientRequest]:
    """The ``request_class`` that keeps the rules."""

    class GuardedRequest(ClientRequest):
        def __init__(self, method: str, url: URL, **kwargs: Any) -> None:
            if rules.loopback_only and (kwargs.get("proxy") is not None or not is_loopback(url.host)):
                raise NotSentError(f"{url.host} is not loopback, and loopback_only is set: not sent")
            super().__init__(method, url, **kwargs)

        async def send(self, conn: Connection) -> ClientResponse:
            if rules.loopback_only:
                _check_peer(conn)
            writes = is_write(self.method, self.url)
            if writes:
                said = b"" if isinstance(self.body, bytes) else await self.body.as_bytes()
                _check_write(rules, self.method, self.url, said)
                if not tells(self.url):
                    rules.probe("send.kubernetes.before")
                _check_write(rules, self.method, self.url, said)
            if (watched := _DEPARTURE.get()) is not None:
                watched.begun = True
            return await super().send(conn)

    return GuardedRequest


def _check_peer(conn: Connection) -> None:
    peer = conn.transport.get_extra_info("peername") if conn.transport is not None else None
    if not peer or not is_loopback(peer[0]):
        raise NotSentError("connected to an address that is not loopback, and loopback_only is set: not sent")


def _check_write(rules: Rules, method: str, url: URL, body: bytes) -> None:
    what = f"{method} {url.path}"
    if rules.writes == "read":
        raise NotSentError(f"{what} could change something, and this client only reads: not sent")
    if rules.writes == "dry":
        if goes_through(url):
            raise NotSentError(f"{what} has no dry-run, and this is one: not sent (S21)")
        if url.query.getall("dryRun", []) != ["All"] or not _marked_within(method, url, body):
            raise NotSentError(f"{what} is not marked dryRun=All, and this is a dry-run: not sent (S21)")
        return
    held = _PERMIT.get()
    if held is None:
        raise NotSentError(f"{what} has no write permit: not sent (S20)")
    left_s = held.valid_until - rules.clock.boottime()
    if left_s <= rules.timeout_s:
        raise NotSentError(
            f"{what}: the lease has {left_s:.1f} s left, less than the time-out of {rules.timeout_s:g} s: not sent (S20)"
        )


def _marked_within(method: str, url: URL, body: bytes) -> bool:
    """Deletes and evictions carry their options in the body, and the server then overlooks those of the query."""
    evicts = method == "POST" and url.path.endswith("/eviction")
    if not body or not (evicts or method == "DELETE"):
        return not evicts
    try:
        document = json.loads(body)
        options = document["deleteOptions"] if evicts else document
        return bool(options["dryRun"] == ["All"])
    except (ValueError, TypeError, KeyError):
        return False


def _watched_response(rules: Rules) -> type[ClientResponse]:
    class WatchedResponse(ClientResponse):
        async def start(self, connection: Connection) -> ClientResponse:
            answered = await super().start(connection)
            if is_write(self.method, self.url) and not tells(self.url):
                rules.probe("send.kubernetes.after")
            return answered

    return WatchedResponse
