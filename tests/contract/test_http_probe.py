"""``http_ok`` against a real server on this machine: what is yes, what is a known no, and what could not be asked."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from remediator.answers import Answer
from remediator.clients.http_answers import MOST_BYTES
from remediator.clients.http_probe import HttpProbe
from remediator.conditions.base import Known, Look, World
from remediator.conditions.http_ok import HttpOk, Params
from tests.contract.conftest import CHECKOUT
from tests.controlplane.access import make_access
from tests.controlplane.processes import StartError
from tests.support.needs import not_run

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Service:
    """Answers every path by ``answer``."""

    answer: Handler
    asked: list[web.Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


async def _ok(_: web.Request) -> web.StreamResponse:
    return web.Response(text="all is well")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service(_ok)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


async def look(url: str, *, loopback: bool = True, labels: dict[str, str] | None = None, **params: Any) -> Look:
    world = World(None, None, None, HttpProbe(allow_loopback=loopback))
    known = Known(now=datetime.now(UTC), labels=labels or {})
    return await HttpOk().look(world, CHECKOUT, Params.model_validate({"url": url, **params}), known)


async def test_a_service_that_answers_is_a_yes_without_credentials_or_cookies(service: Service) -> None:
    seen = await look(f"{service.url}/healthz?deep=1", contains="well")
    assert seen.answer is Answer.YES, seen
    (asked,) = service.asked
    assert (asked.method, asked.path_qs) == ("GET", "/healthz?deep=1")
    assert asked.headers["User-Agent"] == "remediator"
    assert not {"Authorization", "Cookie"} & set(asked.headers)


async def test_a_label_arrives_as_one_quoted_value(service: Service) -> None:
    hostile = "../admin?x=1&y=2#z %2F Host: other"
    seen = await look(f"{service.url}/pods/{{{{ labels.pod }}}}/state", labels={"pod": hostile})
    assert seen.answer is Answer.YES, seen
    assert service.asked[0].match_info["path"] == f"pods/{hostile}/state"
    assert service.asked[0].raw_path.count("/") == 3


async def test_another_status_is_a_known_no(service: Service) -> None:
    async def broken(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    service.answer = broken
    seen = await look(f"{service.url}/healthz?token=abc")
    assert seen.answer is Answer.NO
    assert "answered 503" in seen.seen
    assert "token" not in seen.seen


async def test_redirects_are_an_answer_and_followed_only_on_the_same_host(service: Service) -> None:
    async def moved(request: web.Request) -> web.StreamResponse:
        if request.path == "/there":
            return web.Response(text="arrived")
        there = "/there" if request.path == "/near" else f"http://127.0.0.1:{service.port}/there"
        return web.Response(status=302, headers={"Location": there})

    service.answer = moved
    assert (await look(f"{service.url}/near", contains="arrived")).answer is Answer.NO
    assert (await look(f"{service.url}/near", contains="arrived", follow="same_host")).answer is Answer.YES
    service.asked.clear()
    assert (await look(f"{service.url}/far", contains="arrived", follow="same_host")).answer is Answer.NO
    assert [one.path for one in service.asked] == ["/far"]


async def test_a_circle_of_redirects_ends(service: Service) -> None:
    async def round_again(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/again"})

    service.answer = round_again
    seen = await look(f"{service.url}/", follow="same_host", status=["200"])
    assert seen.answer is Answer.NO
    assert len(service.asked) == 4


async def test_only_the_beginning_of_a_body_is_read(service: Service) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"x" * MOST_BYTES + b"needle")
        await response.write(b"y" * MOST_BYTES)
        return response

    service.answer = endless
    seen = await look(f"{service.url}/", contains="needle")
    assert seen.answer is Answer.NO
    assert "64 KiB" in seen.seen


async def test_silence_is_a_known_no(service: Service) -> None:
    gone = asyncio.Event()

    async def silent(_: web.Request) -> web.StreamResponse:
        await gone.wait()
        return web.Response()

    service.answer = silent
    seen = await look(f"{service.url}/", timeout="200ms")
    gone.set()
    assert seen.answer is Answer.NO
    assert "no answer within 0.2 s" in seen.seen


async def test_a_connection_that_is_refused_or_broken_off_is_a_known_no(service: Service) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    service.answer = cut
    assert (await look(f"{service.url}/")).answer is Answer.NO
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        seen = await look(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert seen.answer is Answer.NO
    assert "refused" in seen.seen


async def test_where_no_connection_comes_about_it_is_unknown() -> None:
    """A policy that drops packets must not look like a service that is down."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()), contextlib.ExitStack() as waiting:
            for _ in range(4):  # more than its queue holds: from then on it answers nothing at all
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            seen = await look(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout="300ms")
    assert seen.answer is Answer.UNKNOWN, seen
    assert "no connection within 0.3 s" in seen.seen


async def test_tls_that_is_none_is_a_known_no(service: Service) -> None:
    seen = await look(f"https://localhost:{service.port}/")
    assert seen.answer is Answer.NO, seen
    assert "TLS" in seen.seen


async def test_a_name_that_is_not_resolved_is_unknown() -> None:
    seen = await look("http://nowhere.invalid/")
    assert seen.answer is Answer.UNKNOWN
    assert "nowhere.invalid was not resolved" in seen.seen


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
async def test_this_machine_is_never_asked(service: Service, host: str) -> None:
    """On the connected socket, so that no spelling and no name leads around it."""
    seen = await look(f"http://{host}:{service.port}/", loopback=False)
    assert seen.answer is Answer.UNKNOWN, seen
    assert service.asked == []


async def test_without_a_probe_it_is_unknown() -> None:
    world = World(None, None, None)
    known = Known(now=datetime.now(UTC), labels={})
    assert (await HttpOk().look(world, CHECKOUT, Params(url="http://a.example/"), known)).answer is Answer.UNKNOWN


async def test_a_certificate_that_nobody_vouches_for_is_a_known_no(tmp_path: Path) -> None:
    try:
        access = make_access(tmp_path)
    except StartError as error:
        not_run(str(error))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(access.certificate, access.key)
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    seen = await look(f"https://127.0.0.1:{runner.addresses[0][1]}/", status=["404"])
    await runner.cleanup()
    assert seen.answer is Answer.NO, seen
    assert "certificate does not hold" in seen.seen
