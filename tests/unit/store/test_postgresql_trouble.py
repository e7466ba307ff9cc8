"""The turn among replicas on PostgreSQL: who freezes, is killed or cancelled in it keeps it from nobody, and has written nothing."""

import asyncio
import time

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from remediator.errors import StoreUnavailableError
from remediator.store import inbox, meta
from remediator.store.database import Connection, Store, Tx
from tests.support.clock import T0
from tests.support.short_store import SHORT, WITHIN_S, opened, put, refused, value_in

pytestmark = [pytest.mark.real, pytest.mark.live, pytest.mark.slow]


async def test_a_replica_frozen_in_its_turn_is_cut_off_and_has_written_nothing(database_url: str) -> None:
    async with opened(database_url) as frozen, opened(database_url) as other:
        await put(other, 1)

        async def freeze() -> None:
            async with frozen.begin(Tx.MARK) as tx:
                await meta.put(tx, "x", 2)
                async with other.begin(Tx.MARK) as meanwhile:  # waits until the server ends the first
                    assert await meta.get(meanwhile, "x") == 1

        with pytest.raises(StoreUnavailableError):
            await freeze()
        assert await value_in(frozen) == 1
        await put(frozen, 3)
        assert await value_in(other) == 3


@pytest.mark.parametrize("turns", range(4))
async def test_after_a_pause_of_the_whole_process_the_store_was_unavailable_and_nothing_else(
    database_url: str, turns: int
) -> None:
    """``turns`` of the loop after it: the driver has seen nothing yet, the server's last words, or the end of the session."""

    async def pause(_tx: Connection | None = None) -> None:
        time.sleep(SHORT.idle + 0.3)  # noqa: ASYNC251 - as a stopped process: nothing of the driver runs meanwhile
        for _ in range(turns):
            await asyncio.sleep(0)

    async def lean() -> None:
        async with store.begin_lean(Tx.INTAKE) as writer:
            await inbox.touch(writer, T0)
            await pause()
            await inbox.touch(writer, T0)

    async with opened(database_url) as store:
        await refused(store, meanwhile=pause)
        with pytest.raises(StoreUnavailableError):
            await lean()
        await put(store, 1)


async def test_who_cannot_have_the_turn_is_told_so_and_heartbeats_go_on(database_url: str) -> None:
    async with opened(database_url) as store, opened(database_url) as other:
        await put(store, 1)
        holding = await asyncpg.connect(database_url)
        await holding.execute("SELECT pg_advisory_lock($1)", int.from_bytes(b"remediat"))
        try:
            waiting = asyncio.create_task(refused(store))
            async with other.begin(Tx.HEARTBEAT) as tx:
                await meta.put(tx, "beat", 1)
            assert "lock timeout" in await waiting
        finally:
            await holding.close()
        await put(store, 2)
        assert await value_in(store) == 2


async def test_turns_are_taken_among_all_replicas(database_url: str) -> None:
    async def count(store: Store) -> None:
        for _ in range(25):
            async with store.begin(Tx.MARK) as tx:
                await meta.put(tx, "x", (await meta.get(tx, "x") or 0) + 1)

    async with opened(database_url) as one, opened(database_url) as two:
        await asyncio.gather(count(one), count(two), count(one))
        assert await value_in(one) == 75


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(database_url: str) -> None:
    async with opened(database_url) as store:
        with pytest.raises(StoreUnavailableError, match="statement timeout"):
            async with store.begin(Tx.MARK) as tx:
                await tx.execute(text("SELECT pg_sleep(30)"))
        await put(store, 1)


async def test_a_killed_session_costs_one_transaction(database_url: str) -> None:
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND state = 'idle in transaction'"
    )

    async def killed(_tx: Connection) -> None:
        await killer.execute(kill)

    async def lean() -> None:
        async with store.begin_lean(Tx.INTAKE) as writer:
            await inbox.touch(writer, T0)
            await killer.execute(kill)
            await inbox.touch(writer, T0)

    async def read() -> None:
        async with store.read() as connection:
            await meta.get(connection, "x")
            await killer.execute(kill)
            await meta.get(connection, "x")

    async with opened(database_url) as store:
        killer = await asyncpg.connect(database_url)
        for number, what in enumerate((lambda: refused(store, meanwhile=killed), lean, read)):
            await put(store, number)
            if number == 0:
                await what()
            else:
                with pytest.raises(StoreUnavailableError):
                    await what()
            assert await value_in(store) == number
        await killer.close()


async def test_who_is_cancelled_in_the_middle_keeps_the_turn_from_nobody(database_url: str) -> None:
    async def sleep(store: Store) -> None:
        async with store.begin(Tx.MARK) as tx:
            await tx.execute(text("SELECT pg_sleep(30)"))

    async def sleep_lean(store: Store) -> None:
        async with store.begin_lean(Tx.INTAKE) as writer:
            await writer.run(lambda execute: execute("SELECT pg_sleep(30)", ()))

    async with opened(database_url) as store, opened(database_url) as other:
        for work in (sleep, sleep_lean):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(work(store), 0.3)
            await asyncio.wait_for(put(other, 1), WITHIN_S)
            await put(store, 2)


async def test_mistakes_of_our_own_are_no_unavailable_store(database_url: str) -> None:
    async with opened(database_url) as store:
        for wrong in ("SELECT nothing_of_this_name", "SELECT 1 / 0", "INSERT INTO meta VALUES (NULL, NULL)"):
            with pytest.raises(DBAPIError):
                async with store.begin(Tx.MARK) as tx:
                    await tx.execute(text(wrong))
        with pytest.raises(asyncpg.DataError):
            async with store.begin_lean(Tx.INTAKE) as writer:
                await writer.run(lambda execute: execute("SELECT ?::bigint", (2**70,)))
        await put(store, 1)


async def test_who_goes_on_after_a_statement_that_failed_is_not_told_that_it_was_committed(database_url: str) -> None:
    async def go_on() -> None:
        async with store.begin(Tx.MARK) as tx:
            await meta.put(tx, "x", 2)
            with pytest.raises(DBAPIError):
                await tx.execute(text("SELECT 1 / 0"))

    async def go_on_lean() -> None:
        async with store.begin_lean(Tx.INTAKE) as writer:
            await inbox.touch(writer, T0)
            with pytest.raises(asyncpg.PostgresError):
                await writer.run(lambda execute: execute("SELECT 1 / 0", ()))

    async with opened(database_url) as store:
        await put(store, 1)
        for wrong in (go_on, go_on_lean):
            with pytest.raises(RuntimeError, match="went on as if it had not"):
                await wrong()
            assert await value_in(store) == 1
        await put(store, 3)
        assert await value_in(store) == 3
