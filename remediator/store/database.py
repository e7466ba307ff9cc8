"""The one door to the database: named transactions, one writer at a time, errors in our words.

``begin`` gives a write transaction, committed when the block ends and rolled back when it raises; ``read`` a snapshot for
reading. Writers wait in order of ``Tx.priority``, so that a storm of alerts never starves the journal (engine.md 11).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.clock import Clock
from remediator.errors import ConfigError
from remediator.store import sqlite
from remediator.store.dialect import Database
from remediator.store.lean import LeanWriter
from remediator.store.turns import Turns

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
    MOVE_CLOCK = ("move_clock", 0)
    DUTY = ("duty", 1)
    INTAKE = ("intake", 2)
    RETAIN = ("retain", 3)

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

    def __init__(self, database: Database, *, probe: Probe, observe: Observe) -> None:
        self._database = database
        self._probe = probe
        self._observe = observe
        self._turn = Turns()
        self._beat_turn = Turns()
        self._hear: list[Callable[[str], None]] = []

    @property
    def shared(self) -> bool:
        """Other processes may use it at the same time."""
        return self._database.shared

    @asynccontextmanager
    async def begin(self, tx: Tx) -> AsyncIterator[AsyncConnection]:
        """A write transaction. What it wrote is durable when the block has been left without an exception.

        It waits for nothing but the database within. On a shared store the heartbeat takes no turn: it must write only rows that
        no other kind of transaction needs at the same time, or wait for them.

        Raises:
            StoreUnavailableError: down, full, locked or read-only. Nothing was written; only when the answer to the commit itself
                was lost does nobody know. Doing the same again is right in both cases.
        """
        beat = tx is Tx.HEARTBEAT
        database = self._database
        async with self._turn_of(tx) as had:
            with database.errors():
                async with database.for_writing(beat=beat) as connection:
                    try:
                        await database.begin(connection, tx.label, beat=beat)
                        had()
                        yield connection
                        self._probe(f"commit.{tx.label}.before")
                        await database.commit(connection)
                        self._probe(f"commit.{tx.label}.after")
                    except BaseException as error:
                        await database.give_up(connection, error)
                        raise

    @asynccontextmanager
    async def begin_lean(self, tx: Tx) -> AsyncIterator[LeanWriter]:
        """As ``begin``, without SQLAlchemy between: for what runs at every webhook.

        Raises:
            StoreUnavailableError: as ``begin``.
        """
        lean = self._database.lean
        async with self._turn_of(tx) as had:
            with self._database.errors():
                try:
                    await lean.begin(tx.label)
                    had()
                    yield lean
                    self._probe(f"commit.{tx.label}.before")
                    await lean.commit()
                    self._probe(f"commit.{tx.label}.after")
                except BaseException as error:
                    await lean.give_up(error)
                    raise

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A snapshot. Writing through it fails.

        Raises:
            StoreUnavailableError: the database cannot be read.
        """
        with self._database.errors():
            async with self._database.for_reading() as connection:
                try:
                    yield connection
                except BaseException as error:
                    await self._database.give_up(connection, error)
                    raise

    async def now(self, connection: AsyncConnection, clock: Clock) -> datetime:
        """The clock that all who share the store have: the server's, or ours where there is no server."""
        return await self._database.now(connection, clock)

    def on_written(self, callback: Callable[[str], None]) -> None:
        """Call it with the label of every transaction of other processes, as far as ``listen`` hears of them."""
        self._hear.append(callback)

    async def listen(self, clock: Clock) -> None:
        """Hear what other processes commit, until cancelled; returns at once where there can be none. A hint only."""

        def tell(label: str) -> None:
            for callback in self._hear:
                callback(label)

        await self._database.listen(tell, clock)

    @asynccontextmanager
    async def _turn_of(self, tx: Tx) -> AsyncIterator[Callable[[], None]]:
        """Our own turn; what it gives is to be called when the one among all processes is had, too."""
        clock = asyncio.get_running_loop().time
        asked_at = had_at = clock()

        def had() -> None:
            nonlocal had_at
            had_at = clock()

        free = self.shared and tx is Tx.HEARTBEAT
        async with self._beat_turn.held(0) if free else self._turn.held(tx.priority):
            had()
            try:
                yield had
            finally:
                self._observe(tx.label, had_at - asked_at, clock() - had_at)

    async def close(self) -> None:
        """Give everything back. No transaction may be under way."""
        await self._database.close()


def _no_probe(point: str) -> None:
    del point


def _unobserved(label: str, waited_s: float, took_s: float) -> None:
    del label, waited_s, took_s


async def open_store(
    url: str,
    *,
    password_file: Path | None = None,
    lease: timedelta = timedelta(seconds=30),
    probe: Probe = _no_probe,
    observe: Observe = _unobserved,
) -> Store:
    """Open and migrate ``sqlite:///path`` (one process a file) or ``postgresql://user@host/database``.

    ``lease`` bounds how long a process that froze in its turn keeps it from the others.

    Raises:
        ConfigError: another process holds the file, a newer remediator has had the store, the server refuses us ...: somebody has
            to change something, and the message says what. It has no password in it.
        StoreUnavailableError: it cannot be opened at the moment.
    """
    scheme, found, _ = url.partition("://")
    database: Database
    if found and scheme == "sqlite":
        database = await sqlite.open_sqlite(url)
    elif found and scheme == "postgresql":
        # Imported late: SQLite needs nothing of it.
        from remediator.store.postgresql import open_postgresql

        database = await open_postgresql(url, password_file=password_file, lease_s=lease.total_seconds())
    else:
        # Of the address only its scheme is told: there may be a password in it.
        message = f"{scheme if found else 'this'!r} is not a database that remediator knows"
        raise ConfigError("store.url", None, message, f"{sqlite.URL} or postgresql://user@host/database")
    return Store(database, probe=probe, observe=observe)
