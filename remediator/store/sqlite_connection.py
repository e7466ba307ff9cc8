"""SQLite for an event loop: statements run where they are asked for, and only what may wait for the disk or take long has a thread.

``aiosqlite`` hands every call of a cursor to a thread: measured at 720 hand-overs a run, which cost most of a run's CPU, and each of
them waits up to 5 ms for Python's lock while the loop is busy. Statements on a few rows touch memory only (20 to 50 µs). So here

- a SELECT runs on the loop until it has taken ``_STEPS`` of SQLite's steps (a millisecond or two); then it is broken off and asked
  again in the thread: it has changed nothing;
- an INSERT, UPDATE or DELETE runs on the loop, unless its text says ``MANY_ROWS``: broken off, it would undo its whole transaction;
- COMMIT, and BEGIN where another process holds the file, are the thread's: they wait.

Stands in the place of ``aiosqlite.Connection`` in SQLAlchemy's dialect of that name, and has what that dialect uses of it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")

MANY_ROWS = "/* many rows */"
"""Prefix of a writing statement that may touch more than some ten rows: ``update(...).prefix_with(MANY_ROWS)``."""

_STEPS = 20_000
_BUSY_TIMEOUT_S = 5.0
_WAITS = ("COMMIT", "END")


async def connect(path: Path, pragmas: Sequence[str]) -> "SqliteConnection":
    """Open the file. Transactions are begun by the caller alone."""
    return await asyncio.to_thread(SqliteConnection, path, pragmas)


class SqliteConnection:
    """One connection. Used by the loop's thread and by its own, never by both at once: SQLAlchemy awaits each call."""

    isolation_level: None = None

    def __init__(self, path: Path, pragmas: Sequence[str]) -> None:
        # Nothing waits on the loop: a lock that another process holds is waited for in the thread (``_begin``).
        self._connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self._connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000:.0f}")
        for pragma in pragmas:
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("PRAGMA busy_timeout=0")
        self._connection.set_progress_handler(self._too_long, _STEPS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        self._under_way: Future[Any] | None = None
        self._may_break_off = False

    def cursor(self) -> "SqliteCursor":
        """A new one."""
        return SqliteCursor(self)

    async def commit(self) -> None:
        """On the disk when it returns."""
        if self._connection.in_transaction:
            await self.hop(self._connection.commit)

    async def rollback(self) -> None:
        """Touches memory only. Also after a call whose caller was cancelled: then it waits for the thread to be done with it."""
        if self._under_way is None or self._under_way.done():
            self._connection.rollback()
        else:
            await self.hop(self._connection.rollback)

    async def close(self) -> None:
        """Give file and thread back."""
        await self.hop(self._connection.close)
        self._thread.shutdown(wait=False)

    def stop(self) -> None:
        """As ``close``, where nothing can be awaited."""
        self._thread.submit(self._connection.close)
        self._thread.shutdown(wait=False)

    async def create_function(self, *arguments: Any, **named: Any) -> None:
        """For the dialect, which brings a function of its own."""
        self._connection.create_function(*arguments, **named)

    async def ask(self, statement: str, values: Sequence[object], cursor: sqlite3.Cursor) -> list[Any]:
        """One statement; its rows, if it gives any."""
        word = statement.lstrip()[:6].upper()
        if word == "SELECT":
            return await self._select(statement, values, cursor)
        if word.startswith("BEGIN"):
            return await self._begin(statement, cursor)
        if word.startswith(_WAITS) or MANY_ROWS in statement:
            return await self.hop(lambda: _done(cursor, statement, values))
        return _done(cursor, statement, values)

    async def hop(self, call: Callable[[], T]) -> T:
        """Do it in the thread, after all that was given to it before."""
        under_way = self._under_way = self._thread.submit(call)
        return await asyncio.wrap_future(under_way)

    async def _select(self, statement: str, values: Sequence[object], cursor: sqlite3.Cursor) -> list[Any]:
        self._may_break_off = True
        try:
            return _done(cursor, statement, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY):
                raise
        finally:
            self._may_break_off = False
        return await self.hop(lambda: self._waiting(cursor, statement, values))

    async def _begin(self, statement: str, cursor: sqlite3.Cursor) -> list[Any]:
        try:
            return _done(cursor, statement, ())
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        return await self.hop(lambda: self._waiting(cursor, statement, ()))

    def _waiting(self, cursor: sqlite3.Cursor, statement: str, values: Sequence[object]) -> list[Any]:
        self._connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000:.0f}")
        try:
            return _done(cursor, statement, values)
        finally:
            self._connection.execute("PRAGMA busy_timeout=0")

    def _too_long(self) -> int:
        return int(self._may_break_off)


class SqliteCursor:
    """One statement at a time; its rows are there when ``execute`` returns."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._cursor = connection._connection.cursor()
        self._rows: list[Any] = []
        self.arraysize = 1

    @property
    def description(self) -> Any:
        """Of the rows; None where there are none."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """Rows that were written."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """Of the last INSERT."""
        return self._cursor.lastrowid

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, values: Sequence[object] = ()) -> None:
        """One statement."""
        self._rows = await self._connection.ask(statement, values, self._cursor)

    async def executemany(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """The same statement for each of them."""
        self._cursor.executemany(statement, rows)

    async def fetchall(self) -> list[Any]:
        """All rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """It is not used again."""
        self._cursor.close()


def _done(cursor: sqlite3.Cursor, statement: str, values: Sequence[object]) -> list[Any]:
    cursor.execute(statement, values)
    return cursor.fetchall() if cursor.description is not None else []
