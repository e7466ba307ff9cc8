"""The network between one replica and one thing that it talks to: passes bytes on until it is told to do worse.

What was under way in a connection when the network was cut is lost if either end has given up when it heals.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import urlsplit

_CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)


class Network(Enum):
    """What becomes of bytes."""

    FINE = "fine"
    SILENT = "silent"
    """Nothing arrives, and nobody is told: a cut cable, a firewall that drops."""
    REFUSED = "refused"
    """Every connection is reset, new ones at once."""


class TcpProxy:
    """Listens on a port of 127.0.0.1. ``delay_s`` holds up every piece, in both directions."""

    def __init__(self, upstream: str) -> None:
        """``upstream`` is a URL or ``host:port``."""
        parts = urlsplit(upstream if "//" in upstream else f"//{upstream}")
        assert parts.hostname is not None and parts.port is not None, upstream
        self._upstream = (parts.hostname, parts.port)
        self.port = 0
        self.delay_s = 0.0
        self.ports: set[int] = set()
        """Where its connections to the other side come from, as that sees them."""
        self._network = Network.FINE
        self._fine = asyncio.Event()
        self._fine.set()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def becomes(self, network: Network) -> None:
        """From now on."""
        self._network = network
        if network is Network.SILENT:
            self._fine.clear()
        else:
            self._fine.set()
        if network is Network.REFUSED:
            for task, writer in self._connections.items():
                _reset(writer)
                task.cancel()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["TcpProxy"]:
        """Nothing is left of it afterwards."""
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await server.wait_closed()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            if self._network is Network.REFUSED:
                _reset(writer)
                return
            await self._fine.wait()
            there_reader, there_writer = await asyncio.open_connection(*self._upstream)
            self.ports.add(there_writer.get_extra_info("sockname")[1])
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, there_writer))
                    group.create_task(self._pump(there_reader, writer))
            finally:
                _reset(there_writer)
        except* (OSError, asyncio.CancelledError):
            pass  # either end is gone, or the network is
        finally:
            _reset(writer)
            del self._connections[task]

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while True:
            try:
                piece = await source.read(_CHUNK)
            except OSError:
                await self._fine.wait()  # a reset does not get through either
                raise
            if not self._fine.is_set():
                await self._fine.wait()
                if source.at_eof() or source.exception() is not None:
                    raise ConnectionResetError("given up while nothing got through")
            if not piece:
                with suppress(OSError):
                    sink.write_eof()
                return
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            sink.write(piece)
            await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
