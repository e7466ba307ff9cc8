"""One HTTP server on loopback with a journal and faults, the ground of every simulated service."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from remediator.sandbox.faults import Fault, Faults
from remediator.sandbox.journal import Journal, Received
from remediator.sandbox.timekeeping import Pace


class Stream(Protocol):
    """An answer that goes on for a while: a watch, a websocket."""

    async def serve(self, request: web.Request) -> web.StreamResponse: ...


Handler = Callable[[Received], Awaitable[web.Response | Stream]]
ErrorBody = Callable[[int], web.Response]

LOOPBACK = "127.0.0.1"
_MAX_BODY = 64 * 1024 * 1024
_LINGER_RESET = struct.pack("ii", 1, 0)


class Listener:
    """Listens on 127.0.0.1 only; every request goes into `requests`, through `faults`, then to the handler.

    `error_body` makes the answer of a "status" fault that brings no body of its own.
    """

    def __init__(self, handler: Handler, *, error_body: ErrorBody, pace: Pace) -> None:
        self.requests = Journal()
        self.faults = Faults()
        self._handler = handler
        self._error_body = error_body
        self._pace = pace
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The base address, without a slash at the end; known once started."""
        if self._port == 0:
            raise RuntimeError("the server has no address before start()")
        return f"http://{LOOPBACK}:{self._port}"

    async def start(self, port: int = 0) -> None:
        """Begin to listen; port 0 takes a free one. May follow `stop`, then on the port that it had."""
        self._stopping.clear()
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, port or self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the socket and every connection; requests that hang are let go. Safe to call twice."""
        self._stopping.set()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        received = Received(
            method=request.method,
            path=request.path,
            pairs=tuple(request.query.items()),
            headers=request.headers,
            body=await request.read(),
            at=self._pace.now(),
            raw_path=request.raw_path.partition("?")[0],
        )
        self.requests.add(received)
        fault = self.faults.take(received)
        if fault is None:
            return await _sent(request, await self._handler(received))
        return await self._struck(request, received, fault)

    async def _struck(self, request: web.Request, received: Received, fault: Fault) -> web.StreamResponse:
        match fault.word:
            case "status":
                answer = self._error_body(int(fault.number))
                if fault.body is not None:
                    answer.body = fault.body
                answer.headers.update(fault.headers)
                return answer
            case "delay":
                await self._stopped_within(fault.number)
                return await _sent(request, await self._handler(received))
            case "late_answer":
                done = await self._handler(received)
                await self._stopped_within(fault.number)
                return await _sent(request, done)
            case "lose_answer":
                await self._handler(received)
                return _cut(request, reset=False)
            case "hang":
                await self._until_gone(request)
                return _cut(request, reset=False)
            case _:
                return _cut(request, reset=fault.word == "reset")

    async def _stopped_within(self, seconds: float) -> None:
        """Wait so many real seconds, or until the server stops: no handler outlives it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _until_gone(self, request: web.Request) -> None:
        """Until the client closes its end or the server stops."""
        while request.transport is not None and not request.transport.is_closing() and not self._stopping.is_set():
            await self._stopped_within(0.05)


async def _sent(request: web.Request, answer: web.Response | Stream) -> web.StreamResponse:
    return answer if isinstance(answer, web.Response) else await answer.serve(request)


def _cut(request: web.Request, *, reset: bool) -> web.Response:
    """Close the connection under the request. The response that is returned can no longer be written."""
    transport = request.transport
    if transport is not None:
        if reset and (connection := transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        transport.abort()
    return web.Response(status=500)
