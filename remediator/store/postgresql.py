"""PostgreSQL, for several replicas: engines, the turn that they take among all of them, and what its errors mean.

One writer at a time here as on SQLite: every write transaction but the heartbeat's begins by taking one advisory lock. So whatever is
right under SQLite's serialisation is right here, counts are exact, and nothing deadlocks. A replica that freezes in its turn is cut
off by the server (``Bounds.idle``).

A commit whose answer was lost may stand or not. The caller hears StoreUnavailableError, and nothing may follow from that but doing the
same again: ids are derived, claims have a fence, and an alert that is sent again changes nothing (S2).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import ExceptionContext, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from remediator.clock import Clock
from remediator.errors import ConfigError, StoreUnavailableError
from remediator.ids import new_id
from remediator.store import migrate, notices
from remediator.store.postgresql_address import Address
from remediator.store.postgresql_connection import Bounds, connect, driver, reason
from remediator.store.postgresql_lean import FAILED, PostgresqlLean

_TURN = int.from_bytes(b"remediat")
_TAKE_TURN = "SELECT pg_advisory_xact_lock($1), pg_notify($2, $3)"
_OURS = ("22", "23", "42")
"""SQLSTATE classes: a value that does not fit, a broken constraint, a statement that is wrong. Not an unavailable store."""
_NO_PRIVILEGE = "42501"
_READ_POOL = 8


class PostgresqlDatabase:
    """A server's database and the connections to it. As ``dialect.Database`` says."""

    shared = True

    def __init__(self, address: Address, bounds: Bounds) -> None:
        self._address = address
        self._bounds = bounds
        self._id = new_id("str")
        self._writer = writer(address, bounds)
        self._beat = writer(address, bounds)
        self._reader = reader(address, bounds)
        self.lean = PostgresqlLean(self._writer.connect, partial(self.begin, beat=False), self.commit, self.give_up)

    def for_writing(self, *, beat: bool) -> AsyncConnection:
        """The heartbeat has a connection of its own, so that no storm starves it."""
        return (self._beat if beat else self._writer).connect()

    def for_reading(self) -> AsyncConnection:
        """Sees what stood when its first statement began, and can only read."""
        return self._reader.connect()

    async def begin(self, connection: AsyncConnection, label: str, *, beat: bool) -> None:
        """Wait for the turn, and leave word of the transaction for the other replicas: they have it with the commit."""
        await connection.begin()
        _info_of(connection)[FAILED] = False
        if not beat:
            values = (_TURN, notices.CHANNEL, notices.written(label, self._id))
            await connection.exec_driver_sql(_TAKE_TURN, values)

    async def commit(self, connection: AsyncConnection) -> None:
        """A transaction in which a statement failed would be rolled back by its COMMIT, and the server calls that a success."""
        if _info_of(connection)[FAILED]:
            raise RuntimeError("a statement of this transaction failed, and somebody went on as if it had not")
        await connection.commit()

    async def give_up(self, connection: AsyncConnection, error: BaseException) -> None:
        """Roll back. After a lost answer or in the middle of a statement the connection is cut: its server rolls back."""
        if isinstance(error, Exception) and not isinstance(error, OSError) and not connection.invalidated:
            with suppress(Exception):
                await connection.rollback()
                return
        if not connection.invalidated:
            await connection.invalidate()

    async def now(self, connection: AsyncConnection, clock: Clock) -> datetime:
        """The server's clock, which is the same for all replicas."""
        del clock
        found: datetime = (await connection.exec_driver_sql("SELECT clock_timestamp()")).scalar_one()
        return found

    async def listen(self, on_written: Callable[[str], None], clock: Clock) -> None:
        """Call it with the label of every transaction that another replica commits, as ``notices.listen`` says."""
        await notices.listen(
            partial(_connect, self._address, self._bounds, read_only=True), self._id, on_written, clock
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the driver raises, in our words; also its OSError and TimeoutError, for nobody else waits in a transaction."""
        asyncpg = driver()
        try:
            yield
        except PoolTimeoutError as error:
            raise StoreUnavailableError("all connections for reading are busy") from error
        except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            said = _of_driver(error)
            state = getattr(said, "sqlstate", None) or ""
            ours = isinstance(said, asyncpg.DataError) or state.startswith(_OURS)
            if ours and state != _NO_PRIVILEGE:
                raise
            # The driver's word for a session that the server ended a moment ago is about the driver.
            lost = isinstance(said, asyncpg.InternalClientError)
            raise StoreUnavailableError("the session was lost" if lost else reason(said)) from error
        except TimeoutError as error:
            raise StoreUnavailableError(f"no answer within {self._bounds.answer:g} s") from error
        except OSError as error:
            raise StoreUnavailableError(reason(error)) from error

    async def close(self) -> None:
        """Give the connections back."""
        for engine in (self._writer, self._beat, self._reader):
            await engine.dispose()


async def open_postgresql(url: str, *, password_file: Path | None, lease_s: float) -> PostgresqlDatabase:
    """Connect and migrate. Several replicas may do so at once: one migrates, the others wait for it.

    Raises:
        ConfigError: it cannot be used; the message says why, and never has the password.
        StoreUnavailableError: it is not to be had at the moment.
    """
    address = Address.parse(url, password_file)
    bounds = Bounds.under(lease_s)
    first = await connect(address, bounds)  # its errors as they are: later they only mean that the store is unavailable
    await first.close(timeout=bounds.answer)
    database = PostgresqlDatabase(address, bounds)
    try:
        with database.errors():
            await _migrate(address, bounds)
    except StoreUnavailableError as error:
        raise StoreUnavailableError(f"{address}: the store cannot be opened: {error}") from error
    return database


def writer(address: Address, bounds: Bounds) -> AsyncEngine:
    """One connection. READ COMMITTED, so that every statement after the turn sees all that was committed before it."""
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(_connect, address, bounds, read_only=False),
        isolation_level="READ COMMITTED",
        pool_size=1,
        max_overflow=0,
    )
    _see_to_ends(engine)

    @event.listens_for(engine.sync_engine, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        if context.connection is not None and not context.connection.invalidated:
            context.connection.info[FAILED] = True

    return engine


def reader(address: Address, bounds: Bounds) -> AsyncEngine:
    """A few connections that can only read; a transaction sees one state of the store."""
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(_connect, address, bounds, read_only=True),
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
        pool_size=_READ_POOL // 2,
        max_overflow=_READ_POOL // 2,
        pool_timeout=bounds.answer,
    )
    _see_to_ends(engine)
    return engine


async def _migrate(address: Address, bounds: Bounds) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(connect, address, bounds.migrating), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock($1)", (_TURN,))
            await connection.run_sync(migrate.bring_up, str(address))
    except DBAPIError as error:
        if getattr(said := _of_driver(error), "sqlstate", None) != _NO_PRIVILEGE:
            raise
        remedy = "let the user own a schema in which it may create tables"
        raise ConfigError(str(address), None, reason(said), remedy) from None
    finally:
        await engine.dispose()


async def _connect(address: Address, bounds: Bounds, *, read_only: bool) -> Any:
    """While we run, what a person would have to mend is one more reason why the store is not available."""
    try:
        return await connect(address, bounds, read_only=read_only)
    except ConfigError as error:
        raise StoreUnavailableError(str(error)) from None


def _info_of(connection: AsyncConnection) -> dict[Any, Any]:
    """What is remembered with a connection that was begun."""
    return {} if connection.sync_connection is None else connection.sync_connection.info


def _see_to_ends(engine: AsyncEngine) -> None:
    """A connection whose loss has been seen is replaced before it is used: a restarted server costs no transaction.

    One that is given back for good is cut. The driver's orderly end would wait for a server that may say nothing any more, one
    connection after the other, while the process is to stop.
    """

    @event.listens_for(engine.sync_engine, "checkout")
    def _checkout(dbapi: Any, _record: object, _proxy: object) -> None:
        if dbapi.driver_connection.is_closed():
            raise DisconnectionError

    @event.listens_for(engine.sync_engine, "close")
    def _close(dbapi: Any, _record: object) -> None:
        dbapi.driver_connection.terminate()


def _of_driver(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
