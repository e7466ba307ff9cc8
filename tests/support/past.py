"""A store with a past: rows of everything that is over, made by the server itself in a moment."""

import asyncpg
from sqlalchemy import Boolean, Column, Integer, LargeBinary, Table
from sqlalchemy.dialects import postgresql

from remediator.store.columns import Instant, Json
from remediator.store.schema import metadata

_NOW_ONLY = frozenset({"locks", "meta", "pauses", "duties", "replicas"})
_OVER = {
    ("episodes", "state"): "'closed'",
    ("incidents", "state"): "'closed'",
    ("runs", "state"): "'ended'",
    ("outbox", "state"): "'sent'",
    ("journal", "state"): "'done'",
    ("approvals", "answer"): "'approved'",
    ("episodes", "source"): "'default'",
    ("episodes", "alertname"): "'Alert' || g % 50",
    ("runs", "mode"): "'live'",
    ("ledger", "mode"): "'live'",
    ("incidents", "mode"): "'live'",
    ("runs", "playbook"): "'p' || g % 50",
    ("ledger", "playbook"): "'p' || g % 50",
}
_DUE = frozenset({"wake_at", "decide_again_at", "look_again_at", "next_at", "lease_until", "owner"})
_MINUTE = 60_000_000


async def fill(url: str, *, rows: int) -> None:
    """So many rows in every table that keeps what was, a minute between two; nothing of it is due any more."""
    connection = await asyncpg.connect(url)
    try:
        for table in metadata.sorted_tables:
            if table.name not in _NOW_ONLY:
                values = ", ".join(_value(table, column) for column in table.c)
                names = ", ".join(f'"{column.name}"' for column in table.c)
                await connection.execute(
                    f"INSERT INTO {table.name} ({names}) SELECT {values} FROM generate_series(1, {rows}) AS g"
                )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _value(table: Table, column: Column[object]) -> str:
    if (over := _OVER.get((table.name, column.name))) is not None:
        return over
    if column.name in _DUE:
        return f"NULL::{column.type.compile(postgresql.dialect())}"  # type: ignore[no-untyped-call]
    match column.type:
        case Instant():
            return f"1760000000000000 + g::bigint * {_MINUTE}"
        case Json():
            return "'{}'"
        case Boolean():
            return "false"
        case Integer():
            return "0"
        case LargeBinary():
            return "''::bytea"
    return "'x' || g"
