"""What is done to the PostgreSQL server while replicas work on it. It is of the play alone."""

import asyncio
import signal
from contextlib import suppress
from functools import partial

import asyncpg

from remediator.engine.alarm import UNUSABLE_S
from tests.chaos.servers import kept
from tests.chaos.site import Site
from tests.crash.databases import PostgresDatabase
from tests.support.database_server import DatabaseServer

_STAYS_S = 4.0


def _own(site: Site) -> tuple[DatabaseServer, PostgresDatabase]:
    assert site.server is not None
    assert isinstance(site.database, PostgresDatabase)
    return site.server, site.database


async def restarted(site: Site) -> None:
    """In order, then as by a crash, with time in between in which nobody answers."""
    server, _ = _own(site)
    for number in (signal.SIGINT, signal.SIGQUIT):
        await asyncio.sleep(site.chance.uniform(0.5, 1.5))
        await kept(partial(server.stop, number))
        await asyncio.sleep(site.chance.uniform(0.2, 2.0))
        await kept(server.start)


async def sessions_ended(site: Site) -> None:
    """An administrator ends every session, again and again."""
    _, database = _own(site)
    for _ in range(8):
        await asyncio.sleep(site.chance.uniform(0.2, 0.8))
        _end_sessions(database)


async def crowded(site: Site) -> None:
    """Others take every connection that the server has, and let go a while later."""
    _, database = _own(site)
    await asyncio.sleep(site.chance.uniform(0.5, 1.0))
    taken: list[asyncpg.Connection] = []
    until = asyncio.get_running_loop().time() + _STAYS_S
    _end_sessions(database)
    try:
        while asyncio.get_running_loop().time() < until:
            try:
                taken.append(await asyncpg.connect(database.url, timeout=2))
            except (OSError, TimeoutError, asyncpg.PostgresError):
                await asyncio.sleep(0.02)
    finally:
        for connection in taken:
            with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()


async def stalled(site: Site) -> None:
    """It answers, and far too late for everybody."""
    for replica in site.replicas:
        replica.ways["store"].delay_s = site.chance.uniform(0.8, 1.5)
    await asyncio.sleep(_STAYS_S)
    for replica in site.replicas:
        replica.ways["store"].delay_s = 0.0


async def away_for_long(site: Site) -> None:
    """Long enough that every replica pages by the way that needs no store (S36), and takes it back afterwards."""
    server, _ = _own(site)
    pagerduty = site.world.pagerduty
    keys = {f"remediator/{replica.name}/store" for replica in site.replicas}
    await asyncio.sleep(site.chance.uniform(0.5, 1.5))
    await kept(server.stop)
    await site.until(
        lambda: keys <= {incident.dedup_key for incident in pagerduty.paging()},
        "every replica tells people that it has no store",
        within_s=UNUSABLE_S + 30,
    )
    await kept(server.start)
    await site.until(
        lambda: not keys & {incident.dedup_key for incident in pagerduty.open()},
        "every replica takes its alarm back",
        within_s=60,
    )


def _end_sessions(database: PostgresDatabase) -> None:
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
