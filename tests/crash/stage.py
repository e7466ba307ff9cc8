"""Where a scenario plays: a simulated world here, the service in a process that is killed and started again as a supervisor would."""

import asyncio
import inspect
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from remediator.sandbox.world import World
from tests.crash.databases import Database, SqliteFile
from tests.crash.nursery import Kill, Nursery, Victim
from tests.support.service import API_TOKEN, TOKEN, body, settings_for

_LOOK_AGAIN_S = 0.03


class Stage:
    """One service on one world. Everything that the scenario sends is sent again until it is answered."""

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
        self.world = world
        self.database = database
        self.victims: list[Victim] = []
        self.acknowledged: list[Mapping[str, Any]] = []
        """Alerts of webhooks that were answered 200."""
        self._directory = directory
        self._nursery = nursery
        self._session = session
        self._kills = list(kills)
        self.url = f"http://127.0.0.1:{port}"
        self._overrides = {name.replace("__", "."): value for name, value in changes.items()}
        self._overrides |= {"listen.port": port, "store.url": database.url}
        settings_for(world, directory, **{name.replace(".", "__"): value for name, value in self._overrides.items()})

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

    async def post(self, document: Mapping[str, Any]) -> int:
        """One webhook, sent until it is answered with anything but 503; returns the status."""
        while True:
            try:
                async with self._session.post(
                    f"{self.url}/webhook/alertmanager", json=document, headers={"Authorization": f"Bearer {TOKEN}"}
                ) as answer:
                    if answer.status != 503:
                        return answer.status
            except (aiohttp.ClientError, OSError, TimeoutError):
                await asyncio.sleep(_LOOK_AGAIN_S)

    async def alert(self, *alerts: Mapping[str, Any], group_key: str = "{}:{}") -> None:
        """A webhook with these alerts, sent until it is acknowledged."""
        status = await self.post(body(*alerts, group_key=group_key))
        assert status == 200, status
        self.acknowledged.extend(alerts)

    async def order(self, path: str, **json: Any) -> None:
        """An operator's POST to /api/v1. After a lost answer it is given again, and may then come too late: 409."""
        accepted = {200}
        while True:
            try:
                async with self._session.post(
                    f"{self.url}/api/v1/{path}", json=json, headers={"Authorization": f"Bearer {API_TOKEN}"}
                ) as answer:
                    assert answer.status in accepted, f"{path}: {answer.status} {await answer.text()}"
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(_LOOK_AGAIN_S)
            except (aiohttp.ClientError, OSError, TimeoutError):
                accepted = {200, 409}
                await asyncio.sleep(_LOOK_AGAIN_S)

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What the store says now, read beside the service; nothing while there is no such table yet."""
        return self.database.rows(query, *values)

    async def until(self, condition: Callable[[], Any], what: str, *, within_s: float = 25.0) -> Any:
        """Wait until it is true; returns what it gave. Polls: it looks at another process."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    found = condition()
                    if inspect.isawaitable(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise AssertionError(f"did not come true in {within_s:g} s: {what}") from None

    async def run_in(self, *states: str) -> dict[str, Any]:
        """Wait for a run in one of these states."""
        marks = ", ".join("?" * len(states))
        found = await self.until(
            lambda: self.rows(f"SELECT * FROM runs WHERE state IN ({marks})", *states), f"a run in {states}"
        )
        return dict(found[0])

    async def ended(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many runs have ended."""

        def enough() -> list[dict[str, Any]] | None:
            found = self.rows("SELECT * FROM runs WHERE state = 'ended' ORDER BY created_at")
            return found if len(found) >= count else None

        return list(await self.until(enough, f"{count} ended runs"))


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
        with closing(_reserved_port()) as reserved:
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


def _reserved_port() -> socket.socket:
    """A port that nobody else on this machine is given while the socket is open; the service may listen on it, now and again.

    Without it a service of another test could listen there while ours is down, and acknowledge what was meant for ours.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved
