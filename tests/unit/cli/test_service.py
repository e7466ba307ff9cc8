"""The address that is asked: unreachable, strange, or leading elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from typer.testing import Result

TOKEN = "throwaway-token"
Invoke = Callable[..., Result]


@asynccontextmanager
async def answering(handler: Callable[[web.Request], web.Response]) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.Response:
        return handler(request)

    app = web.Application()
    app.add_routes([web.route("*", "/{rest:.*}", handle)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_a_service_that_is_not_there_is_one_line_that_says_what_to_do(invoke: Invoke) -> None:
    done = invoke("runs", "--url", "http://127.0.0.1:9")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "cannot reach http://127.0.0.1:9" in done.stderr and "remediator serve" in done.stderr


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "localhost:8080", "", "http://", "//x"])
def test_only_an_http_address_is_asked(invoke: Invoke, url: str) -> None:
    done = invoke("runs", "--url", url)
    assert done.exit_code == 2 and "--url must be http" in done.stderr


async def test_a_redirect_does_not_carry_the_token_away(invoke: Invoke) -> None:
    carried: list[str | None] = []

    def thief(request: web.Request) -> web.Response:
        carried.append(request.headers.get("Authorization"))
        return web.json_response({"runs": []})

    async with answering(thief) as elsewhere:

        def redirect(request: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": f"{elsewhere}/api/v1/runs"})

        async with answering(redirect) as url:
            done = await asyncio.to_thread(invoke, "runs", "--url", url, env={"REMEDIATOR_TOKEN": TOKEN})
    assert done.exit_code == 1 and "answered 302" in done.stderr
    assert carried == []


@pytest.mark.parametrize("body", [b"<html>login</html>", b"[]", b"", b"\xff"])
async def test_another_service_is_recognised(invoke: Invoke, body: bytes) -> None:
    async with answering(lambda _: web.Response(body=body)) as url:
        done = await asyncio.to_thread(invoke, "runs", "--url", url)
    assert done.exit_code == 1 and "is that remediator's address?" in done.stderr


async def test_what_a_hostile_service_says_is_escaped(invoke: Invoke) -> None:
    async with answering(lambda _: web.json_response({"error": "\x1b[2J\nforged"}, status=409)) as url:
        done = await asyncio.to_thread(invoke, "runs", "--url", url)
    assert done.stderr == "error: \\x1b[2J\\nforged\n"
