"""A PostgreSQL server that restarts, is full or read-only: unavailable meanwhile, and afterwards all goes on by itself."""

import asyncio
import signal
from collections.abc import Iterator

import asyncpg
import pytest
from sqlalchemy import text

from remediator.clock import SystemClock
from remediator.store import inbox, meta
from remediator.store.database import Connection, Store, Tx, open_store
from tests.support.clock import T0
from tests.support.database_server import DatabaseServer, own_server
from tests.support.short_store import WITHIN_S, opened, put, refused, touch, value_in

pytestmark = [pytest.mark.real, pytest.mark.live, pytest.mark.slow]


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
async def test_after_a_restart_of_the_server_the_next_transactions_work(
    broken_server: DatabaseServer, broken_url: str, number: signal.Signals
) -> None:
    async with opened(broken_url) as store:
        await put(store, 1)
        await value_in(store)
        await asyncio.to_thread(broken_server.stop, number)
        await refused(store)
        assert "no connection" in await refused(store), "by now the loss of the first one has been seen"
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
    async with asyncio.timeout(60):
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
