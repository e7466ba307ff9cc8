"""The doors of operators on a real store: orders, records, explanations, and the API over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from remediator.engine.explain import Explainer
from remediator.engine.operate import Operations
from remediator.engine.survey import Surveyor
from remediator.engine.tools import Tools
from remediator.engine.worlds import Worlds
from remediator.metrics import Metrics
from remediator.playbooks.index import PlaybookIndex
from remediator.playbooks.loading import LoadedSet
from remediator.settings import Settings, load_settings
from remediator.store import incidents
from remediator.store.database import Store, Tx
from remediator.store.episodes import EpisodeRow
from remediator.web.api import Api
from remediator.web.auth import Auth
from tests.support import incidents as rows
from tests.support.clock import ManualClock
from tests.support.playbooks import playbook

TOKEN = "ann-throwaway-token"
PLAN_HASH = "0123456789abcdef"


def settings(**changes: Any) -> Settings:
    """One source, one cluster, one operator. ``changes`` are dotted keys with ``__`` for the dots."""
    known: dict[str, Any] = {
        "mode": "live",
        "sources": {"prod": {"credential": {"token": "alertmanager-throwaway-token"}, "cluster": "prod"}},
        "clusters": {"prod": {"namespaces": ["shop"], "aliases": ["production"]}},
        "api_tokens": [{"name": "ann", "token": TOKEN}],
        "autonomy": {"start": "act"},
    }
    return load_settings(None, {}, known | {key.replace("__", "."): value for key, value in changes.items()})


@dataclass
class Desk:
    """What an operator sits at."""

    store: Store
    clock: ManualClock
    settings: Settings
    operations: Operations
    explainer: Explainer
    woken: list[str] = field(default_factory=list)

    async def run(self, state: str = "approval", **columns: Any) -> str:
        """A run in this state, with an alert and an incident; one in ``approval`` asks for a yes. Returns its id."""
        async with self.store.begin(Tx.OPERATE) as tx:
            incident = await rows.join(tx)
            episode = await rows.fire(tx, incident)
            run_id = await rows.admit(tx, incident, episode, state, **columns)
            if state == "approval":
                await rows.ask_approval(tx, run_id)
        return run_id

    async def told(self, run_id: str) -> list[str]:
        """The timeline of the run's incident."""
        record = await self.operations.records.run(run_id)
        async with self.store.read() as connection:
            story = await incidents.story(connection, record.run.incident_id)
        assert story is not None
        return [f"{event['event']}: {event['text']}" for event in story.timeline]


@asynccontextmanager
async def desk(directory: Path, clock: ManualClock, **changes: Any) -> AsyncIterator[Desk]:
    """A store in this directory, one playbook named restart-it, and nobody who works on the runs."""
    known = settings(**changes)
    one = playbook("restart-it", autonomy="act")
    loaded = LoadedSet((one,), PlaybookIndex((one,)), "set1", {"restart-it": "playbooks/restart-it.yaml"})
    async with rows.opened(directory) as store:
        woken: list[str] = []
        operations = Operations(
            store=store,
            clock=clock,
            mode=known.mode,
            settings=known,
            playbooks=lambda: loaded,
            wake_runner=lambda: woken.append("runner"),
            wake_decider=lambda: woken.append("decider"),
            wake_courier=lambda: woken.append("courier"),
        )
        worlds = Worlds(kubernetes={}, prometheus={}, alertmanagers={})
        tools = Tools(
            store=store,
            clock=clock,
            settings=known,
            mode=known.mode,
            worlds=worlds,
            surveyor=Surveyor(settings=known, worlds=worlds),
            playbooks=lambda: loaded,
            metrics=Metrics(),
            confirm=_unconfirmed,
            on_ended=lambda: None,
            on_page=lambda: None,
        )
        yield Desk(store, clock, known, operations, Explainer(tools=tools), woken)


async def _unconfirmed(episode: EpisodeRow) -> EpisodeRow:
    """No Alertmanager to ask."""
    return episode


@dataclass
class ApiClient:
    """Calls the API over real HTTP."""

    url: str
    session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, **given: Any
    ) -> tuple[int, Any]:
        """Status and decoded JSON."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        options = given if body is None else {"json": body, **given}
        async with self.session.request(method, f"{self.url}/api/v1{path}", headers=headers, **options) as answer:
            assert answer.content_type == "application/json", await answer.text()
            return answer.status, await answer.json()


@asynccontextmanager
async def api(sat_at: Desk, *, insecure_no_auth: bool = False) -> AsyncIterator[ApiClient]:
    """The API of a desk on a free port."""
    auth = Auth(sat_at.settings, insecure_no_auth=insecure_no_auth)
    app = web.Application()
    app.add_routes(Api(operations=sat_at.operations, explainer=sat_at.explainer, auth=auth).routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession() as session:
            yield ApiClient(f"http://127.0.0.1:{runner.addresses[0][1]}", session)
    finally:
        await runner.cleanup()
