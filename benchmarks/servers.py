"""The servers that are compared, each in a process of its own: ours, and the floors.

``bare``: an aiohttp handler that reads the body and answers 200. ``row``: one that also inserts a row per request in an SQLite
transaction of its own, synchronous=FULL, through the driver of our stack (aiosqlite). ``row-blocking``: the same with the plain
driver on the loop: the cheapest way there is, and one that no service can afford, because everything stands still meanwhile.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import aiosqlite
from aiohttp import web

from benchmarks.load import TOKEN

FLOORS = ("bare", "row", "row-blocking")


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
def serving(kind: str, *, uvloop: bool, store_url: str | None = None) -> Iterator[Served]:
    """Start a floor, or remediator's door on this store (default: an SQLite file of its own), and stop it again."""
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory(prefix="remediator-bench-") as folder:
        process = multiprocessing.get_context("spawn").Process(
            target=_main, args=(kind, folder, theirs, uvloop, store_url)
        )
        process.start()
        try:
            if not ours.poll(60):
                raise RuntimeError(f"server {kind} did not start")
            yield Served(ours.recv(), process.pid or 0)
        finally:
            process.terminate()
            process.join(30)


def _main(kind: str, folder: str, pipe: Connection, uvloop: bool, store_url: str | None) -> None:
    if uvloop:
        import uvloop as loops

        with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
            runner.run(_serve(kind, Path(folder), pipe, store_url))
    else:
        asyncio.run(_serve(kind, Path(folder), pipe, store_url))


async def _serve(kind: str, folder: Path, pipe: Connection, store_url: str | None) -> None:
    gc.freeze()  # in all of them: what was imported is not looked through again and again
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if kind not in FLOORS:
        await _remediator(folder, pipe, stop, store_url or f"sqlite:///{folder}/remediator.sqlite")
        return
    async with AsyncExitStack() as cleanups:
        handler = await _HANDLERS[kind](folder, cleanups)
        app = web.Application(client_max_size=32 * 2**20)
        app.add_routes([web.post("/webhook/alertmanager", handler)])
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
        await runner.setup()
        cleanups.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        pipe.send(runner.addresses[0][1])
        await stop.wait()


Handler = Callable[[web.Request], Awaitable[web.Response]]

_SCHEMA = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)",
)
_INSERT = "INSERT INTO rows (body) VALUES (?)"


async def _bare(_folder: Path, _cleanups: AsyncExitStack) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="ok")

    return handle


async def _row(folder: Path, cleanups: AsyncExitStack) -> Handler:
    database = await cleanups.enter_async_context(aiosqlite.connect(folder / "rows.sqlite", isolation_level=None))
    for statement in _SCHEMA:
        await database.execute(statement)

    async def handle(request: web.Request) -> web.Response:
        await database.execute(_INSERT, (await request.read(),))
        return web.Response(text="ok")

    return handle


async def _row_blocking(folder: Path, cleanups: AsyncExitStack) -> Handler:
    database = sqlite3.connect(folder / "rows.sqlite", isolation_level=None)
    cleanups.callback(database.close)
    for statement in _SCHEMA:
        database.execute(statement)

    async def handle(request: web.Request) -> web.Response:
        database.execute(_INSERT, (await request.read(),))
        return web.Response(text="ok")

    return handle


_HANDLERS = {"bare": _bare, "row": _row, "row-blocking": _row_blocking}


async def _remediator(folder: Path, pipe: Connection, stop: asyncio.Event, store_url: str) -> None:
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
        store = await open_store(store_url)
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
