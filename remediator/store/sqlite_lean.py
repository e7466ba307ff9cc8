"""SQLite's transaction for what runs at every webhook.

Measured with 32 webhooks a commit: the hops between threads and greenlets of a transaction through SQLAlchemy and aiosqlite cost
2 ms of the loop, twice what folding and writing the alerts costs. Here BEGIN and COMMIT, which may wait, are one hop each.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from remediator.store.lean import Execute, Row

T = TypeVar("T")

_ROWS_A_STATEMENT = 100
_MAX_VALUES = 30_000
"""SQLite takes 32,766 in one statement."""


class SqliteLean:
    """One more connection, with a thread of its own. As ``lean.LeanWriter`` says."""

    def __init__(self, path: Path, pragmas: Sequence[str]) -> None:
        self._path = path
        self._pragmas = pragmas
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake-commit")
        self._connection: sqlite3.Connection | None = None

    async def begin(self, label: str) -> None:
        """Take the write lock; waits for other processes as long as ``busy_timeout`` says."""
        del label
        await self._hop(self._begin)

    async def run(self, work: Callable[[Execute], T]) -> T:
        """It touches memory only. In the thread it would fight with the loop for Python's lock: either would wait up to 5 ms for it
        after every statement and every packet, and the loop stood still for half a second (measured)."""
        with _as_sqlalchemy():
            return work(_Execute(self._open()))

    async def commit(self) -> None:
        """On the disk when it returns."""
        await self._hop(self._open().commit)

    async def give_up(self, error: BaseException) -> None:
        """Roll back."""
        del error
        with suppress(DBAPIError):
            await self._hop(self._open().rollback)

    async def close(self) -> None:
        """Give connection and thread back."""
        if self._connection is not None:
            await self._hop(self._connection.close)
            self._connection = None
        self._thread.shutdown()

    async def _hop(self, call: Callable[[], T]) -> T:
        with _as_sqlalchemy():
            return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _begin(self) -> None:
        self._open().execute("BEGIN IMMEDIATE")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Used by the loop's thread and by ours, never by both at once: one transaction is under way at a time.
            connection = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, cached_statements=512
            )
            for pragma in self._pragmas:
                connection.execute(f"PRAGMA {pragma}")
            self._connection = connection
        return self._connection


class _Execute:
    """Many rows with one statement: the driver takes and gives back Python's lock around every row that it binds by itself."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def select_in(
        self,
        columns: tuple[str, ...],
        table: str,
        *,
        flag: str,
        where: tuple[str, object],
        member: str,
        of: Sequence[str],
    ) -> list[tuple[Any, ...]]:
        # `= 1`, as the partial index says it: SQLite compares the texts.
        statement = (
            f"SELECT {', '.join(columns)} FROM {table} "  # noqa: S608 - names are ours
            f"WHERE {flag} = 1 AND {where[0]} = ? AND {member} IN ({', '.join('?' * len(of))})"
        )
        return self(statement, (where[1], *of))

    def insert_rows(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        for chunk in _chunks(rows, len(columns)):
            self(_insert_text(table, columns, len(chunk)), tuple(chain.from_iterable(chunk)))

    def update_rows(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        for chunk in _chunks(rows, len(columns) + 1):
            self(_update_text(table, columns, len(chunk)), tuple(chain.from_iterable(chunk)))


@contextmanager
def _as_sqlalchemy() -> Iterator[None]:
    """The driver's errors as SQLAlchemy raises them, so that the door knows one kind only."""
    try:
        yield
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error) from error


def _chunks(rows: Sequence[Row], width: int) -> Iterator[Sequence[Row]]:
    size = min(_ROWS_A_STATEMENT, _MAX_VALUES // width)
    return (rows[at : at + size] for at in range(0, len(rows), size))


@lru_cache(maxsize=1024)
def _insert_text(table: str, columns: tuple[str, ...], rows: int) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {_values(len(columns), rows)}"  # noqa: S608 - names are ours


@lru_cache(maxsize=1024)
def _update_text(table: str, columns: tuple[str, ...], rows: int) -> str:
    assignments = ", ".join(f"{column} = given.column{number}" for number, column in enumerate(columns, 2))
    values = _values(len(columns) + 1, rows)
    return f"UPDATE {table} SET {assignments} FROM (VALUES {values}) AS given WHERE {table}.id = given.column1"  # noqa: S608


def _values(width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return ", ".join([row] * rows)
