"""A server that speaks TLS with the certificate that is in a Secret now, as an ingress controller does: nothing else comes from it."""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from remediator.sandbox.kubernetes.server import KubernetesApi

Pair = Callable[[], tuple[bytes, bytes]]
"""Certificate with its chain, and key, both in PEM, asked for at each connection."""

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


def in_secret(kubernetes: KubernetesApi, namespace: str, name: str) -> Pair:
    """What a TLS Secret holds at the time."""

    def pair() -> tuple[bytes, bytes]:
        data = kubernetes.get("secrets", namespace, name)["data"]
        return base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"])

    return pair


class TlsEndpoint:
    """`async with TlsEndpoint(pair) as endpoint:` listens on a free port of 127.0.0.1. `names` are those that clients asked for."""

    def __init__(self, pair: Pair, *, starttls: Literal["none", "postgres", "smtp"] = "none") -> None:
        self.pair = pair
        self.names: list[str | None] = []
        self.port = 0
        self._starttls = starttls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._agree(reader, writer):
                await writer.start_tls(self._context())
                await reader.read(1)
        except (OSError, EOFError):
            return  # a client that goes away, or that takes no certificate of ours
        finally:
            writer.transport.abort()

    async def _agree(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """What comes before the handshake. False: it is not TLS that the client wants."""
        if self._starttls == "postgres":
            if await reader.readexactly(len(_SSL_REQUEST)) != _SSL_REQUEST:
                return False
            writer.write(b"S")
        elif self._starttls == "smtp":
            writer.write(b"220 mail.example.net ESMTP\r\n")
            if not (await reader.readline()).startswith(b"EHLO "):
                return False
            writer.write(b"250-mail.example.net\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
            if (await reader.readline()).strip() != b"STARTTLS":
                return False
            writer.write(b"220 ready\r\n")
        await writer.drain()
        return True

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = lambda _, name, __: self.names.append(name)
        with tempfile.TemporaryDirectory() as directory:  # the library takes files only
            certificate, key = Path(directory) / "crt", Path(directory) / "key"
            for file, content in zip((certificate, key), self.pair(), strict=True):
                file.write_bytes(content)
            context.load_cert_chain(certificate, key)
        return context
