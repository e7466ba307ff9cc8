"""Several replicas on one store and one world, and senders who send every alert to any of them until one takes it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from remediator.sandbox.world import World
from tests.chaos.replica import WAYS, Replica
from tests.chaos.tcp_proxy import TcpProxy
from tests.crash.databases import Database, PostgresDatabase, SqliteFile
from tests.crash.ground import Ground
from tests.crash.nursery import Nursery
from tests.crash.stage import reserved_port
from tests.support.database_server import DatabaseServer
from tests.support.service import TOKEN, settings_for

COMMIT_TIMEOUT_S = 2.0
ANSWERS_WITHIN_S = COMMIT_TIMEOUT_S + 2.5
"""In this time a process that runs answers a webhook, whatever its store does; two busy cores included."""
_GIVES_UP_S = 6.0
_TICK_S = 0.1
LEASE_S, REQUEST_S, TAKEOVER_S = 2.5, 1.0, 0.4
TAKEN_OVER_AFTER_S = LEASE_S + REQUEST_S + TAKEOVER_S + 1.0
"""So long after it stopped renewing, a replica's work is in other hands."""
_TIMINGS = {
    "timings.lease": f"{LEASE_S * 1000:g}ms",
    "timings.request": f"{REQUEST_S * 1000:g}ms",
    "timings.takeover": f"{TAKEOVER_S * 1000:g}ms",
    "timings.settle": "100ms",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook got. ``status`` None: no answer. ``took_s`` without the time in which we stood still ourselves."""

    replica: str
    status: int | None
    took_s: float
    upset: bool
    """The replica was killed, frozen or not up meanwhile, so that nothing is asked of it."""


class Site(Ground):
    """``chance`` decides all that a play leaves open."""

    def __init__(
        self,
        *,
        world: World,
        database: Database,
        session: aiohttp.ClientSession,
        replicas: Sequence[Replica],
        chance: Random,
        server: DatabaseServer | None,
    ) -> None:
        super().__init__(world=world, database=database, session=session, look_every_s=0.1)
        self.replicas = list(replicas)
        self.chance = chance
        self.server = server
        self.answers: list[Answer] = []
        self._stalls: list[tuple[float, float]] = []
        """When we stood still ourselves, and for how long."""

    def door(self) -> str:
        return self._any().url

    async def post(self, document: Mapping[str, Any]) -> int:
        loop = asyncio.get_running_loop()
        while True:
            replica, began = self._any(), loop.time()
            was_serving = replica.serving
            status = None
            try:
                async with self.session.post(
                    f"{replica.url}/webhook/alertmanager",
                    json=document,
                    headers={"Authorization": f"Bearer {TOKEN}"},
                ) as answer:
                    status = answer.status
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            upset = not was_serving or not replica.serving or replica.upset_at >= began
            stalled_s = sum(lasted_s for at, lasted_s in self._stalls if at >= began)
            self.answers.append(Answer(replica.name, status, loop.time() - began - stalled_s, upset))
            if status is not None and status != 503:
                return status
            await asyncio.sleep(self.look_every_s)

    async def watch_itself(self) -> None:
        """Until cancelled: what we are late ourselves is nobody's fault on a busy machine."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(_TICK_S)
            if (late_s := loop.time() - began - _TICK_S) > _TICK_S:
                self._stalls.append((loop.time(), late_s))

    async def all_serve(self) -> None:
        """Wait until every replica takes webhooks, or one has ended for good."""
        await self.until(
            lambda: all(replica.serving or replica.wrong for replica in self.replicas), "all replicas serve"
        )
        assert not (wrong := [one for replica in self.replicas for one in replica.wrong]), wrong

    def holder_of(self, run_id: str) -> Replica | None:
        """Who has this run in hand now."""
        found = self.rows("SELECT owner FROM runs WHERE id = ?", run_id)
        owner = found[0]["owner"] if found else None
        return next((replica for replica in self.replicas if replica.victim.owner == owner), None)

    def writer(self, authorization: str) -> tuple[Replica, str] | None:
        """Whose request it was, and the name of that process in claims."""
        name, _, nth = authorization.removeprefix("Bearer ").rpartition("-")
        found = next((replica for replica in self.replicas if replica.name == name), None)
        return None if found is None else (found, found.victims[int(nth)].owner)

    def _any(self) -> Replica:
        return self.chance.choice(self.replicas)


@asynccontextmanager
async def built(
    directory: Path,
    nursery: Nursery,
    *,
    playbooks: Sequence[str],
    chance: Random,
    postgres: PostgresDatabase | None = None,
    server: DatabaseServer | None = None,
    **changes: Any,
) -> AsyncIterator[Site]:
    """Three replicas on PostgreSQL, or one on a SQLite file; nothing is started yet."""
    directory.mkdir(exist_ok=True)
    folder = directory / "playbooks"
    folder.mkdir()
    for number, text in enumerate(playbooks):
        (folder / f"p{number}.yaml").write_text(text)
    database: Database = postgres or SqliteFile(directory / "remediator.sqlite")
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(World(speed=6))
        settings_for(world, directory)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=_GIVES_UP_S)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout, connector=connector))
        upstreams = {
            "store": "" if postgres is None else postgres.server,
            "kubernetes": world.kubernetes_url,
            "prometheus": world.prometheus_url,
            "alertmanager": world.alertmanager_url,
            "pagerduty": world.pagerduty_url,
        }
        replicas: list[Replica] = []
        for name in ("one",) if postgres is None else ("one", "two", "three"):
            (directory / name).mkdir()
            ways = {
                way: await stack.enter_async_context(TcpProxy(upstreams[way]).listening())
                for way in WAYS
                if upstreams[way]
            }
            port = stack.enter_context(closing(reserved_port())).getsockname()[1]
            overrides = {
                **_TIMINGS,
                **{key.replace("__", "."): value for key, value in changes.items()},
                "listen.port": port,
                "replica": name,
                "store.url": database.url if postgres is None else postgres.url_through(ways["store"].port),
                "store.commit_timeout": f"{COMMIT_TIMEOUT_S:g}s",
                "clusters.sandbox.prometheus.url": f"http://127.0.0.1:{ways['prometheus'].port}",
                "sources.default.alertmanager.urls": [f"http://127.0.0.1:{ways['alertmanager'].port}"],
                "pagerduty.url": f"http://127.0.0.1:{ways['pagerduty'].port}/v2/enqueue",
            }
            replicas.append(Replica(name, directory / name, port, ways, nursery, overrides))
        yield Site(world=world, database=database, session=session, replicas=replicas, chance=chance, server=server)
