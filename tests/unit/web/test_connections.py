"""Unit tests of the limit of connections, with real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from aiohttp import ClientSession, web

from remediator.web.connections import Connections

_MOST = 10


@asynccontextmanager
async def _served(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[tuple[web.Server, int]]:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    server = cast("web.Server", runner.server)
    listening = await asyncio.get_running_loop().create_server(Connections(server, _MOST), "127.0.0.1", 0, backlog=256)
    try:
        yield server, int(listening.sockets[0].getsockname()[1])
    finally:
        listening.close()
        await runner.cleanup()


async def _ok(_request: web.Request) -> web.Response:
    return web.Response(text="here")


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.asyncio
async def test_silent_connections_that_come_in_crowds_do_not_add_up() -> None:
    async with _served(_ok) as (server, port), ClientSession() as session:
        silent = []
        for _ in range(6):
            silent += await asyncio.gather(*(_connect(port) for _ in range(30)))
        async with session.get(f"http://127.0.0.1:{port}/") as response:
            assert await response.text() == "here"
        assert len([one for one in server.connections if one.transport is not None]) <= _MOST
        for _, writer in silent:
            writer.close()


@pytest.mark.asyncio
async def test_what_is_being_answered_is_never_closed_for_others() -> None:
    answering, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        answering.set()
        await go_on.wait()
        return web.Response(text="whole")

    async with _served(slow) as (_, port), ClientSession() as session:
        asked = asyncio.create_task(session.get(f"http://127.0.0.1:{port}/"))
        await answering.wait()
        silent = await asyncio.gather(*(_connect(port) for _ in range(3 * _MOST)))
        silent.append(await _connect(port))
        go_on.set()
        async with await asked as response:
            assert await response.text() == "whole"
        for _, writer in silent:
            writer.close()
