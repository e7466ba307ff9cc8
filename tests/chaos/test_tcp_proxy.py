"""The proxy that cuts replicas off does what it says, or the plays prove nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.chaos.tcp_proxy import Network, TcpProxy


class Upstream:
    """Answers every line in capitals, and keeps what came."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while line := await reader.readline():
            self.came.append(line)
            writer.write(line.upper())
        writer.close()


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[TcpProxy, Upstream]]:
    upstream = Upstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    async with TcpProxy(f"127.0.0.1:{server.sockets[0].getsockname()[1]}").listening() as proxy:
        yield proxy, upstream
    server.close()
    await server.wait_closed()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    writer.write(line)
    async with asyncio.timeout(0.5):
        return await reader.readline()


async def test_what_is_sent_while_nothing_gets_through_arrives_when_it_heals() -> None:
    async with proxied() as (proxy, upstream):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await asked(reader, writer, b"one\n") == b"ONE\n"
        proxy.becomes(Network.SILENT)
        with pytest.raises(TimeoutError):
            await asked(reader, writer, b"two\n")
        assert upstream.came == [b"one\n"]
        proxy.becomes(Network.FINE)
        assert await reader.readline() == b"TWO\n"
        writer.close()


async def test_what_was_given_up_meanwhile_never_arrives() -> None:
    async with proxied() as (proxy, upstream):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await asked(reader, writer, b"one\n")
        proxy.becomes(Network.SILENT)
        with pytest.raises(TimeoutError):
            await asked(reader, writer, b"two\n")
        writer.close()
        late_reader, late_writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await asyncio.sleep(0.05)
        proxy.becomes(Network.FINE)
        assert await asked(late_reader, late_writer, b"three\n") == b"THREE\n"
        assert upstream.came == [b"one\n", b"three\n"]
        late_writer.close()


async def test_refused_ends_what_is_open_and_what_comes() -> None:
    async with proxied() as (proxy, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        await asked(reader, writer, b"one\n")
        proxy.becomes(Network.REFUSED)
        with pytest.raises(ConnectionResetError):
            await reader.readline()
        writer.close()
        late, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await late.readexactly(1)


async def test_a_delay_holds_up_both_ways() -> None:
    async with proxied() as (proxy, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.delay_s = 0.1
        began = asyncio.get_running_loop().time()
        assert await asked(reader, writer, b"one\n") == b"ONE\n"
        assert asyncio.get_running_loop().time() - began >= 0.2
        writer.close()
