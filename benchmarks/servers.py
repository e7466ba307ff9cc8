"""The servers that are compared, each in a process of its own: ours, and the two floors.

``bare``: an aiohttp handler that reads the body and answers 200. ``row``: one that also inserts a row per request in an SQLite
transaction of its own, synchronous=FULL; the plain driver on the loop, the cheapest way to do that.
"""

import asyncio
import multiprocessing
import os
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from aiohttp import web

from benchmarks.load import TOKEN

KINDS = ("bare", "row", "remediator")


class Served:
    """A server under measurement."""

    def __init__(self, port: int, pid: int) -> None:
        self.port = port
        self._pid = pid

    def cpu_s(self) -> float:
        """CPU time that its process has used, all threads."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(kind: str, *, uvloop: bool) -> Iterator[Served]:
    """Start one, and stop it again."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory(prefix="remediator-bench-") as folder:
        process = multiprocessing.get_context("spawn").Process(target=_main, args=(kind, folder, theirs, uvloop))
        process.start()
        try:
            if not ours.poll(60):
                raise RuntimeError(f"server {kind} did not start")
            yield Served(ours.recv(), process.pid or 0)
        finally:
            process.terminate()
            process.join(30)


def _main(kind: str, folder: str, pipe: Connection, uvloop: bool) -> None:
    if uvloop:
        import uvloop as loops

        with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
            runner.run(_serve(kind, Path(folder), pipe))
    else:
        asyncio.run(_serve(kind, Path(folder), pipe))


async def _serve(kind: str, folder: Path, pipe: Connection) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if kind == "remediator":
        await _remediator(folder, pipe, stop)
        return
    handler = _bare if kind == "bare" else _row_handler(folder)
    app = web.Application(client_max_size=32 * 2**20)
    app.add_routes([web.post("/webhook/alertmanager", handler)])
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    pipe.send(runner.addresses[0][1])
    await stop.wait()
    await runner.cleanup()


async def _bare(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text="ok")


def _row_handler(folder: Path):  # type: ignore[no-untyped-def]
    database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)",
    ):
        database.execute(statement)

    async def row(request: web.Request) -> web.Response:
        database.execute("INSERT INTO rows (body) VALUES (?)", (await request.read(),))
        return web.Response(text="ok")

    return row


async def _remediator(folder: Path, pipe: Connection, stop: asyncio.Event) -> None:
    from remediator import logs
    from remediator.alerts.severity import DEFAULT_LABEL_VALUES
    from remediator.clock import SystemClock
    from remediator.engine.intake import Intake
    from remediator.metrics import Metrics
    from remediator.settings import Settings
    from remediator.store.database import open_store
    from remediator.web.auth import Auth
    from remediator.web.health import Health
    from remediator.web.server import Server, build_app

    settings = Settings.model_validate({"listen": {"port": 0}, "sources": {"prod": {"credential": {"token": TOKEN}}}})
    with (folder / "log").open("w") as log:
        logs.configure(pretty=False, level="info", stream=log)
        store = await open_store(f"sqlite:///{folder}/remediator.sqlite")
        clock, metrics = SystemClock(), Metrics()
        intake = Intake(
            store=store,
            clock=clock,
            metrics=metrics,
            severities=DEFAULT_LABEL_VALUES,
            watchdog=settings.escalation.watchdog,
            on_stored=_nothing,
            on_owed=_nothing,
        )
        health = Health(intake=intake, metrics=metrics, dependencies=_no_dependencies)
        app = build_app(
            intake=intake, auth=Auth(settings), health=health, metrics=metrics, clock=clock, settings=settings
        )
        server = Server(app, health=health, settings=settings)
        async with asyncio.TaskGroup() as group:
            group.create_task(intake.run())
            await server.start()
            pipe.send(server.port)
            await stop.wait()
            await server.stop()
            intake.stop()
        await store.close()


def _nothing() -> None:
    pass


async def _no_dependencies() -> dict[str, str]:
    return {}
