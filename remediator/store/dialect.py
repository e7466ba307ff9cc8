"""What the door needs of a database. SQLite and PostgreSQL differ only in ``sqlite*.py`` and ``postgresql*.py``.

``insert`` is for both: of the two upserts SQLite's is made after PostgreSQL's, and SQLAlchemy's compiler for SQLite takes either.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.clock import Clock
from remediator.store.lean import LeanWriter

__all__ = ["Database", "insert"]


class Database(Protocol):
    """A database and the connections to it."""

    @property
    def shared(self) -> bool:
        """Several processes may use it at once."""

    @property
    def lean(self) -> LeanWriter:
        """For what runs at every webhook."""

    def for_writing(self, *, beat: bool) -> AsyncConnection:
        """A connection, not yet begun. ``beat``: for the heartbeat, which waits for nobody where it need not."""

    def for_reading(self) -> AsyncConnection:
        """A connection that can only read and sees one state of the store, not yet begun."""

    async def begin(self, connection: AsyncConnection, label: str, *, beat: bool) -> None:
        """Begin a write transaction: wait for the turn among all processes, and tell them when it is committed."""

    async def commit(self, connection: AsyncConnection) -> None:
        """Durable when it returns.

        Raises:
            RuntimeError: a statement failed, and somebody went on as if it had not: a database would undo all of it, and not say so.
        """

    async def give_up(self, connection: AsyncConnection, error: BaseException) -> None:
        """End a transaction without a commit, after this error. Raises nothing of its own."""

    async def now(self, connection: AsyncConnection, clock: Clock) -> datetime:
        """What leases are written and compared with."""

    async def listen(self, on_written: Callable[[str], None], clock: Clock) -> None:
        """Call it with the label of each transaction that another process commits. Returns at once where there is none."""

    def errors(self) -> AbstractContextManager[None]:
        """The driver's errors become StoreUnavailableError within, but for those that are our own mistakes."""

    async def close(self) -> None:
        """Give everything back. No transaction may be under way."""
