"""The one door to the database: named transactions, one writer at a time, errors in our words.

``begin`` gives a write transaction, committed when the block ends and rolled back when it raises; ``read`` a snapshot for
reading. Writers wait in order of ``Tx.priority``, so that a storm of alerts never starves the journal (engine.md 11).
"""

import asyncio
import fcntl
import heapq
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from enum import Enum
from itertools import count
from pathlib import Path
from typing import TypeAlias

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from remediator.errors import ConfigError, StoreUnavailableError
from remediator.store import dialect
from remediator.store.lean import LeanWriter

Connection: TypeAlias = AsyncConnection
"""What ``begin`` and ``read`` give: for the signatures of those who only hand it on, since SQL stays in store/."""

Probe = Callable[[str], None]
"""Called with the name of each point at which a crash is interesting; the crash tests kill the process in it."""

Observe = Callable[[str, float, float], None]
"""Called after each write transaction: its label, the seconds that it waited for its turn, the seconds that it then took."""


class Tx(Enum):
    """Every kind of write transaction: its name, and its priority (smaller first)."""

    HEARTBEAT = ("heartbeat", 0)
    BEGIN_STEP = ("begin_step", 0)
    END_STEP = ("end_step", 0)
    ADVANCE_RUN = ("advance_run", 0)
    CLAIM_RUNS = ("claim_runs", 1)
    RECOVER = ("recover", 1)
    OPERATE = ("operate", 1)
    SETTLE_MESSAGE = ("settle_message", 1)
    JUDGE_INCIDENT = ("judge_incident", 1)
    DECIDE = ("decide", 1)
    SETTLE_DOUBT = ("settle_doubt", 1)
    MARK = ("mark", 1)
    TAKE_DUTY = ("take_duty", 1)
    LEAVE = ("leave", 1)
    INTAKE = ("intake", 2)

    @property
    def label(self) -> str:
        """For crash points and metrics."""
        return self.value[0]

    @property
    def priority(self) -> int:
        """Place in the writers' queue."""
        return self.value[1]


class Store:
    """A database and its door. Build it with ``open_store``."""

    def __init__(
        self,
        *,
        writer: AsyncEngine,
        lean: LeanWriter,
        reader: AsyncEngine,
        lock_fd: int | None,
        probe: Probe,
        observe: Observe,
    ) -> None:
        self._writer = writer
        self._lean = lean
        self._reader = reader
        self._lock_fd = lock_fd
        self._probe = probe
        self._observe = observe
        self._turn = _PriorityLock()

    @asynccontextmanager
    async def begin(self, tx: Tx) -> AsyncIterator[AsyncConnection]:
        """A write transaction. What it wrote is durable when the block has been left without an exception.

        Raises:
            StoreUnavailableError: down, full, locked or read-only; nothing was written.
        """
        async with self._turn_of(tx):
            with _our_errors():
                async with self._writer.connect() as connection:
                    transaction = await connection.begin()
                    try:
                        yield connection
                    except BaseException:
                        with suppress(DBAPIError):
                            await transaction.rollback()
                        raise
                    self._probe(f"commit.{tx.label}.before")
                    await transaction.commit()
                    self._probe(f"commit.{tx.label}.after")

    @asynccontextmanager
    async def begin_lean(self, tx: Tx) -> AsyncIterator[LeanWriter]:
        """As ``begin``, without SQLAlchemy between: for what runs at every webhook.

        Raises:
            StoreUnavailableError: down, full, locked or read-only; nothing was written.
        """
        async with self._turn_of(tx):
            with _our_errors():
                try:
                    await self._lean.begin()
                    yield self._lean
                    self._probe(f"commit.{tx.label}.before")
                    await self._lean.commit()
                    self._probe(f"commit.{tx.label}.after")
                except BaseException:
                    with suppress(DBAPIError):
                        await self._lean.rollback()
                    raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A snapshot. Writing through it fails.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        with _our_errors():
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _turn_of(self, tx: Tx) -> AsyncIterator[None]:
        clock = asyncio.get_running_loop().time
        asked_at = clock()
        async with self._turn.held(tx.priority):
            began_at = clock()
            try:
                yield
            finally:
                self._observe(tx.label, began_at - asked_at, clock() - began_at)

    async def close(self) -> None:
        """Give everything back. No transaction may be under way."""
        await self._lean.close()
        await self._writer.dispose()
        await self._reader.dispose()
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None


def _no_probe(point: str) -> None:
    del point


def _unobserved(label: str, waited_s: float, took_s: float) -> None:
    del label, waited_s, took_s


async def open_store(url: str, *, probe: Probe = _no_probe, observe: Observe = _unobserved) -> Store:
    """Open and migrate ``sqlite:///path`` (one process a file).

    Raises:
        ConfigError: another process holds the file, its directory cannot be written to, a newer remediator has had it, or the
            URL names a database that this release does not know.
        StoreUnavailableError: it cannot be opened.
    """
    path = dialect.sqlite_path(url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock_fd = _lock(path)
    except OSError as error:
        remedy = "give it a writable directory on a local disk, or set store.url to another file"
        raise ConfigError(path, None, f"the store cannot be opened: {error.strerror}", remedy) from None
    try:
        await _migrate(path)
        return Store(
            writer=dialect.writer(path),
            lean=dialect.lean_writer(path),
            reader=dialect.reader(path),
            lock_fd=lock_fd,
            probe=probe,
            observe=observe,
        )
    except BaseException:
        os.close(lock_fd)
        raise


async def _migrate(path: Path) -> None:
    try:
        with _our_errors():
            await asyncio.to_thread(dialect.migrate, path)
    except StoreUnavailableError as error:
        remedy = "free its disk, make it writable or restore it, or set store.url to another file"
        raise StoreUnavailableError(f"{path}: the store cannot be opened: {error} ({remedy})") from error


def _lock(path: Path) -> int:
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


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except (IntegrityError, DataError, ProgrammingError):
        raise  # a broken promise of ours, a lost race that the caller expects, a value too big: not an unavailable store
    except DBAPIError as error:
        raise StoreUnavailableError(str(error.orig).partition("\n")[0]) from error
    except PoolTimeoutError as error:
        raise StoreUnavailableError("all connections for reading are busy") from error


class _PriorityLock:
    """A mutex whose waiters are served by priority, then in order of arrival."""

    def __init__(self) -> None:
        self._held = False
        self._order = count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def held(self, priority: int) -> AsyncIterator[None]:
        if self._held:
            turn = asyncio.get_running_loop().create_future()
            heapq.heappush(self._waiting, (priority, next(self._order), turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        self._held = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return  # stays held, now by that waiter
        self._held = False
