"""How many connections are held, and which one gives way: whoever connects and then says nothing must not keep others out.

Every connection takes a file, and the store and the clusters need files too. So there is a limit below that of the process; at the
limit the oldest connection on which nothing is being answered is closed for the new one. A client that holds thousands open, or sends
its head byte by byte, so loses its own connections first.
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

MOST = 4_096
"""Alertmanager opened 500 at once for 500 groups (measured)."""

_FILES = 65_536
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    b'Content-Length: 42\r\n\r\n{"error": "too many requests in progress"}'
)


def allow_files() -> int:
    """Let this process open as many files as it may, within reason. Returns how many connections that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)


class Connections:
    """Makes the protocol of each new connection of a server: for ``loop.create_server``."""

    def __init__(self, server: web.Server, most: int) -> None:
        self._server = server
        self._most = most
        self._answering: set[asyncio.Protocol] = set()
        server.request_handler = self._counted(server.request_handler)

    def __call__(self) -> asyncio.Protocol:
        """For a new connection."""
        if len(self._server.connections) >= self._most and not self._make_room():
            return _Refused()
        return self._server()

    def _make_room(self) -> bool:
        """Close what is too many, also of those that came all at once: none of these was counted when the next one was let in."""
        held = [one for one in self._server.connections if one.transport is not None]  # the others are being closed
        too_many = len(held) - self._most + 1
        idle = [one for one in held if one not in self._answering][: max(too_many, 0)]
        for one in idle:
            one.force_close()
        return len(idle) >= too_many

    def _counted(
        self, handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def counted(request: web.BaseRequest) -> web.StreamResponse:
            self._answering.add(request.protocol)
            try:
                return await handle(request)
            finally:
                self._answering.discard(request.protocol)

        return counted


class _Refused(asyncio.Protocol):
    """Says so and closes; Alertmanager tries again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast("asyncio.Transport", transport)
        writing.write(_REFUSAL)
        writing.close()
