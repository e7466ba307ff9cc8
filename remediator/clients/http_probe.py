"""GET of an address that a playbook names, as somebody who uses the service would: what came back, or how it failed.

The address is an operator's, but a name can be made to lead anywhere: what answers for this machine or hands out a cloud's
credentials is refused on the connected socket, before the request leaves, however the address was spelled.
"""

import asyncio
import errno
import socket
import ssl
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from remediator.clients.addresses import forbidden
from remediator.clients.http_answers import MOST_BYTES, Response, ServiceFailedError
from remediator.errors import FactsMissingError

_MOST_HOPS = 3
_NO_WAY_THERE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ENETDOWN}
    | {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL}
)


class _ForbiddenError(Exception):
    """Connected to an address that is never asked."""


class HttpProbe:
    """Uses no proxy, no cookies, no credentials. ``allow_loopback`` is for tests alone."""

    def __init__(self, *, allow_loopback: bool = False) -> None:
        self._allow_loopback = allow_loopback

    async def get(self, url: str, *, timeout_s: float, private: bool, same_host: bool) -> Response:
        """Ask once; ``url`` is quoted already. ``private``: addresses that are not public may answer. ``same_host``: redirects
        to the same scheme, host and port are followed; every other is the answer.

        Raises:
            ServiceFailedError: a known failure of the service.
            FactsMissingError: it could not be asked: its name was not resolved, no connection came about (packets that are dropped
                on the way look the same as a machine that is off), or the address is one that is never asked.
        """
        stood = asyncio.Event()
        connector = aiohttp.TCPConnector(force_close=True, limit=1)
        session = aiohttp.ClientSession(
            connector=connector,
            request_class=_guarded(stood, private=private, loopback=self._allow_loopback),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "remediator"},
            trust_env=False,
        )
        async with session:
            try:
                async with asyncio.timeout(timeout_s):
                    return await _follow(session, URL(url, encoded=True), hops=_MOST_HOPS if same_host else 0)
            except TimeoutError:
                if stood.is_set():
                    raise ServiceFailedError(f"no answer within {timeout_s:g} s") from None
                raise FactsMissingError(f"no connection within {timeout_s:g} s") from None
            except _ForbiddenError as error:
                raise FactsMissingError(str(error)) from None
            except aiohttp.InvalidURL as error:
                raise FactsMissingError(f"{str(error)[:200]} is no address that can be asked") from None
            except aiohttp.ClientConnectorDNSError as error:
                raise FactsMissingError(f"the name {error.host} was not resolved") from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _meaning(error) from None


async def _follow(session: aiohttp.ClientSession, url: URL, *, hops: int) -> Response:
    async with session.get(url, allow_redirects=False) as answered:
        location = answered.headers.get("Location")
        if not (300 <= answered.status < 400 and location and hops):
            return Response(answered.status, (await _beginning(answered)).decode(errors="replace"))
    there = url.join(URL(location, encoded=True))
    if there.origin() != url.origin():
        return Response(answered.status, "")
    return await _follow(session, there, hops=hops - 1)


async def _beginning(answered: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    while len(found) < MOST_BYTES and (piece := await answered.content.read(MOST_BYTES - len(found))):
        found += piece
    return bytes(found)


def _meaning(error: Exception) -> ServiceFailedError | FactsMissingError:
    """Is it the service's failure, or that of the way there?"""
    if getattr(error, "errno", None) in _NO_WAY_THERE:
        return FactsMissingError(f"there is no way to it: {getattr(error, 'strerror', '') or type(error).__name__}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.CertificateError):
        return ServiceFailedError(f"its certificate does not hold: {_cause(error)}")
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return ServiceFailedError("TLS could not be agreed upon")
    if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError):
        return ServiceFailedError("the connection was refused")
    return ServiceFailedError(f"it broke off: {type(error).__name__}")


def _cause(error: Exception) -> str:
    cause = getattr(error, "certificate_error", error)
    return str(getattr(cause, "verify_message", "") or type(cause).__name__)


def _guarded(stood: asyncio.Event, *, private: bool, loopback: bool) -> type[ClientRequest]:
    class Guarded(ClientRequest):
        async def send(self, conn: Connection) -> ClientResponse:
            peer: Any = conn.transport.get_extra_info("peername") if conn.transport is not None else None
            family = None if conn.transport is None else conn.transport.get_extra_info("socket").family
            if not peer or family not in (socket.AF_INET, socket.AF_INET6):
                raise _ForbiddenError("connected to something that is no network address")
            if (why := forbidden(peer[0], private=private, loopback=loopback)) is not None:
                raise _ForbiddenError(f"{self.url.host} leads to {peer[0]}: {why}; not asked")
            stood.set()
            return await super().send(conn)

    return Guarded
