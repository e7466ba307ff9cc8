"""One play: replicas that work, a disturbance meanwhile, peace again, and the verdict."""

import asyncio
import json
import secrets
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

import asyncpg

from tests.chaos import claims
from tests.chaos.disturbances import Disturbance
from tests.chaos.kinds import Kind
from tests.chaos.servers import breakable
from tests.chaos.site import ANSWERS_WITHIN_S, Site, built
from tests.chaos.tcp_proxy import Network
from tests.chaos.work import PLAYBOOKS, Work
from tests.crash import verdict
from tests.crash.databases import PostgresDatabase
from tests.crash.nursery import Nursery
from tests.support.database_server import DatabaseServer

_WITHIN_S = 400.0
_FAIL_OVER_S = 2.5


async def play_kind(
    kind: Kind, directory: Path, nursery: Nursery, *, seed: int, server: DatabaseServer
) -> Counter[str]:
    """As ``play``; what it does is the same for the same seed. ``server`` is not broken: who breaks one gets one."""
    directory.mkdir()
    told = f"{seed}:{kind.name}"
    if kind.store == "sqlite":
        return await play(kind.disturb, directory / "play", nursery, seed=told, server=None)
    if kind.store == "postgresql":
        return await play(kind.disturb, directory / "play", nursery, seed=told, server=server)
    async with breakable() as own:
        return await play(kind.disturb, directory / "play", nursery, seed=told, server=own)


async def play(
    disturb: Disturbance, directory: Path, nursery: Nursery, *, seed: str, server: DatabaseServer | None
) -> Counter[str]:
    """From the first alert to a clean stop; raises what is wrong at its end. Returns what there was of everything.

    ``server`` None: one replica on a SQLite file.
    """
    async with (
        _database(server) as postgres,
        built(directory, nursery, playbooks=PLAYBOOKS, chance=Random(seed), postgres=postgres, server=server) as site,
        asyncio.timeout(_WITHIN_S),
        asyncio.TaskGroup() as group,
    ):
        watching = group.create_task(site.watch_itself())
        for replica in site.replicas:
            group.create_task(replica.supervise())
        try:
            await _act(site, disturb, postgres)
        except BaseException:
            _keep_store(site, directory)
            raise
        await asyncio.gather(*(replica.end() for replica in site.replicas))
        watching.cancel()
        return _tally(site)


async def _act(site: Site, disturb: Disturbance, postgres: PostgresDatabase | None) -> None:
    await site.all_serve()
    if postgres is not None:
        claims.watch(postgres)
    work = Work(site)
    await work.prepare()
    async with asyncio.TaskGroup() as at_once:
        at_once.create_task(work.fail(over_s=_FAIL_OVER_S))
        at_once.create_task(disturb(site))
    _at_peace(site)
    await site.all_serve()
    await work.settle()
    await verdict.check(site, fixed=None)
    _check_replicas(site, on_postgres=postgres is not None)


def _keep_store(site: Site, directory: Path) -> None:
    """For whoever looks for the reason: the database goes with the play."""
    tables = ("runs", "journal", "episodes", "incidents", "timeline", "outbox", "duties", "replicas", "claims_seen")
    kept = {table: site.rows(f"SELECT * FROM {table}") for table in tables}
    kept["pager"] = [incident.as_json() for incident in site.world.pagerduty.incidents()]
    kept["answers"] = [asdict(answer) for answer in site.answers]
    (directory / "store.json").write_text(json.dumps(kept, indent=1, default=str))


def _at_peace(site: Site) -> None:
    for replica in site.replicas:
        replica.disarm()
        replica.thaw()
        replica.stays_down_s = 0.0
        for way in replica.ways.values():
            way.becomes(Network.FINE)
            way.delay_s = 0.0


def _check_replicas(site: Site, *, on_postgres: bool) -> None:
    """What holds of each process: no end that nobody ordered, no defect, an answer in time, no write without a lease."""
    for replica in site.replicas:
        assert not replica.wrong, replica.wrong
        assert not (wrong := verdict.defects(replica.log)), wrong
    late = [answer for answer in site.answers if not answer.upset and answer.took_s > ANSWERS_WITHIN_S]
    assert not late, late
    odd = [answer for answer in site.answers if answer.status not in (None, 200, 503)]
    assert not odd, odd
    if on_postgres:
        assert not (wrong := claims.uncovered(site)), wrong
        assert not (wrong := claims.late_journal(site)), wrong


def _tally(site: Site) -> Counter[str]:
    """What the play was made of."""
    victims = [victim for replica in site.replicas for victim in replica.victims]
    runs = site.rows("SELECT outcome, fence FROM runs")
    return Counter(
        {
            "webhooks taken": sum(answer.status == 200 for answer in site.answers),
            "webhooks answered 503": sum(answer.status == 503 for answer in site.answers),
            "webhooks not answered": sum(answer.status is None for answer in site.answers),
            "processes killed": sum(victim.status == -signal.SIGKILL for victim in victims),
            "processes frozen": sum(replica.freezes for replica in site.replicas),
            "runs": len(runs),
            "runs verified": sum(run["outcome"] == "verified" for run in runs),
            "changes of workloads": verdict.changes(site).total(),
            "claims lost": sum(replica.log.count('"event":"claim_lost"') for replica in site.replicas),
            "duties lost": sum(replica.log.count('"event":"duty_lost"') for replica in site.replicas),
        }
    )


@asynccontextmanager
async def _database(server: DatabaseServer | None) -> AsyncIterator[PostgresDatabase | None]:
    if server is None:
        yield None
        return
    name = f"play_{secrets.token_hex(4)}"
    await _do(server, f"CREATE DATABASE {name}")
    with PostgresDatabase(server.url(name)).open() as database:
        yield database
    await _do(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _do(server: DatabaseServer, statement: str) -> None:
    connection = await asyncpg.connect(server.url(), timeout=10, command_timeout=60)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
