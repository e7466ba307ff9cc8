"""SQLite, for one process: engines whose transactions are ours, and the lock that keeps a second process away.

SQLite's driver would begin transactions by itself, and silently too late: a read before the first write then stands outside the
transaction. So the driver's own transactions are off and ``BEGIN IMMEDIATE`` is sent by us; readers have an engine of their own.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from remediator.clock import Clock
from remediator.errors import ConfigError, StoreUnavailableError
from remediator.store import migrate
from remediator.store.sqlite_connection import SqliteConnection, connect
from remediator.store.sqlite_lean import SqliteLean

_BUSY_TIMEOUT_S = 5
_WRITER_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={_BUSY_TIMEOUT_S * 1000}",
)
URL = "sqlite:///path/to/remediator.sqlite"


def path_of(url: str) -> Path:
    """The file that ``sqlite:///relative`` or ``sqlite:////absolute`` names.

    Raises:
        ConfigError: it names none.
    """
    path = url.partition("://")[2].removeprefix("/")
    if not url.startswith("sqlite:///") or not path:
        raise ConfigError("store.url", None, "it names no file", URL)
    return Path(path)


class SqliteDatabase:
    """One file and the connections to it. As ``dialect.Database`` says."""

    shared = False

    def __init__(self, path: Path, lock_fd: int) -> None:
        self._writer = writer(path)
        self._reader = reader(path)
        self._lock_fd: int | None = lock_fd
        self.lean = SqliteLean(path, _WRITER_PRAGMAS)

    def for_writing(self, *, beat: bool) -> AsyncConnection:
        """One for everybody: there is one writer in the whole file."""
        del beat
        return self._writer.connect()

    def for_reading(self) -> AsyncConnection:
        """Sees what stood when its first statement began, and can only read."""
        return self._reader.connect()

    async def begin(self, connection: AsyncConnection, label: str, *, beat: bool) -> None:
        """``BEGIN IMMEDIATE``; there is nobody to tell."""
        del label, beat
        await connection.begin()

    async def commit(self, connection: AsyncConnection) -> None:
        """Here a statement that failed takes nothing with it."""
        await connection.commit()

    async def give_up(self, connection: AsyncConnection, error: BaseException) -> None:
        """Roll back."""
        del error
        with suppress(DBAPIError):
            await connection.rollback()

    async def now(self, connection: AsyncConnection, clock: Clock) -> datetime:
        """The process's clock: there is one process."""
        del connection
        return clock.now()

    async def listen(self, on_written: Callable[[str], None], clock: Clock) -> None:
        """Nobody else writes."""

    def errors(self) -> AbstractContextManager[None]:
        """The driver's errors in our words."""
        return our_errors()

    async def close(self) -> None:
        """Give connections and lock back."""
        await self.lean.close()
        await self._writer.dispose()
        await self._reader.dispose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


async def open_sqlite(url: str) -> SqliteDatabase:
    """Lock and migrate the file.

    Raises:
        ConfigError: another process holds the file, its directory cannot be written to, or a newer remediator has had it.
        StoreUnavailableError: it cannot be opened.
    """
    path = path_of(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = lock(path)
    except OSError as error:
        remedy = "give it a writable directory on a local disk, or set store.url to another file"
        raise ConfigError(path, None, f"the store cannot be opened: {error.strerror}", remedy) from None
    try:
        await _migrate(path)
        return SqliteDatabase(path, lock_fd)
    except BaseException:
        os.close(lock_fd)
        raise


def writer(path: Path) -> AsyncEngine:
    """One connection, every transaction ``BEGIN IMMEDIATE``, every commit on the disk before it returns."""
    engine = _engine(path, _WRITER_PRAGMAS, pool_size=1, max_overflow=0)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def reader(path: Path) -> AsyncEngine:
    """A few connections that can only read."""
    engine = _engine(path, ("query_only=ON",), pool_size=4, max_overflow=4)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def bring_up(path: Path) -> None:
    """Bring the file's schema to this release's. Blocking. As ``migrate.bring_up`` says."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_S})
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            migrate.bring_up(connection, str(path))
    finally:
        engine.dispose()


@contextmanager
def our_errors() -> Iterator[None]:
    """The driver's errors as StoreUnavailableError, where it is the store that is not available."""
    try:
        yield
    except (IntegrityError, DataError, ProgrammingError):
        raise  # a broken promise of ours, a lost race that the caller expects, a value too big: not an unavailable store
    except DBAPIError as error:
        raise StoreUnavailableError(str(error.orig).partition("\n")[0]) from error
    except PoolTimeoutError as error:
        raise StoreUnavailableError("all connections for reading are busy") from error


async def _migrate(path: Path) -> None:
    try:
        with our_errors():
            await asyncio.to_thread(bring_up, path)
    except StoreUnavailableError as error:
        remedy = "free its disk, make it writable or restore it, or set store.url to another file"
        raise StoreUnavailableError(f"{path}: the store cannot be opened: {error} ({remedy})") from error


def lock(path: Path) -> int:
    """Hold ``<file>.lock`` for as long as the process lives: a second process would run the same runs twice."""
    fd = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise ConfigError(
            path=str(path),
            line=None,
            message="another remediator process uses this SQLite file",
            remedy="stop it, or give each its own store.url; several replicas need PostgreSQL",
        ) from None
    return fd


def _engine(path: Path, pragmas: tuple[str, ...], **pool: int) -> AsyncEngine:
    async def connection() -> SqliteConnection:
        return await connect(path, pragmas)

    return create_async_engine(f"sqlite+aiosqlite:///{path}", async_creator=connection, **pool)
