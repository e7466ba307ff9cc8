"""Moves a store from a SQLite file to an empty PostgreSQL database: every row as it is, in one transaction, compared before it is kept.

Nobody may use the file meanwhile: its lock is held. Interrupted at any time, the database is as empty as before.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import (
    Column,
    LargeBinary,
    MetaData,
    Row,
    Table,
    TypeDecorator,
    delete,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.errors import ConfigError, StoreUnavailableError
from remediator.store import migrate, sqlite
from remediator.store.postgresql import PostgresqlDatabase, open_postgresql
from remediator.store.postgresql_address import Address
from remediator.store.postgresql_connection import Bounds, reason
from remediator.store.reading import open_for_reading
from remediator.store.schema import meta, metadata

Values: TypeAlias = Sequence[Any]
_LEASE_S = 30.0
_AT_ONCE = 500
_AT_ONCE_WITH_BODIES = 20
"""A body may have a megabyte."""


@dataclass(frozen=True, slots=True)
class Copied:
    """One table, the same on both sides."""

    table: str
    rows: int
    hash: str
    """Of all rows in any order, by their plain values."""


async def copy(source: str, target: str, *, password_file: Path | None = None) -> list[Copied]:
    """Copy ``sqlite:///file`` to ``postgresql://user@host/database``. Returns every table in the order in which it was copied.

    Raises:
        ConfigError: a process uses the file, the database is not empty, or one of them cannot be used.
        StoreUnavailableError: one of them could not be read or written, or came out differently; the database is empty as before.
    """
    if not sqlite.path_of(source).is_file():
        raise ConfigError(sqlite.path_of(source), None, "there is no store here", "give the store.url that was used")
    address = Address.parse(target, password_file)
    with _unused(sqlite.path_of(source)):
        await (
            await open_postgresql(target, password_file=password_file, lease_s=_LEASE_S)
        ).close()  # its tables are made
        database = PostgresqlDatabase(address, Bounds.under(_LEASE_S).migrating)
        try:
            with database.errors():
                async with open_for_reading(source) as origin, database.for_writing(beat=False) as tx:
                    await database.begin(tx, "copy", beat=False)
                    await _refuse_used(tx, str(address))
                    await tx.execute(delete(meta))  # only what the migrations wrote, which comes with the rows
                    copied = [await _copy_table(origin, tx, table) for table in metadata.sorted_tables]
                    await tx.commit()
        finally:
            await database.close()
    return copied


@contextmanager
def _unused(path: Path) -> Iterator[None]:
    held = sqlite.lock(path)
    try:
        yield
    finally:
        os.close(held)


async def _refuse_used(tx: AsyncConnection, place: str) -> None:
    for table in metadata.sorted_tables:
        query = select(func.count()).select_from(table)
        if table is meta:
            query = query.where(meta.c.key != migrate.USABLE_FROM)
        if rows := await tx.scalar(query):
            message = f"it is not empty: table {table.name} has {rows} rows"
            remedy = "make a new database; one that nobody needs goes by DROP DATABASE"
            raise ConfigError(place, None, message, remedy)


async def _copy_table(origin: AsyncConnection, tx: AsyncConnection, table: Table) -> Copied:
    plain = _plain(table)
    read, written = _Digest(), _Digest()
    async for rows in _slices(origin, plain):
        read.add(rows)
        try:
            await tx.execute(insert(plain), [dict(row._mapping) for row in rows])
        except DBAPIError as error:
            first = rows[0][0]
            raise StoreUnavailableError(
                f"table {table.name}, among the {len(rows)} rows from {first} on: PostgreSQL refuses it: {reason(error.orig or error)}"
            ) from error
    async for rows in _streamed(tx, plain):
        written.add(rows)
    if (read.rows, read.hash) != (written.rows, written.hash):
        raise StoreUnavailableError(
            f"table {table.name} came out differently: {read.rows} rows {read.hash}, then {written.rows} rows {written.hash}"
        )
    return Copied(table.name, read.rows, read.hash)


def _plain(table: Table) -> Table:
    """The same table with the values as the databases keep them: nothing is read into our types and written out again."""
    columns = [
        Column(column.name, column.type.impl if isinstance(column.type, TypeDecorator) else column.type)
        for column in table.columns
    ]
    return Table(table.name, MetaData(), *columns)


async def _slices(connection: AsyncConnection, plain: Table) -> AsyncIterator[Sequence[Row[Any]]]:
    """All rows in the order of the primary key, some at a time (SQLite compares text by its bytes, as its index does)."""
    key = [plain.c[column.name] for column in metadata.tables[plain.name].primary_key.columns]
    query = select(plain).order_by(*key).limit(_limit(plain))
    last: Values | None = None
    while True:
        behind = query if last is None else query.where(tuple_(*key) > tuple_(*last))
        rows = (await connection.execute(behind)).all()
        if not rows:
            return
        yield rows
        last = [rows[-1]._mapping[column.name] for column in key]


async def _streamed(connection: AsyncConnection, plain: Table) -> AsyncIterator[Sequence[Row[Any]]]:
    """All rows in any order, by a cursor of the server's."""
    async with connection.stream(select(plain)) as found:
        async for rows in found.partitions(_limit(plain)):
            yield rows


def _limit(plain: Table) -> int:
    bodies = any(isinstance(column.type, LargeBinary) for column in plain.columns)
    return _AT_ONCE_WITH_BODIES if bodies else _AT_ONCE


class _Digest:
    """Counts rows, and sums their hashes: equal for equal rows in whatever order."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Sequence[Row[Any]]) -> None:
        for row in rows:
            self.rows += 1
            self._sum += int.from_bytes(hashlib.sha256(repr([_value(one) for one in row]).encode()).digest())

    @property
    def hash(self) -> str:
        return (self._sum % 2**256).to_bytes(32).hex()


def _value(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview | bytearray) else value
