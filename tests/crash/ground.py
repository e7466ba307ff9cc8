"""What every play stands on: a simulated world, a store, and people and senders who repeat what was not answered."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from remediator.sandbox.world import World
from tests.crash.databases import Database
from tests.support.service import API_TOKEN, TOKEN, body

WITHIN_S = 120.0
"""A decision that lacked facts for a moment is made again after 30 s (S5); and only a failure waits as long as this."""

_UNANSWERED = "no answer within"


class Ground:
    """One store on one world; the services on it are of those who inherit."""

    def __init__(
        self, *, world: World, database: Database, session: aiohttp.ClientSession, look_every_s: float = 0.03
    ) -> None:
        """``look_every_s``: how often somebody who waits looks, and sends again."""
        self.world = world
        self.database = database
        self.acknowledged: list[Mapping[str, Any]] = []
        """Alerts of webhooks that were answered 200."""
        self.session = session
        self.look_every_s = look_every_s
        self.clock: Path | None = None
        """The file that steps the wall clock of the services (``stepped_clock``), where there is one."""

    def door(self) -> str:
        """Where the next request goes."""
        raise NotImplementedError

    async def post(self, document: Mapping[str, Any]) -> int:
        """One webhook, sent until it is answered with anything but 503; returns the status."""
        while True:
            try:
                async with self.session.post(
                    f"{self.door()}/webhook/alertmanager", json=document, headers={"Authorization": f"Bearer {TOKEN}"}
                ) as answer:
                    if answer.status != 503:
                        return answer.status
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(self.look_every_s)

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
                async with self.session.post(
                    f"{self.door()}/api/v1/{path}", json=json, headers={"Authorization": f"Bearer {API_TOKEN}"}
                ) as answer:
                    assert answer.status in accepted, f"{path}: {answer.status} {await answer.text()}"
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(self.look_every_s)
            except (aiohttp.ClientError, OSError, TimeoutError):
                accepted = {200, 409}
                await asyncio.sleep(self.look_every_s)

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """What the store says now, read beside the service; nothing while there is no such table yet."""
        return self.database.rows(query, *values)

    async def until(self, condition: Callable[[], Any], what: str, *, within_s: float = WITHIN_S) -> Any:
        """Wait until it is true; returns what it gave. Polls: it looks at another process."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    found = condition()
                    if inspect.isawaitable(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(self.look_every_s)
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
        """Wait until so many runs have ended. One that got no answer before it had begun, on a busy machine, is decided anew (S5)."""

        def enough() -> list[dict[str, Any]] | None:
            found = [
                run
                for run in self.rows("SELECT * FROM runs WHERE state = 'ended' ORDER BY created_at")
                if run["changed_at"] is not None or _UNANSWERED not in (run["reason"] or "")
            ]
            return found if len(found) >= count else None

        return list(await self.until(enough, f"{count} ended runs"))
