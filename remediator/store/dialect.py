"""The only place that knows which database it is. SQLite for one process; PostgreSQL comes beside it.

SQLite's driver would begin transactions by itself, and silently too late: a read before the first write then stands outside the
transaction. So the driver's own transactions are off and ``BEGIN IMMEDIATE`` is sent by us; readers have an engine of their own.
"""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from remediator.errors import ConfigError
from remediator.store.lean import LeanWriter

__all__ = ["insert", "lean_writer", "migrate", "reader", "sqlite_path", "writer"]

_BUSY_TIMEOUT_S = 5
_WRITER_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={_BUSY_TIMEOUT_S * 1000}",
)


def sqlite_path(url: str) -> Path:
    """The file that ``sqlite:///relative`` or ``sqlite:////absolute`` names.

    Raises:
        ConfigError: another scheme.
    """
    scheme, _, rest = url.partition("://")
    path = rest.removeprefix("/")
    if scheme != "sqlite" or not rest.startswith("/") or not path:
        raise ConfigError(
            path="store.url",
            line=None,
            # Of the address only its scheme is told: there may be a password in it.
            message=f"{scheme if '://' in url else 'this'!r} is not a database that this release knows, or it names no file",
            remedy="sqlite:///path/to/remediator.sqlite",
        )
    return Path(path)


def writer(path: Path) -> AsyncEngine:
    """One connection, every transaction ``BEGIN IMMEDIATE``, every commit on the disk before it returns."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0)
    _on_connect(engine, _WRITER_PRAGMAS)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def lean_writer(path: Path) -> LeanWriter:
    """The same for what runs at every webhook; uses one more connection."""
    return LeanWriter(path, _WRITER_PRAGMAS)


def reader(path: Path) -> AsyncEngine:
    """A few connections that can only read."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=4, max_overflow=4)
    _on_connect(engine, ("query_only=ON", f"busy_timeout={_BUSY_TIMEOUT_S * 1000}"))

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def migrate(path: Path) -> None:
    """Bring the schema to this release's. Blocking. Forward only; safe to repeat.

    Raises:
        ConfigError: a newer release has been at it.
    """
    config = Config()
    config.set_main_option("script_location", "remediator.store:migrations")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_S})
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError:  # alembic does not know the revision that the file is at
                message, remedy = "a newer remediator has used this store", "start that one, or restore an older backup"
                raise ConfigError(path, None, message, remedy) from None
    finally:
        engine.dispose()


def _on_connect(engine: AsyncEngine, pragmas: tuple[str, ...]) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
