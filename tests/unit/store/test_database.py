"""The door: one process, one writer at a time, the urgent first; the schema is what the migrations make."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from remediator.errors import ConfigError, StoreUnavailableError
from remediator.store import meta
from remediator.store.database import Store, Tx, open_store
from remediator.store.schema import metadata
from tests.support import incidents as rows
from tests.support.clock import T0

INDEXES = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    "postgresql": "SELECT indexname AS name, indexdef AS sql FROM pg_indexes",
}


async def test_the_migrations_make_exactly_the_schema(store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
        changes = [one for each in found for one in (each if isinstance(each, list) else [each])]
        return [change for change in changes if change[0] != "modify_comment"]  # they stand in schema.py alone

    async with store.read() as connection:
        assert await connection.run_sync(differences) == []
        found = await connection.execute(text(INDEXES[connection.dialect.name]))
        made = {row.name: row.sql for row in found}
    for name in ("uq_runs_active", "uq_locks_exclusive", "uq_episodes_latest"):
        assert "UNIQUE" in made[name] and "WHERE" in made[name], "compare_metadata does not see the condition"


async def test_a_second_process_is_refused_a_file_and_told_what_to_do(tmp_path: Path) -> None:
    code = (
        "import asyncio; from remediator.store.database import open_store; "
        f"asyncio.run(open_store('sqlite:///{tmp_path}/remediator.sqlite'))"
    )
    async with rows.opened(tmp_path):
        ran = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True)
        assert "another remediator process uses this SQLite file" in ran.stderr
        with pytest.raises(ConfigError, match="PostgreSQL"):
            await open_store(f"sqlite:///{tmp_path}/remediator.sqlite")


async def test_after_a_close_it_opens_again_with_what_was_written(store_url: str) -> None:
    for now in (None, T0):
        store = await open_store(store_url)
        try:
            async with store.begin(Tx.MARK) as tx:
                assert await meta.get_instant(tx, meta.LIVE_SINCE) == now
                await meta.put_instant(tx, meta.LIVE_SINCE, T0)
        finally:
            await store.close()


async def test_a_transaction_that_raises_wrote_nothing_and_the_next_goes_on(store: Store) -> None:
    async def write() -> None:
        async with store.begin(Tx.MARK) as tx:
            await meta.put(tx, "x", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write()
    async with store.begin(Tx.MARK) as tx:
        assert await meta.get(tx, "x") is None


async def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailableError, match=r"read-?only"):
        async with store.read() as connection:
            await meta.put(connection, "x", 1)


async def test_a_broken_promise_of_ours_is_told_apart_from_an_unavailable_store(store: Store) -> None:
    with pytest.raises(IntegrityError):
        async with store.begin(Tx.MARK) as tx:
            await tx.execute(text("INSERT INTO meta (key, value) VALUES ('a', '1'), ('a', '1')"))


async def test_writers_come_in_order_of_priority_then_of_arrival(store: Store) -> None:
    order: list[str] = []

    async def write(tx: Tx, name: str) -> None:
        async with store.begin(tx):
            order.append(name)

    async with asyncio.TaskGroup() as group, store.begin(Tx.MARK):
        for tx, name in (
            (Tx.INTAKE, "storm 1"),
            (Tx.INTAKE, "storm 2"),
            (Tx.DECIDE, "decide"),
            (Tx.BEGIN_STEP, "journal"),
            (Tx.END_STEP, "journal again"),
        ):
            group.create_task(write(tx, name))
            await asyncio.sleep(0)
    assert order == ["journal", "journal again", "decide", "storm 1", "storm 2"]


async def test_a_heartbeat_comes_before_all_that_wait_and_waits_for_nobody_where_it_need_not(store: Store) -> None:
    order: list[str] = []

    async def write(tx: Tx) -> None:
        async with store.begin(tx):
            order.append(tx.label)

    async with asyncio.TaskGroup() as group, store.begin(Tx.MARK):
        group.create_task(write(Tx.DECIDE))
        await asyncio.sleep(0)
        beat = group.create_task(write(Tx.HEARTBEAT))
        if store.shared:
            await asyncio.wait_for(beat, 60)  # although the turn is taken
        else:
            await asyncio.sleep(0)
    assert order == ["heartbeat", "decide"]


@pytest.mark.parametrize("handed_over", [False, True], ids=["while it waits", "when its turn has come"])
async def test_a_cancelled_waiter_passes_its_turn_on(store: Store, handed_over: bool) -> None:
    done = asyncio.Event()

    async def write(signal: asyncio.Event | None) -> None:
        async with store.begin(Tx.INTAKE):
            if signal is not None:
                signal.set()

    holding = store.begin(Tx.MARK)
    await holding.__aenter__()
    first, second = asyncio.ensure_future(write(None)), asyncio.ensure_future(write(done))
    await asyncio.sleep(0)
    if handed_over:
        await holding.__aexit__(None, None, None)
        first.cancel()
    else:
        first.cancel()
        await asyncio.sleep(0)
        await holding.__aexit__(None, None, None)
    await asyncio.wait_for(done.wait(), 60)
    await asyncio.gather(first, second, return_exceptions=True)
    async with store.begin(Tx.MARK):  # nobody holds the door
        pass
