"""Single values that the store remembers: its mode, when it first went live, the active set."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.dialect import insert
from remediator.store.schema import meta, playbook_sets

MODE = "mode"
LIVE_SINCE = "live_since"
HOLD_UNTIL = "hold_until"
ACTIVE_SET = "active_set"
CLOCK = "clock"


_VALUE = select(meta.c.value).where(meta.c.key == bindparam("key"))
_VALUES = select(meta.c.key, meta.c.value).where(meta.c.key.in_(bindparam("keys", expanding=True)))
# Statements that are asked all the time are built once: building one costs three times what SQLite takes to answer it.


async def get(connection: AsyncConnection, key: str) -> Any:
    """The value, or None."""
    return await connection.scalar(_VALUE, {"key": key})


async def get_many(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, Any]:
    """The values of those that are set."""
    rows = await connection.execute(_VALUES, {"keys": keys})
    return {row.key: row.value for row in rows}


async def put(tx: AsyncConnection, key: str, value: Any) -> None:
    """Set the value."""
    statement = insert(meta).values(key=key, value=value)
    await tx.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": statement.excluded.value}))


async def get_instant(connection: AsyncConnection, key: str) -> datetime | None:
    """An instant that ``put_instant`` set, or None."""
    value = await get(connection, key)
    return None if value is None else datetime.fromisoformat(value)


async def put_instant(tx: AsyncConnection, key: str, value: datetime) -> None:
    """Set an instant."""
    await put(tx, key, value.isoformat())


async def activate_set(tx: AsyncConnection, *, set_hash: str, playbooks: dict[str, str], now: datetime) -> bool:
    """Make this the active set (S22). Returns whether it is another than before."""
    if await get(tx, ACTIVE_SET) == set_hash:
        return False
    statement = insert(playbook_sets).values(hash=set_hash, loaded_at=now, playbooks=playbooks)
    await tx.execute(statement.on_conflict_do_nothing())
    await put(tx, ACTIVE_SET, set_hash)
    return True
