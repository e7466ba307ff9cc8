"""A real Alertmanager beside a test: the shipped configuration with its durations made short and its addresses ours.

The fixture `program` says how to start one.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from remediator.durations import parse_duration

DEPLOYED = Path(__file__).parents[2] / "deploy" / "alertmanager"
TOKEN = "alertmanager-throwaway-token"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"

_DURATIONS = re.compile(r"(group_wait|group_interval|repeat_interval): (\w+)")


@dataclass
class Remediator:
    """Takes webhooks and keeps them, as a remediator that says 200 to everything."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        """The webhook."""
        async with self._came:
            self.tokens.add(request.headers.get("Authorization"))
            self.bodies.append(await request.json())
            self._came.notify_all()
        return web.json_response({})

    def alerts(self, alertname: str, status: str | None = None) -> list[dict[str, Any]]:
        """What came of this name, repeats included."""
        told = [alert for body in self.bodies for alert in body["alerts"]]
        return [one for one in told if one["labels"]["alertname"] == alertname and status in (None, one["status"])]

    async def heard(self, alertname: str, status: str = "firing", times: int = 1, within_s: float = 30.0) -> None:
        """Wait until it came so often."""
        async with asyncio.timeout(within_s), self._came:
            await self._came.wait_for(lambda: len(self.alerts(alertname, status)) >= times)


@dataclass
class Alertmanager:
    """One that runs."""

    url: str
    session: aiohttp.ClientSession

    async def push(self, alertname: str, labels: Mapping[str, str], *, resolved: bool = False) -> None:
        """As Prometheus does. One that is resolved must have been pushed before with the same labels."""
        alert: dict[str, Any] = {"labels": {"alertname": alertname, **labels}}
        alert["endsAt" if resolved else "startsAt"] = datetime.now(UTC).isoformat()
        async with self.session.post(f"{self.url}/api/v2/alerts", json=[alert]) as answer:
            assert answer.status == 200, await answer.text()


def shortened(text: str, *, by: float) -> str:
    """The configuration with its durations divided, to the millisecond and at least 1ms."""

    def short(found: re.Match[str]) -> str:
        milliseconds = parse_duration(found[2]).total_seconds() * 1000 / by
        return f"{found[1]}: {max(round(milliseconds), 1)}ms"

    return _DURATIONS.sub(short, text)


def readdressed(text: str, directory: Path, *, remediator: str, pagerduty: str) -> str:
    """The configuration with our addresses and secret files, which are written into the directory."""
    config = yaml.safe_load(text)
    token, key = directory / "remediator-token", directory / "pagerduty-routing-key"
    token.write_text(TOKEN)
    key.write_text(ROUTING_KEY)
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            webhook["url"] = f"{remediator}/webhook/alertmanager"
            webhook["http_config"]["authorization"]["credentials_file"] = str(token)
        for pager in receiver.get("pagerduty_configs", ()):
            pager["url"] = f"{pagerduty}/v2/enqueue"
            pager["routing_key_file"] = str(key)
    return yaml.safe_dump(config)


@asynccontextmanager
async def fake_remediator() -> AsyncIterator[Remediator]:
    """Listens on loopback."""
    taker = Remediator()
    app = web.Application()
    app.router.add_post("/webhook/alertmanager", taker.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    taker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield taker
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(config: str, directory: Path, command: Sequence[str]) -> AsyncIterator[Alertmanager]:
    """A real Alertmanager with this configuration, alone (no cluster)."""
    path = directory / "alertmanager.yml"
    path.write_text(config)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (directory / "alertmanager.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            f"--config.file={path}",
            f"--storage.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}"
            await _ready(session, url, process, directory / "alertmanager.log")
            yield Alertmanager(url, session)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(session: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(30):
        while True:
            if process.returncode is not None:
                raise AssertionError(f"Alertmanager did not start:\n{log.read_text()}")
            try:
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


def routes(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The routes below the root, in order."""
    return list(config["route"]["routes"])
