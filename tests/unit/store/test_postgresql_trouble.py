"""PostgreSQL in trouble: everything ends within its bound in words of ours, and goes on by itself when the trouble is over."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from remediator.clock import SystemClock
from remediator.errors import StoreUnavailableError
from remediator.store import inbox, meta
from remediator.store.database import Connection, Store, Tx, open_store
from remediator.store.postgresql import PostgresqlDatabase
from remediator.store.postgresql_address import Address
from remediator.store.postgresql_connection import Bounds
from tests.chaos.tcp_proxy import Network, TcpProxy
from tests.support.clock import T0
from tests.support.database_server import DatabaseServer, own_server

SHORT = Bounds(idle=0.6, lock=0.7, statement=0.8, answer=1.1, connect=1.0)
"""Seconds."""
WITHIN_S = 2 * SHORT.answer + SHORT.connect + 1.0
"""Whatever is awaited has ended by then: connecting, a statement, its cancelling, and a second for a busy machine."""

pytestmark = [pytest.mark.real, pytest.mark.live, pytest.mark.slow]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    database = PostgresqlDatabase(Address.parse(url), SHORT)
    try:
        yield Store(database, probe=lambda _point: None, observe=lambda *_: None)
    finally:
        await database.close()


@asynccontextmanager
async def cut_off_at_will(url: str) -> AsyncIterator[tuple[Store, TcpProxy]]:
    address = Address.parse(url)
    async with TcpProxy(f"{address.host}:{address.port}").listening() as proxy:
        through = url.replace(f":{address.port}/", f":{proxy.port}/")
        async with opened(through) as store:
            yield store, proxy


async def put(store: Store, value: int) -> None:
    async with store.begin(Tx.MARK) as tx:
        await meta.put(tx, "x", value)


async def touch(store: Store) -> None:
    async with store.begin_lean(Tx.INTAKE) as writer:
        await inbox.touch(writer, T0)


async def value_in(store: Store) -> object:
    async with store.read() as connection:
        return await meta.get(connection, "x")


async def nothing(_tx: Connection) -> None:
    pass


async def refused(store: Store, tx: Tx = Tx.MARK, meanwhile: Callable[[Connection], Awaitable[None]] = nothing) -> str:
    """The reason that a transaction is told. It comes within the bound, from when the trouble began."""

    began = time.monotonic()

    async def attempt() -> None:
        nonlocal began
        async with store.begin(tx) as connection:
            await meta.put(connection, "x", "never")
            await meanwhile(connection)
            began = time.monotonic()
            await meta.put(connection, "x", "never")

    with pytest.raises(StoreUnavailableError) as error:
        await attempt()
    assert time.monotonic() - began < WITHIN_S
    return error.value.reason


@pytest.fixture
def broken_server() -> Iterator[DatabaseServer]:
    with own_server() as server:
        yield server


@pytest.fixture
async def broken_url(broken_server: DatabaseServer) -> str:
    connection = await asyncpg.connect(broken_server.url())
    await connection.execute("CREATE DATABASE one")
    await connection.close()
    url = broken_server.url("one")
    await (await open_store(url)).close()
    return url


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


@pytest.mark.parametrize("when", ["idle", "in the middle"])
async def test_behind_a_silent_network_every_wait_ends_and_afterwards_all_goes_on(database_url: str, when: str) -> None:
    async with cut_off_at_will(database_url) as (store, proxy), opened(database_url) as other:
        await put(store, 1)
        if when == "idle":
            proxy.becomes(Network.SILENT)
        else:

            async def cut(tx: Connection) -> None:
                proxy.becomes(Network.SILENT)

            assert "no answer within" in await refused(store, meanwhile=cut)
        for kind in (Tx.MARK, Tx.HEARTBEAT):
            assert "no" in await refused(store, kind)
        with pytest.raises(StoreUnavailableError):
            await touch(store)
        with pytest.raises(StoreUnavailableError):
            await value_in(store)
        await put(other, 4)  # the one that was cut off does not keep the turn
        proxy.becomes(Network.FINE)
        assert await value_in(store) == 4
        await put(store, 5)
        await touch(store)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
async def test_after_a_restart_of_the_server_the_next_transactions_work(
    broken_server: DatabaseServer, broken_url: str, number: signal.Signals
) -> None:
    async with opened(broken_url) as store:
        await put(store, 1)
        await value_in(store)
        await asyncio.to_thread(broken_server.stop, number)
        assert "no connection" in await refused(store)
        await asyncio.to_thread(broken_server.start)
        assert await value_in(store) == 1
        await put(store, 2)
        await touch(store)
        async with store.begin(Tx.HEARTBEAT) as tx:
            await meta.put(tx, "beat", 1)
        await asyncio.to_thread(broken_server.restart, number)

        async def restart(tx: Connection) -> None:
            await asyncio.to_thread(broken_server.restart, number)

        await refused(store, meanwhile=restart)
        assert await value_in(store) == 2
        await put(store, 5)


async def test_a_killed_session_costs_one_transaction(database_url: str) -> None:
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

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


async def test_a_server_that_is_full_is_unavailable_until_it_has_room(
    broken_server: DatabaseServer, broken_url: str
) -> None:
    admin = await asyncpg.connect(broken_server.url(admin=True))
    await admin.execute("ALTER ROLE remediator CONNECTION LIMIT 1")
    async with opened(broken_url) as store:
        only = await asyncpg.connect(broken_url)
        assert "too many connections" in await refused(store)
        await only.close()
        await admin.execute("ALTER ROLE remediator CONNECTION LIMIT 10")
        await put(store, 1)
        assert await value_in(store) == 1
    await admin.close()


async def test_a_primary_that_becomes_read_only_is_unavailable(broken_server: DatabaseServer, broken_url: str) -> None:
    def restart_as(*, standby: bool) -> None:
        broken_server.stop()
        if standby:
            (broken_server.data / "standby.signal").touch()
        else:
            (broken_server.data / "standby.signal").unlink(missing_ok=True)
        broken_server.start()

    broken_server.settings["wal_level"] = "replica"  # or it would take no session as a standby
    async with opened(broken_url) as store:
        for standby in (False, True, False):
            await asyncio.to_thread(restart_as, standby=standby)
            if standby:
                assert "standby" in await refused(store)
            else:
                await put(store, 1)


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


async def test_commits_are_durable_whatever_the_servers_default_is() -> None:
    with own_server(settings={"synchronous_commit": "off"}) as server:
        async with opened(server.url()) as store, store.begin(Tx.MARK) as tx:
            assert await tx.scalar(text("SHOW synchronous_commit")) == "on"


async def test_replicas_hear_of_each_other_also_after_a_loss(broken_server: DatabaseServer, broken_url: str) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with opened(broken_url) as one, opened(broken_url) as two:
        one.on_written(heard.put_nowait)
        listening = asyncio.create_task(one.listen(SystemClock()))
        try:
            await _until_heard(two, heard)
            await put(one, 1)
            async with two.begin_lean(Tx.INTAKE) as writer:
                await inbox.touch(writer, T0)
            assert await asyncio.wait_for(heard.get(), WITHIN_S) == "intake", "its own are not told"
            await asyncio.to_thread(broken_server.restart)
            while not heard.empty():
                heard.get_nowait()
            await _until_heard(two, heard)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def _until_heard(writer: Store, heard: "asyncio.Queue[str]") -> None:
    """It listens after a moment of its own: write until it does."""
    async with asyncio.timeout(10):
        while True:
            await put(writer, 1)
            try:
                async with asyncio.timeout(0.2):
                    assert await heard.get() == "mark"
            except TimeoutError:
                continue
            while not heard.empty():
                heard.get_nowait()
            return
