"""S5's property over the real decider and a real store: whatever comes in, in whatever order, no open alert is forgotten.

Every open episode has a run under way, a waiting request, a page row (whatever its mode, sent or not) or a future
``decide_again_at``, unless its verdict is ``observe`` or ``no_playbook`` or its severity is none.
"""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import and_, select

from remediator.alerts.severity import DEFAULT_LABEL_VALUES
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.conditions.base import World
from remediator.decision.facts import Problem, RemedyFacts
from remediator.engine.decider import Decider
from remediator.engine.intake import Intake
from remediator.engine.reconciler import Reconciler
from remediator.engine.survey import Survey, Surveyor
from remediator.engine.tools import Tools
from remediator.engine.wakeup import Wakeup
from remediator.engine.worlds import Worlds
from remediator.metrics import Metrics
from remediator.playbooks.index import PlaybookIndex
from remediator.playbooks.loading import LoadedSet
from remediator.runs.plan import Change, Fidelity, Plan
from remediator.settings import Settings
from remediator.store import episodes as episode_rows
from remediator.store import pauses
from remediator.store import runs as run_rows
from remediator.store.database import Store, Tx, open_store
from remediator.store.schema import decisions, episodes, outbox, runs
from remediator.targets import Target
from tests.support.clock import ManualClock
from tests.support.playbooks import playbook
from tests.support.service import body, firing

TARGET = Target.kubernetes("sandbox", "shop", "deployment", "checkout")
PLAN = Plan(
    "kubernetes.rollout_restart", 1, TARGET, "uid", {"uid": "uid"}, (Change("f", 0, 1),), (), Fidelity.SERVER, "restart"
)
NO_WORLD = World(cast("KubernetesClient", None), None, None)

SURVEYS: dict[str, Survey] = {
    "ready to act": Survey(TARGET, None, RemedyFacts(0, plans=(PLAN,)), (), NO_WORLD),
    "target missing": Survey(None, Problem("target_not_found", "no such workload")),
    "world unreadable": Survey(None, Problem("facts_missing", "time-out", "wait"), None, (Problem("x", "y", "wait"),)),
    "unknown precondition": Survey(TARGET, None, RemedyFacts(None, unknown="restart"), (), NO_WORLD),
    "no remedy": Survey(TARGET, None, RemedyFacts(None), (), NO_WORLD),
    "refused": Survey(TARGET, None, RemedyFacts(0, refused=Problem("paused", "it is paused")), (), NO_WORLD),
}


class ScriptedSurveyor:
    """Answers what the test says the world is."""

    def __init__(self) -> None:
        self.says = "ready to act"

    def named_target(self, *_args: object) -> Problem:
        return Problem("target_undetermined", "not asked here")

    async def find_target(self, *_args: object) -> Survey:
        return SURVEYS[self.says]

    async def choose(self, *_args: object, **_more: object) -> RemedyFacts:
        remedy = SURVEYS[self.says].remedy
        assert remedy is not None
        return remedy


@dataclass
class Bench:
    """A decider by itself."""

    store: Store
    clock: ManualClock
    surveyor: ScriptedSurveyor
    intake: Intake
    decider: Decider

    async def decide_all(self) -> None:
        for _ in range(50):
            if not await self.decider.decide_due():
                return
        raise AssertionError("the decider never comes to rest")


@asynccontextmanager
async def bench(autonomy: str) -> Any:
    clock, metrics, surveyor = ManualClock(), Metrics(), ScriptedSurveyor()
    set_of_one = LoadedSet(
        playbooks=(one := playbook(autonomy="act", match=[['alertname=~"Known.*"']]),), index=PlaybookIndex((one,))
    )
    configured = Settings.model_validate(
        {
            "mode": "live",
            "clusters": {"sandbox": {"namespaces": ["shop"]}},
            "sources": {"default": {"cluster": "sandbox"}},
            "autonomy": {"start": autonomy},
        }
    )
    with tempfile.TemporaryDirectory() as directory:
        store = await open_store(f"sqlite:///{Path(directory)}/s.sqlite")
        intake = Intake(
            store=store,
            clock=clock,
            metrics=metrics,
            on_stored=lambda: None,
            on_owed=lambda: None,
            severities=DEFAULT_LABEL_VALUES,
        )
        reconciler = Reconciler(
            store=store, clock=clock, metrics=metrics, intake=intake, peers={}, receivers={}, on_settled=lambda: None
        )
        tools = Tools(
            store=store,
            clock=clock,
            settings=configured,
            mode="live",
            worlds=Worlds(kubernetes={}, prometheus={}, alertmanagers={}),
            surveyor=cast("Surveyor", surveyor),
            playbooks=lambda: set_of_one,
            metrics=metrics,
            confirm=reconciler.confirm,
            on_ended=lambda: None,
            on_page=lambda: None,
        )
        decider = Decider(tools=tools, reconciler=reconciler, wakeup=Wakeup(), on_admitted=lambda: None)
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(intake.run())
            try:
                yield Bench(store, clock, surveyor, intake, decider)
            finally:
                intake.stop()
                await writer
                await store.close()


