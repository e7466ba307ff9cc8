"""TLS handshakes with every address behind a name, as its users make them: which certificate each of them shows.

What is connected to is decided as for ``http_probe``: addresses of this machine, link-local ones and those of the clouds' metadata are
never asked, whatever name leads there. Nothing is sent but the handshake and, where it is named, what comes before it.
"""

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from remediator.clients.addresses import forbidden
from remediator.clients.certificates import Certificate, NotACertificateError, certificate_of_der
from remediator.errors import FactsMissingError

Starttls = Literal["none", "postgres", "smtp"]
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A name to its addresses; raises OSError."""

MOST_ADDRESSES = 16
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL's SSLRequest; the answer is one letter."""
_LONGEST_LINE, _MOST_LINES = 2_000, 100
_NO_WAY_THERE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.ENETDOWN, errno.EADDRNOTAVAIL})


class _RefusedError(Exception):
    """The other side does not speak as it should."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What one address showed."""

    address: str
    certificate: Certificate | None
    """None: no certificate was shown."""
    fault: str = ""
    """Why there is none, or why it is not trusted. Empty: nothing is wrong as far as was looked."""
    unknown: bool = False
    """The fault may be that of the way there."""


class TlsProbe:
    """Holds nothing open. ``allow_loopback`` and ``resolve`` are for tests and the sandbox alone."""

    def __init__(self, *, allow_loopback: bool = False, resolve: Resolve | None = None) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve or _resolve

    async def look(
        self, host: str, port: int, *, starttls: Starttls, timeout_s: float, private: bool, trusted: bool
    ) -> tuple[Shown, ...]:
        """Ask every address of the name, each for ``timeout_s`` at most. ``private``: addresses that are not public may be asked.
        ``trusted``: a second handshake that checks the chain (by this machine's authorities) and the name.

        Raises:
            FactsMissingError: the name has no address, too many of them, or one that is never asked.
        """
        try:
            async with asyncio.timeout(timeout_s):
                addresses = tuple(dict.fromkeys(await self._resolve(host, port)))
        except TimeoutError:
            raise FactsMissingError(f"the name {host} was not resolved within {timeout_s:g} s") from None
        except (OSError, ValueError, TypeError):
            raise FactsMissingError(f"the name {host} was not resolved") from None
        if not addresses or len(addresses) > MOST_ADDRESSES:
            raise FactsMissingError(f"the name {host} has {len(addresses)} addresses; 1 to {MOST_ADDRESSES} are asked")
        for address in addresses:
            if (why := forbidden(address, private=private, loopback=self._allow_loopback)) is not None:
                raise FactsMissingError(f"{host} leads to {address}: {why}; not asked")
        asked = (_ask(one, host, port, starttls, timeout_s, trusted=trusted) for one in addresses)
        return tuple(await asyncio.gather(*asked))


async def _resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def _ask(address: str, host: str, port: int, starttls: Starttls, timeout_s: float, *, trusted: bool) -> Shown:
    connected = asyncio.Event()
    try:
        async with asyncio.timeout(timeout_s):
            der = await _handshake(address, host, port, starttls, _unverified(), connected)
            certificate = certificate_of_der(der)
            fault = await _distrust(address, host, port, starttls) if trusted else ""
            return Shown(address, certificate, fault)
    except TimeoutError:
        if connected.is_set():
            return Shown(address, None, f"no handshake within {timeout_s:g} s")
        return Shown(address, None, f"no connection within {timeout_s:g} s", unknown=True)
    except NotACertificateError:
        return Shown(address, None, "its certificate cannot be read")
    except _RefusedError as error:
        return Shown(address, None, str(error))
    except ssl.SSLError as error:
        return Shown(address, None, f"TLS could not be agreed upon ({error.reason or 'no reason given'})")
    except ConnectionRefusedError:
        return Shown(address, None, "the connection was refused")
    except (ValueError, TypeError):
        return Shown(address, None, "its name cannot be asked for", unknown=True)
    except (OSError, EOFError) as error:
        no_way = getattr(error, "errno", None) in _NO_WAY_THERE
        return Shown(address, None, f"it broke off: {type(error).__name__}", unknown=no_way)


async def _distrust(address: str, host: str, port: int, starttls: Starttls) -> str:
    try:
        await _handshake(address, host, port, starttls, ssl.create_default_context(), asyncio.Event())
    except ssl.SSLCertVerificationError as error:
        return f"its certificate does not hold: {error.verify_message}"
    return ""


async def _handshake(
    address: str, host: str, port: int, starttls: Starttls, context: ssl.SSLContext, connected: asyncio.Event
) -> bytes:
    reader, writer = await asyncio.open_connection(address, port, limit=_LONGEST_LINE)
    connected.set()
    try:
        if starttls == "postgres":
            await _postgres(reader, writer)
        elif starttls == "smtp":
            await _smtp(reader, writer)
        # Nothing is read after it, so that what came in clear behind the last answer is taken for nothing.
        await writer.start_tls(context, server_hostname=_for_sni(host))
        shown: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        der = shown.getpeercert(binary_form=True) if shown is not None else None
        if der is None:
            raise _RefusedError("it showed no certificate")
        return der
    finally:
        writer.transport.abort()


def _for_sni(host: str) -> str:
    return host.rstrip(".")


def _unverified() -> ssl.SSLContext:
    """An expired certificate is to be read, too, and a verifying handshake would show none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_SSL_REQUEST)
    await writer.drain()
    if await reader.readexactly(1) != b"S":
        raise _RefusedError("PostgreSQL offers no TLS there")


async def _smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _reply(reader, b"220")
    writer.write(b"EHLO remediator.invalid\r\n")
    await writer.drain()
    if not any(line[4:].strip().upper() == b"STARTTLS" for line in await _reply(reader, b"250")):
        raise _RefusedError("the mail server offers no STARTTLS")
    writer.write(b"STARTTLS\r\n")
    await writer.drain()
    await _reply(reader, b"220")


async def _reply(reader: asyncio.StreamReader, code: bytes) -> list[bytes]:
    lines: list[bytes] = []
    while len(lines) < _MOST_LINES:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            break
        lines.append(line)
        if not line.startswith(code):
            raise _RefusedError(f"the mail server did not answer {code.decode()}")
        if line[3:4] != b"-":
            return lines
    raise _RefusedError("the mail server answers without end")
