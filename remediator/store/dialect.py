"""The only place that knows which database it is. SQLite for one process; PostgreSQL comes beside it.

SQLite's driver would begin transactions by itself, and silently too late: a read before the first write then stands outside the
transaction. So the driver's own transactions are off and ``BEGIN IMMEDIATE`` is sent by us; readers have an engine of their own.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from remediator.errors import ConfigError

__all__ = [
    "Execute",
    "in_driver",
    "insert",
    "insert_rows",
    "migrate",
    "reader",
    "select_in",
    "sqlite_path",
    "update_rows",
    "writer",
]

T = TypeVar("T")
Row: TypeAlias = tuple[object, ...]
Execute: TypeAlias = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""One statement with plain database values, and its rows."""

_BUSY_TIMEOUT_S = 5
_ROWS_A_STATEMENT = 100
_MAX_VALUES = 30_000
"""SQLite takes 32,766 in one statement."""


def sqlite_path(url: str) -> Path:
    """The file that ``sqlite:///relative`` or ``sqlite:////absolute`` names.

    Raises:
        ConfigError: another scheme.
    """
    scheme, separator, path = url.partition(":///")
    if scheme != "sqlite" or not separator or not path:
        raise ConfigError(
            path="store.url",
            line=None,
            message=f"{scheme!r} is not a database that this release knows",
            remedy="sqlite:///path/to/remediator.sqlite",
        )
    return Path(path)


def writer(path: Path) -> AsyncEngine:
    """One connection, every transaction ``BEGIN IMMEDIATE``, every commit on the disk before it returns."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0)
    _on_connect(
        engine,
        (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_TIMEOUT_S * 1000}",
        ),
    )

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reader(path: Path) -> AsyncEngine:
    """A few connections that can only read."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=4, max_overflow=4)
    _on_connect(engine, ("query_only=ON", f"busy_timeout={_BUSY_TIMEOUT_S * 1000}"))

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def migrate(path: Path) -> None:
    """Bring the schema to this release's. Blocking. Forward only; safe to repeat."""
    config = Config()
    config.set_main_option("script_location", "remediator.store:migrations")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_S})
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


async def in_driver(connection: AsyncConnection, work: Callable[[Execute], T]) -> T:
    """Run ``work`` inside this transaction, in the driver's own thread: one hop between threads instead of four a statement.

    For what runs at every webhook; everything else is better off with SQLAlchemy. ``work`` gets no type of ``columns.py`` applied.
    Errors are the ones that SQLAlchemy would raise.
    """
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection  # an aiosqlite.Connection

    def execute(statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return driver._conn.execute(statement, values).fetchall()

    try:
        return await driver._execute(work, execute)  # type: ignore[no-any-return]
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error, dialect=connection.dialect) from error


def select_in(columns: tuple[str, ...], table: str, where: str, member: str, values: int) -> str:
    """A SELECT with one value for each ``?`` of ``where``, then that many values one of which ``member`` has to be."""
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where} AND {member} IN ({', '.join('?' * values)})"  # noqa: S608


def insert_rows(execute: Execute, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Many rows with one statement: the driver takes and gives back Python's lock around every row that it binds by itself."""
    for chunk in _chunks(rows, len(columns)):
        execute(_insert_text(table, columns, len(chunk)), tuple(chain.from_iterable(chunk)))


def update_rows(execute: Execute, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    """Set these columns of the rows whose ``id`` is each tuple's first value; otherwise as ``insert_rows``."""
    for chunk in _chunks(rows, len(columns) + 1):
        execute(_update_text(table, columns, len(chunk)), tuple(chain.from_iterable(chunk)))


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


def _on_connect(engine: AsyncEngine, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
