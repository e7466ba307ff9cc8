"""The door as it runs in the service: real listening server, real client, real SQLite file, and a second look into that file."""

import asyncio
import io
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from remediator import logs
from remediator.alerts.severity import DEFAULT_LABEL_VALUES
from remediator.clock import SystemClock
from remediator.engine.intake import Intake
from remediator.metrics import Metrics
from remediator.settings import Settings
from remediator.store.database import Store, open_store
from remediator.web.auth import Auth
from remediator.web.health import Health
from remediator.web.server import Server, build_app

SAMPLES = Path(__file__).parent.parent / "data" / "alertmanager"
TOKEN = "a-token-for-tests"


@dataclass
class Door:
    """A running door."""

    url: str
    path: Path
    store: Store
    intake: Intake
    server: Server
    metrics: Metrics
    client: aiohttp.ClientSession
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    owed: asyncio.Event = field(default_factory=asyncio.Event)

    async def post(self, body: bytes, path: str = "/webhook/alertmanager", **more: Any) -> tuple[int, dict[str, Any]]:
        """Status and decoded answer."""
        async with self.client.post(path, data=io.BytesIO(body), **more) as response:
            return response.status, json.loads(await response.read())

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and decoded answer."""
        async with self.client.get(path) as response:
            return response.status, json.loads(await response.read())

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a second connection sees in the file: only what is committed."""
        database = sqlite3.connect(self.path)
        try:
            return database.execute(statement, values).fetchall()
        finally:
            database.close()


def door_settings(**more: Any) -> Settings:
    """One source ``prod`` with the token of the tests."""
    given: dict[str, Any] = {
        "listen": {"port": 0},
        "sources": {"prod": {"credential": {"token": TOKEN}}},
        "timings": {"request": "1s", "shutdown": "5s"},
        "store": {"commit_timeout": "60s"},  # a busy machine is no full disk; tests of the bound give their own
    }
    return Settings.model_validate({**given, **more})


@asynccontextmanager
async def open_door(
    folder: Path,
    settings: Settings | None = None,
    *,
    insecure_no_auth: bool = False,
    headers: Mapping[str, str] | None = None,
    connections: int | None = None,
) -> AsyncIterator[Door]:
    """Start everything between the socket and the file, and stop it in the service's order."""
    settings = settings or door_settings()
    logs.configure(pretty=False, level="warning", stream=io.StringIO())
    path = folder / "remediator.sqlite"
    store = await open_store(f"sqlite:///{path}")
    clock, metrics = SystemClock(), Metrics()
    stored, owed = asyncio.Event(), asyncio.Event()
    intake = Intake(
        store=store,
        clock=clock,
        metrics=metrics,
        on_stored=stored.set,
        on_owed=owed.set,
        severities=DEFAULT_LABEL_VALUES,
        watchdog=settings.escalation.watchdog,
        queue=settings.store.queue,
        commit_timeout=settings.store.commit_timeout,
    )
    health = Health(intake=intake, metrics=metrics, dependencies=_dependencies)
    auth = Auth(settings, insecure_no_auth=insecure_no_auth)
    app = build_app(intake=intake, auth=auth, health=health, metrics=metrics, clock=clock, settings=settings)
    server = Server(app, health=health, settings=settings, connections=connections)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(intake.run())
            await server.start()
            try:
                async with aiohttp.ClientSession(
                    server.url,
                    headers={"Authorization": f"Bearer {TOKEN}"} if headers is None else headers,
                    connector=aiohttp.TCPConnector(limit=0),
                ) as client:
                    yield Door(server.url, path, store, intake, server, metrics, client, stored, owed)
            finally:
                await server.stop()
                intake.stop()
    finally:
        await store.close()


async def _dependencies() -> dict[str, str]:
    return {"prometheus": "ok"}


def alert(fingerprint: str, **changes: Any) -> dict[str, Any]:
    """One firing alert as Alertmanager sends it; ``endsAt`` makes it a resolved one."""
    return {
        "status": "resolved" if "endsAt" in changes else "firing",
        "labels": {"alertname": "HighErrorRate", "severity": "critical", "instance": fingerprint},
        "annotations": {"summary": "many errors"},
        "startsAt": "2026-11-22T10:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": fingerprint,
        **changes,
    }


def body(*alerts: Any, **changes: Any) -> bytes:
    """A webhook body with these alerts."""
    return json.dumps(
        {
            "receiver": "remediator",
            "status": "firing",
            "alerts": alerts,
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example",
            "version": "4",
            "groupKey": '{}:{alertname="HighErrorRate"}',
            "truncatedAlerts": 0,
            **changes,
        }
    ).encode()
