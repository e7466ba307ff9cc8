"""A network between us and PostgreSQL that loses everything, or only the answers: every wait ends in its bound."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from remediator.errors import StoreUnavailableError
from remediator.store.database import Connection, Store, Tx
from remediator.store.postgresql_address import Address
from tests.chaos.tcp_proxy import Network, TcpProxy
from tests.support.short_store import WITHIN_S, opened, put, refused, touch, value_in

pytestmark = [pytest.mark.real, pytest.mark.live, pytest.mark.slow]


@asynccontextmanager
async def cut_off_at_will(url: str) -> AsyncIterator[tuple[Store, TcpProxy]]:
    address = Address.parse(url)
    async with TcpProxy(f"{address.host}:{address.port}").listening() as proxy:
        through = url.replace(f":{address.port}/", f":{proxy.port}/")
        async with opened(through) as store:
            yield store, proxy


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


async def put_lean(store: Store, value: int) -> None:
    statement = "INSERT INTO meta (key, value) VALUES ('x', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    async with store.begin_lean(Tx.INTAKE) as writer:
        await writer.run(lambda execute: execute(statement, (str(value),)))


class LosesAnswers(TcpProxy):
    """Passes on what is asked, and, while it is ``deaf``, nothing of what is answered."""

    deaf = False
    healed = False

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        to_client = sink in self._connections.values()
        while piece := await source.read(65_536):
            if not (self.deaf and to_client):
                sink.write(piece)
                await sink.drain()


@pytest.mark.parametrize("write", [put, put_lean], ids=["begin", "begin_lean"])
async def test_a_commit_whose_answer_was_lost_may_stand_and_doing_it_again_is_right(
    database_url: str, write: Callable[[Store, int], Awaitable[None]]
) -> None:
    """The caller hears that the store is unavailable, in its bound; what it wrote is there for all that."""
    address = Address.parse(database_url)

    def lose(point: str) -> None:
        proxy.deaf = not proxy.healed and (proxy.deaf or point.endswith(".before"))

    proxy = LosesAnswers(f"{address.host}:{address.port}")
    async with proxy.listening():
        through = database_url.replace(f":{address.port}/", f":{proxy.port}/")
        async with opened(through, lose) as store, opened(database_url) as other:
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="no answer"):
                await write(store, 1)
            assert time.monotonic() - began < WITHIN_S
            assert await value_in(other) == 1
            await put(other, 2)  # its turn is over, too
            proxy.deaf, proxy.healed = False, True
            await write(store, 3)
            assert await value_in(other) == 3


async def test_behind_a_silent_network_a_stop_is_not_held_up(database_url: str) -> None:
    async with cut_off_at_will(database_url) as (store, proxy):
        await put(store, 1)
        await value_in(store)
        async with store.begin(Tx.HEARTBEAT):
            pass
        proxy.becomes(Network.SILENT)
        await asyncio.wait_for(store.close(), WITHIN_S)
