"""A real Prometheus beside a test: it scrapes numbers that the test sets, and tells its alerts to an Alertmanager.

The fixture `program` says how to start one.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from tests.controlplane.processes import Program, free_ports, start

_EVERY = "200ms"


@dataclass
class Numbers:
    """What is scraped: the present value of each series."""

    url: str = ""
    _values: dict[str, float] = field(default_factory=dict)

    def set(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """From the next scrape on."""
        inside = ",".join(f"{key}={json.dumps(text)}" for key, text in (labels or {}).items())
        self._values[f"{name}{{{inside}}}"] = value

    def clear(self) -> None:
        """All series end."""
        self._values.clear()

    async def scrape(self, request: web.Request) -> web.Response:
        return web.Response(text="".join(f"{series} {value}\n" for series, value in self._values.items()))


@dataclass
class Prometheus:
    """One that runs."""

    url: str
    numbers: Numbers
    session: aiohttp.ClientSession
    command: Sequence[str]
    log: Path
    program: Program

    async def restart(self) -> None:
        """Stop it, and start it on its data again. Its alerts begin anew."""
        await self.program.stop()
        self.program = await start("prometheus", self.command, self.log)
        await _until_ready(self.session, self.url, self.program)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """What an instant query finds now."""
        async with self.session.get(f"{self.url}/api/v1/query", params={"query": expression}) as answer:
            found: list[dict[str, Any]] = (await answer.json())["data"]["result"]
            return found

    async def until(self, expression: str, within_s: float = 60.0) -> None:
        """Wait until the query finds something."""
        async with asyncio.timeout(within_s):
            while not await self.query(expression):  # noqa: ASYNC110 - Prometheus has no signal to wait for
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(
    directory: Path,
    command: Sequence[str],
    *,
    rules: Sequence[Mapping[str, Any]] = (),
    alertmanagers: Sequence[str] = (),
    external_labels: Mapping[str, str] | None = None,
    dropped_from_alerts: str | None = None,
) -> AsyncIterator[Prometheus]:
    """`rules` as in a rule file's group; `dropped_from_alerts`: a label that no Alertmanager is told of, such as a replica's name.

    Scraped labels win over Prometheus's own (`honor_labels`).
    """
    async with _numbers() as numbers, aiohttp.ClientSession() as session:
        config = _config(directory, numbers.url, rules, alertmanagers, external_labels, dropped_from_alerts)
        (port,) = free_ports(1)
        flags = [
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        log = directory / "prometheus.log"
        whole = [*command, *flags]
        made = Prometheus(
            f"http://127.0.0.1:{port}", numbers, session, whole, log, await start("prometheus", whole, log)
        )
        try:
            await _until_ready(session, made.url, made.program)
            yield made
        finally:
            await made.program.stop()


async def _until_ready(session: aiohttp.ClientSession, url: str, program: Program) -> None:
    async with asyncio.timeout(30):
        while not await _is_ready(session, url):
            program.check()
            await asyncio.sleep(0.05)


def _config(
    directory: Path,
    scraped: str,
    rules: Sequence[Mapping[str, Any]],
    alertmanagers: Sequence[str],
    external_labels: Mapping[str, str] | None,
    dropped_from_alerts: str | None,
) -> Path:
    """JSON, which every YAML reader takes."""
    rule_file, config_file = directory / "rules.json", directory / "prometheus.json"
    rule_file.write_text(json.dumps({"groups": [{"name": "test", "rules": [dict(rule) for rule in rules]}]}))
    job = {"job_name": "test", "honor_labels": True, "static_configs": [{"targets": [urlsplit(scraped).netloc]}]}
    config: dict[str, Any] = {
        "global": {"scrape_interval": _EVERY, "scrape_timeout": _EVERY, "evaluation_interval": _EVERY},
        "rule_files": [str(rule_file)],
        "scrape_configs": [job],
    }
    config["global"]["external_labels"] = dict(external_labels or {})
    if alertmanagers:
        targets = {"static_configs": [{"targets": [urlsplit(url).netloc for url in alertmanagers]}]}
        config["alerting"] = {"alertmanagers": [targets]}
    if dropped_from_alerts is not None:
        relabel = [{"action": "labeldrop", "regex": dropped_from_alerts}]
        config["alerting"]["alert_relabel_configs"] = relabel
    config_file.write_text(json.dumps(config))
    return config_file


@asynccontextmanager
async def _numbers() -> AsyncIterator[Numbers]:
    numbers = Numbers()
    app = web.Application()
    app.router.add_get("/metrics", numbers.scrape)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        numbers.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield numbers
    finally:
        await runner.cleanup()


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