async def assert_nothing_is_forgotten(at: Bench) -> None:
    now = at.clock.now()
    async with at.store.read() as connection:
        for episode in (await connection.execute(select(episodes).where(episodes.c.state != "closed"))).all():
            of_it = (
                await connection.execute(
                    select(decisions.c.verdict).where(and_(decisions.c.episode_id == episode.id, decisions.c.current))
                )
            ).scalars()
            verdicts = set(of_it)
            if episode.severity == "none" or verdicts & {"observe", "no_playbook"}:
                continue
            active = await connection.scalar(
                select(runs.c.id).where(and_(runs.c.incident_id == episode.incident_id, runs.c.state != "ended"))
            )
            page = await connection.scalar(select(outbox.c.id).where(outbox.c.incident_id == episode.incident_id))
            again = episode.decide_again_at is not None and episode.decide_again_at > now
            assert active or page or again, f"forgotten: {dict(episode._mapping)} {verdicts}"
            if not active:
                assert again, f"nobody will look again: {dict(episode._mapping)} {verdicts}"
                assert episode.decide_again_at <= now + timedelta(minutes=15)


Act = Callable[[Bench], Awaitable[None]]


def fire(name: str, severity: str, workload: str) -> Act:
    async def act(at: Bench) -> None:
        alert = firing(name, severity=severity, namespace="shop", deployment=workload, starts_at=at.clock.now())
        await at.intake.take("default", json.dumps(body(alert)).encode())

    return act


def resolve(name: str, severity: str, workload: str) -> Act:
    async def act(at: Bench) -> None:
        now = at.clock.now()
        alert = firing(name, severity=severity, namespace="shop", deployment=workload, starts_at=now, ends_at=now)
        await at.intake.take("default", json.dumps(body(alert)).encode())

    return act


def the_world_is(word: str) -> Act:
    async def act(at: Bench) -> None:
        at.surveyor.says = word

    return act


def time_passes(minutes: int) -> Act:
    async def act(at: Bench) -> None:
        await at.clock.advance(minutes * 60)

    return act


async def pause(at: Bench) -> None:
    async with at.store.begin(Tx.OPERATE) as tx:
        await pauses.begin(tx, scope="all", by="alice", reason="r", remind_at=None, now=at.clock.now())


async def resume(at: Bench) -> None:
    async with at.store.begin(Tx.OPERATE) as tx:
        await pauses.end(tx, scope="all", by="alice", now=at.clock.now())
        await episode_rows.wake_all(tx, at.clock.now())


async def a_run_is_given_back(at: Bench) -> None:
    async with at.store.begin(Tx.OPERATE) as tx:
        for run in await run_rows.listing(tx, states=("ready",)):
            now = at.clock.now()
            await run_rows.end_unclaimed(tx, run.id, outcome="overtaken", reason="test", now=now)
            await episode_rows.wake_incident(tx, run.incident_id, now)


alerts = st.tuples(
    st.sampled_from(["Known", "KnownToo", "Unheard"]),
    st.sampled_from(["critical", "high", "warning", "odd", "none"]),
    st.sampled_from(["checkout", "cart"]),
)
acts = st.one_of(
    alerts.map(lambda alert: fire(*alert)),
    alerts.map(lambda alert: resolve(*alert)),
    st.sampled_from(sorted(SURVEYS)).map(the_world_is),
    st.sampled_from([1, 6, 20, 70]).map(time_passes),
    st.sampled_from([pause, resume, a_run_is_given_back]),
)


@pytest.mark.slow
@given(st.sampled_from(["observe", "propose", "approve", "act"]), st.lists(acts, min_size=1, max_size=12))
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_open_alert_is_forgotten(autonomy: str, story: list[Act]) -> None:
    async def play() -> None:
        async with bench(autonomy) as at:
            for act in story:
                await act(at)
                await at.decide_all()
                await assert_nothing_is_forgotten(at)

    asyncio.run(play())
