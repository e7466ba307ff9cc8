"""Word from the other replicas that something was committed. A hint only: the slow polls of the loops are the truth."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from remediator.clock import Clock
from remediator.errors import StoreUnavailableError

if TYPE_CHECKING:
    import asyncpg

CHANNEL = "remediator"
_LOOK_EVERY_S = 10.0
"""A line that is dead says nothing: only asking finds out."""
_AGAIN_AFTER_S = 1.0

log = structlog.get_logger()


def written(label: str, sender: str) -> str:
    """What is said of a transaction."""
    return f"{label} {sender}"


async def listen(
    connect: Callable[[], "Awaitable[asyncpg.Connection[Any]]"],
    own: str,
    on_written: Callable[[str], None],
    clock: Clock,
) -> None:
    """Call ``on_written`` with the label of each transaction that others than ``own`` commit, until cancelled.

    On a connection of its own, made again after a loss.
    """
    deaf = False
    while True:
        try:
            connection = await connect()
            try:
                lost = await _subscribe(connection, own, on_written)
                if deaf:
                    log.info("replicas_heard_again")
                deaf = False
                await _until_lost(connection, lost)
            finally:
                connection.terminate()
        except Exception as error:
            if not deaf:
                reason = error.reason if isinstance(error, StoreUnavailableError) else repr(error)
                log.warning("replicas_not_heard", reason=reason)
            deaf = True
        await clock.sleep(_AGAIN_AFTER_S)


async def _subscribe(
    connection: "asyncpg.Connection[Any]", own: str, on_written: Callable[[str], None]
) -> asyncio.Event:
    lost = asyncio.Event()

    def said(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        label, _, sender = str(payload).partition(" ")
        if sender != own:
            on_written(label)

    connection.add_termination_listener(lambda _connection: lost.set())
    await connection.add_listener(CHANNEL, said)
    return lost


async def _until_lost(connection: "asyncpg.Connection[Any]", lost: asyncio.Event) -> None:
    while not lost.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY_S):
                await lost.wait()
                return
        await connection.execute("SELECT 1")
