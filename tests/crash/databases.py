"""The store of a play, read beside the services that use it: a SQLite file, or a database of a PostgreSQL server."""

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

Row = dict[str, Any]
Result = TypeVar("Result")


class Database(Protocol):
    """What plays and the verdict ask. ``?`` stands for values on both."""

    @property
    def url(self) -> str:
        """For ``store.url``."""
        ...

    def rows(self, query: str, *values: object) -> list[Row]:
        """What is committed now; nothing while there is no such table yet or the server is away."""
        ...

    def check_whole(self) -> None:
        """Raises when it is damaged or cannot be read; for the end of a play, since ``rows`` hides that."""
        ...


class SqliteFile:
    """Read-only, a connection a question."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def rows(self, query: str, *values: object) -> list[Row]:
        try:
            return self._ask(query, *values)
        except sqlite3.OperationalError:
            return []

    def check_whole(self) -> None:
        assert self._ask("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert self._ask("PRAGMA foreign_key_check") == []

    def _ask(self, query: str, *values: object) -> list[Row]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=2)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query, values)]


class PostgresDatabase:
    """One connection of our own, straight to the server, in a thread: a play asks as it asks SQLite, without awaiting."""

    def __init__(self, url: str) -> None:
        """``url`` leads to the server itself."""
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="play-database", daemon=True)

    @property
    def url(self) -> str:
        return self._url

    @property
    def server(self) -> str:
        """Its address, ``host:port``."""
        return urlsplit(self._url).netloc.rpartition("@")[2]

    def url_through(self, port: int) -> str:
        """The same database by way of a proxy on this machine."""
        parts = urlsplit(self._url)
        user, at, _ = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{port}"))

    def rows(self, query: str, *values: object) -> list[Row]:
        try:
            return self._wait_for(self._ask(query, *values))
        except _AWAY:
            return []

    def check_whole(self) -> None:
        self._wait_for(self._ask("SELECT id FROM runs LIMIT 1"))

    def execute(self, script: str) -> None:
        """Any statements; raises when they fail."""
        self._wait_for(self._run(script))

    async def _ask(self, query: str, *values: object) -> list[Row]:
        numbers = count(1)
        numbered = "".join(f"${next(numbers)}" if letter == "?" else letter for letter in query)
        return [dict(row) for row in await (await self._connected()).fetch(numbered, *values)]

    async def _run(self, script: str) -> None:
        await (await self._connected()).execute(script)

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url, timeout=2, command_timeout=3)
        return self._connection

    async def _close(self) -> None:
        if self._connection is not None:
            with suppress(*_AWAY):
                await self._connection.close(timeout=1)

    def _wait_for(self, question: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(10)

    @contextmanager
    def open(self) -> Iterator["PostgresDatabase"]:
        """The thread lives inside."""
        self._thread.start()
        try:
            yield self
        finally:
            self._wait_for(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.UndefinedTableError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
)
"""No table yet, no server, or one that turns everybody away."""
