"""PostgreSQL's transaction for what runs at every webhook: the driver's own calls, and one statement for any number of rows.

The columns of many rows are handed over as arrays. So the text of a statement does not depend on how many there are, and each is
prepared once a connection; rows as single parameters would be a new statement for every size, and would need a cast each.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.lean import Execute, Row
from remediator.store.schema import metadata

T = TypeVar("T")

FAILED = "failed"
"""Key of a connection's ``info``: a statement of the transaction under way has failed."""
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class PostgresqlLean:
    """Uses the writers' connection. As ``lean.LeanWriter`` says."""

    def __init__(
        self,
        connect: Callable[[], AsyncConnection],
        begin: Callable[[AsyncConnection, str], Awaitable[None]],
        commit: Callable[[AsyncConnection], Awaitable[None]],
        give_up: Callable[[AsyncConnection, BaseException], Awaitable[None]],
    ) -> None:
        self._connect = connect
        self._begin = begin
        self._commit = commit
        self._give_up = give_up
        self._connection: AsyncConnection | None = None

    async def begin(self, label: str) -> None:
        """Take the turn among all replicas."""
        connection = self._connect()
        await connection.start()
        self._connection = connection  # from here on ``give_up`` has to end it
        await self._begin(connection, label)

    async def run(self, work: Callable[[Execute], T]) -> T:
        """Do the work of the transaction, on the loop: every statement waits for the server."""
        return await self._open().run_sync(lambda connection: work(_Execute(connection)))

    async def commit(self) -> None:
        """Durable when it returns. When its answer was lost, nobody knows whether it is."""
        await self._commit(self._open())
        await self._open().close()
        self._connection = None

    async def give_up(self, error: BaseException) -> None:
        """Roll back, or cut the connection when that cannot be done."""
        if (connection := self._connection) is not None:
            self._connection = None
            try:
                await self._give_up(connection, error)
            finally:
                await connection.close()

    def _open(self) -> AsyncConnection:
        if self._connection is None:
            raise RuntimeError("no transaction was begun")
        return self._connection


class _Execute:
    def __init__(self, connection: Connection) -> None:
        driver: Any = connection.connection.dbapi_connection
        self._info = connection.info
        self._run: Callable[[Callable[[Any], Awaitable[Any]]], Any] = driver.run_async

    def __call__(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        text = _numbered(statement)
        try:
            return [tuple(row) for row in self._run(lambda driver: driver.fetch(text, *values))]
        except Exception:
            self._info[FAILED] = True
            raise

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
        statement = (
            f"SELECT {', '.join(columns)} FROM {table} "  # noqa: S608 - names are ours
            f"WHERE {flag} AND {where[0]} = ? AND {member} = ANY(?::text[])"
        )
        return self(statement, (where[1], list(of)))

    def insert_rows(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        if rows:
            self(_insert_text(table, columns), list(zip(*rows, strict=True)))

    def update_rows(self, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
        if rows:
            self(_update_text(table, columns), list(zip(*rows, strict=True)))


@lru_cache(maxsize=256)
def _numbered(statement: str) -> str:
    """With the driver's ``$1`` for every ``?``. No text of ours has a question mark in it otherwise."""
    first, *others = statement.split("?")
    return first + "".join(f"${number}{text}" for number, text in enumerate(others, 1))


@lru_cache(maxsize=256)
def _insert_text(table: str, columns: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({_arrays(table, columns)})"  # noqa: S608


@lru_cache(maxsize=256)
def _update_text(table: str, columns: tuple[str, ...]) -> str:
    given = ("id", *columns)
    assignments = ", ".join(f"{column} = given.{column}" for column in columns)
    return (
        f"UPDATE {table} SET {assignments} "  # noqa: S608 - names are ours
        f"FROM unnest({_arrays(table, given)}) AS given({', '.join(given)}) WHERE {table}.id = given.id"
    )


def _arrays(table: str, columns: tuple[str, ...]) -> str:
    types = (metadata.tables[table].c[column].type.compile(_DIALECT) for column in columns)
    return ", ".join(f"?::{type_}[]" for type_ in types)
