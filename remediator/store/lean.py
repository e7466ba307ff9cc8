"""A transaction without SQLAlchemy between, for what runs at every webhook. Each database has its own (``sqlite_lean.py``,
``postgresql_lean.py``)."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = tuple[object, ...]


class Execute(Protocol):
    """Statements with plain database values: no type of ``columns.py`` is applied."""

    def __call__(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """One statement, with a ``?`` for each value, and its rows."""

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
        """Rows with this flag, this value in one column, and one of these in another."""

    def insert_rows(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Many rows with one statement."""

    def update_rows(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Set these columns of the rows whose ``id`` is each tuple's first value; otherwise as ``insert_rows``."""


class LeanWriter(Protocol):
    """Only for whoever holds the writers' turn (``Store``)."""

    async def begin(self, label: str) -> None:
        """Take the turn; waits for other processes within the database's bounds."""

    async def run(self, work: Callable[[Execute], T]) -> T:
        """Do a piece of the transaction's work: on the loop, so it must be short (some ten rows, 5 ms)."""

    async def commit(self) -> None:
        """Durable when it returns."""

    async def give_up(self, error: BaseException) -> None:
        """Roll back; also after a commit whose caller was cancelled: then there is nothing left to roll back."""
