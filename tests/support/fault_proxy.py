"""A proxy between remediator and an API server that does to one write what networks and servers in trouble do.

Works in front of the emulator and of the real server alike: it knows nothing of either.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

FAULTS = (
    "drop",
    "reset",
    "delay",
    "status 409",
    "status 429",
    "status 500",
    "status 503",
    "status 502 html",
    "lose_answer",
    "late_answer",
)
"""``drop`` and ``reset``: the request never reaches the server. ``status``: nor does it, and that is answered.
``lose_answer``: it was done, and the connection ends without an answer. ``late_answer``: it was done, and the client's time-out is
over first. ``delay``: a slow one, and nothing is wrong."""
BEFORE = frozenset({"drop", "reset", "status 409", "status 429", "status 500", "status 503", "status 502 html"})
"""Faults after which the server has not seen the write."""
_REASONS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable"}
_DROPPED_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-encoding"})


@dataclass
class FaultProxy:
    """Passes everything on, but for the writes that it was told to spoil."""

    upstream: str
    tls: ssl.SSLContext | bool
    url: str = ""
    writes: list[str] = field(default_factory=list)
    """What came, method and path, spoilt ones too."""
    reached: list[str] = field(default_factory=list)
    """Writes that the server answered with success."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    _faults: dict[int, str] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None

    def spoil(self, position: int, fault: str) -> None:
        """The ``position``-th write from now on (0 is the next) meets this fault."""
        self._faults[len(self.writes) + position] = fault

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        is_write = request.method not in ("GET", "HEAD") and "selfsubject" not in request.path
        fault = None
        if is_write:
            fault = self._faults.pop(len(self.writes), None)
            self.writes.append(f"{request.method} {request.path}")
        match (fault or "").split():
            case ["drop"]:
                return _closed(request, reset=False)
            case ["reset"]:
                return _closed(request, reset=True)
            case ["status", code, *html]:
                return _refused(int(code), html=bool(html))
        status, headers, body = await self._ask(request)
        if is_write and status < 300:
            self.reached.append(f"{request.method} {request.path}")
        match fault:
            case "lose_answer":
                return _closed(request, reset=False)
            case "late_answer":
                await self.ending.wait()
            case "delay":
                await asyncio.sleep(0.2)
        return web.Response(status=status, headers=headers, body=body)

    async def _ask(self, request: web.Request) -> tuple[int, dict[str, str], bytes]:
        assert self._session is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() not in _DROPPED_HEADERS}
        async with self._session.request(
            request.method, self.upstream + request.raw_path, headers=headers, data=await request.read(), ssl=self.tls
        ) as answer:
            kept = {key: value for key, value in answer.headers.items() if key.lower() not in _DROPPED_HEADERS}
            return answer.status, kept, await answer.read()


def _closed(request: web.Request, *, reset: bool) -> web.StreamResponse:
    transport = request.transport
    assert transport is not None
    if reset:
        transport.abort()
    else:
        transport.close()
    return web.Response()


def _refused(code: int, *, html: bool) -> web.Response:
    if html:
        return web.Response(status=code, text="<html>bad gateway</html>", content_type="text/html")
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": _REASONS[code],
        "message": f"the proxy says {code}",
    }
    return web.Response(status=code, body=json.dumps(status), content_type="application/json")


@asynccontextmanager
async def in_front_of(kubeconfig: Path) -> AsyncIterator[tuple[FaultProxy, Path]]:
    """A proxy before the server of a kubeconfig, and a kubeconfig of the same user that leads to the proxy."""
    document = yaml.safe_load(kubeconfig.read_text())
    cluster = document["clusters"][0]["cluster"]
    tls: ssl.SSLContext | bool = True
    if cluster["server"].startswith("https"):
        tls = ssl.create_default_context(cadata=_certificate(cluster))
    proxy = FaultProxy(cluster["server"], tls)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", proxy.pass_on)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    document["clusters"][0]["cluster"] = {"server": proxy.url}
    leading = kubeconfig.with_name(f"proxied-{kubeconfig.name}")
    leading.write_text(json.dumps(document))
    try:
        async with aiohttp.ClientSession(auto_decompress=True) as proxy._session:
            yield proxy, leading
    finally:
        proxy.ending.set()
        await runner.cleanup()


def _certificate(cluster: dict[str, str]) -> str:
    import base64

    if "certificate-authority" in cluster:
        return Path(cluster["certificate-authority"]).read_text()
    return base64.b64decode(cluster["certificate-authority-data"]).decode()
