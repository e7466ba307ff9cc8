"""A real Alertmanager beside a test: the shipped configuration with its durations made short and its addresses ours.

The fixture `program` says how to start one.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from remediator.durations import parse_duration
from tests.controlplane.processes import Program, free_ports, start

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

    async def heard(self, alertname: str, status: str = "firing", times: int = 1, within_s: float = 60.0) -> None:
        """Wait until it came so often."""
        async with asyncio.timeout(within_s), self._came:
            await self._came.wait_for(lambda: len(self.alerts(alertname, status)) >= times)


@dataclass
class Alertmanager:
    """One that runs."""

    url: str
    session: aiohttp.ClientSession
    program: Program

    async def kill(self) -> None:
        """As the kernel does."""
        self.program.process.kill()
        await self.program.process.wait()

    async def push(self, alertname: str, labels: Mapping[str, str], *, resolved: bool = False) -> None:
        """As Prometheus does. One that is resolved must have been pushed before with the same labels."""
        alert: dict[str, Any] = {"labels": {"alertname": alertname, **labels}}
        alert["endsAt" if resolved else "startsAt"] = datetime.now(UTC).isoformat()
        async with self.session.post(f"{self.url}/api/v2/alerts", json=[alert]) as answer:
            assert answer.status == 200, await answer.text()

    async def silence(self, matcher: str) -> None:
        """What this one matcher (`name="value"`) takes, for an hour."""
        name, _, value = matcher.partition("=")
        now = datetime.now(UTC)
        silence = {
            "matchers": [{"name": name, "value": value.strip('"'), "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
            "createdBy": "test",
            "comment": "test",
        }
        async with self.session.post(f"{self.url}/api/v2/silences", json=silence) as answer:
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
async def running(
    config: str, directory: Path, command: Sequence[str], *, cluster: Sequence[str] = ("--cluster.listen-address=",)
) -> AsyncIterator[Alertmanager]:
    """A real Alertmanager with this configuration. ``cluster``: its flags; alone by default."""
    path = directory / "alertmanager.yml"
    path.write_text(config)
    (port,) = free_ports(1)
    flags = [
        f"--config.file={path}",
        f"--storage.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        *cluster,
    ]
    program = await start("alertmanager", [*command, *flags], directory / "alertmanager.log")
    try:
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}"
            await _ready(session, url, program)
            yield Alertmanager(url, session, program)
    finally:
        await program.stop()


@asynccontextmanager
async def pair(
    config: str, directory: Path, command: Sequence[str]
) -> AsyncIterator[tuple[Alertmanager, Alertmanager]]:
    """Two of them as a cluster. Which of the two tells, they settle among themselves; the other one waits 2 s longer."""
    ports = free_ports(2)

    def flags(own: int, other: int) -> list[str]:
        return [
            f"--cluster.listen-address=127.0.0.1:{own}",
            f"--cluster.advertise-address=127.0.0.1:{own}",
            f"--cluster.peer=127.0.0.1:{other}",
            "--cluster.peer-timeout=2s",
            "--cluster.gossip-interval=50ms",
            "--cluster.pushpull-interval=1s",
        ]

    folders = [directory / f"alertmanager-{number}" for number in range(2)]
    for folder in folders:
        folder.mkdir()
    async with (
        running(config, folders[0], command, cluster=flags(*ports)) as first,
        running(config, folders[1], command, cluster=flags(*reversed(ports))) as second,
    ):
        for one in (first, second):
            async with asyncio.timeout(30):
                while not await _sees_another(one):  # noqa: ASYNC110 - Alertmanager has no signal to wait for
                    await asyncio.sleep(0.1)
        yield first, second


async def _sees_another(one: Alertmanager) -> bool:
    async with one.session.get(f"{one.url}/api/v2/status") as answer:
        cluster = (await answer.json())["cluster"]
    return cluster["status"] == "ready" and len(cluster["peers"]) == 2


async def _ready(session: aiohttp.ClientSession, url: str, program: Program) -> None:
    async with asyncio.timeout(30):
        while True:
            program.check()
            try:
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


def routes(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The routes below the root, in order."""
    return list(config["route"]["routes"])
