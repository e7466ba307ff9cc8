"""Where a scenario plays: a simulated world here, the service in a process that is killed and started again as a supervisor would."""

import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from remediator.sandbox.world import World
from tests.crash.databases import Database, SqliteFile
from tests.crash.ground import Ground
from tests.crash.nursery import Kill, Nursery, Victim
from tests.support.service import settings_for


class Stage(Ground):
    """One service. Everything that the scenario sends is sent again until it is answered."""

    def __init__(
        self,
        *,
        world: World,
        directory: Path,
        nursery: Nursery,
        session: aiohttp.ClientSession,
        port: int,
        kills: Sequence[Kill],
        changes: Mapping[str, Any],
        database: Database,
    ) -> None:
        """``kills``: where the first process dies, then the second ...; the one after them lives."""
        super().__init__(world=world, database=database, session=session)
        self.victims: list[Victim] = []
        self._directory = directory
        self._nursery = nursery
        self._kills = list(kills)
        self.url = f"http://127.0.0.1:{port}"
        self.clock = directory / "clock-offset"
        self._overrides = {name.replace("__", "."): value for name, value in changes.items()}
        self._overrides |= {"listen.port": port, "store.url": database.url}
        settings_for(world, directory, **{name.replace(".", "__"): value for name, value in self._overrides.items()})

    def door(self) -> str:
        return self.url

    @property
    def reached(self) -> list[str]:
        """Points, in order, over all processes."""
        return [point for victim in self.victims for point in victim.reached]

    async def supervise(self) -> None:
        """Start the service, and again whenever it was killed where it should be; until ``stop``. Nothing else may end it."""
        for kill in [*self._kills, None]:
            victim = await self.start(kill)
            await victim.exited.wait()
            if kill is None or victim.dying_at != kill[0] or victim.status != -signal.SIGKILL:
                assert victim.status == 0, f"ended with {victim.status}:\n{victim.last_words()}"
                return

    async def start(self, kill: Kill | None = None, *, through: str = "probe") -> Victim:
        """One process, not supervised."""
        victim = await self._nursery.start(
            settings=self._directory / "remediator.yaml",
            overrides=self._overrides,
            log=self._directory / "remediator.log",
            kill=kill,
            clock=self.clock,
            through=through,
        )
        self.victims.append(victim)
        return victim

    async def stop(self) -> None:
        """SIGTERM to the process that serves; returns when it has ended. One that just then dies as ordered is replaced first."""
        victim = await self._ask_to_stop(self.victims[-1])
        while victim.dying_at is not None:
            await self.until(partial(self._is_replaced, victim), "the next process")
            victim = await self._ask_to_stop(self.victims[-1])

    def _is_replaced(self, victim: Victim) -> bool:
        return self.victims[-1] is not victim

    async def _ask_to_stop(self, victim: Victim) -> Victim:
        await self.until(lambda: victim.serving.is_set() or victim.exited.is_set(), "it serves")
        victim.signal(signal.SIGTERM)
        await victim.exited.wait()
        return victim


@asynccontextmanager
async def staged(
    directory: Path,
    nursery: Nursery,
    *,
    playbooks: Sequence[str],
    kills: Sequence[Kill] = (),
    database: Database | None = None,
    **changes: Any,
) -> AsyncIterator[Stage]:
    """A world and a stage on it; nothing is started yet. ``database`` None: a SQLite file."""
    folder = directory / "playbooks"
    folder.mkdir()
    for number, text in enumerate(playbooks):
        (folder / f"p{number}.yaml").write_text(text)
    timeout = aiohttp.ClientTimeout(total=5.0)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with World(speed=6) as world, aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        with closing(reserved_port()) as reserved:
            yield Stage(
                world=world,
                directory=directory,
                nursery=nursery,
                session=session,
                port=reserved.getsockname()[1],
                kills=kills,
                changes=changes,
                database=database or SqliteFile(directory / "remediator.sqlite"),
            )


def reserved_port() -> socket.socket:
    """A port that nobody else on this machine is given while the socket is open; the service may listen on it, now and again.

    Without it a service of another test could listen there while ours is down, and acknowledge what was meant for ours.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
