"""What the watcher of certificates raises and ends, by the real door into a real file, time in our hands."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.alerts.certificate_expiry import Held
from remediator.alerts.severity import DEFAULT_LABEL_VALUES
from remediator.engine.certificate_places import Seen, Unread
from remediator.engine.certificate_watch import CertificateWatch, end_all
from remediator.engine.intake import Intake
from remediator.metrics import Metrics
from remediator.settings import CertificateSettings
from remediator.store import episodes
from remediator.store.database import Store
from remediator.store.episodes import EpisodeRow
from tests.support import incidents as rows
from tests.support.clock import T0, ManualClock

DAY = timedelta(days=1)
SHOP = {"kind": "certificate", "cluster": "prod", "namespace": "shop"}
MINUTE_S = 60.0


@dataclass
class Places:
    """What there is to be seen."""

    ends: dict[str, timedelta] = field(default_factory=dict)
    """By name, after T0."""
    unread: list[Unread] = field(default_factory=list)

    async def look(self) -> Seen:
        held = [Held({**SHOP, "name": name}, name, T0 - 90 * DAY, T0 + end) for name, end in self.ends.items()]
        return Seen(held=held, unread=list(self.unread))


@dataclass
class Bench:
    store: Store
    clock: ManualClock
    intake: Intake
    metrics: Metrics
    places: Places
    watch: CertificateWatch
    decided: list[None]

    async def all(self) -> list[EpisodeRow]:
        async with self.store.read() as connection:
            ids = list((await connection.exec_driver_sql("SELECT id FROM episodes ORDER BY id")).scalars())
            return list((await episodes.many(connection, ids)).values())

    async def states(self) -> dict[tuple[str, str], str]:
        """By name and severity."""
        return {(one.labels["name"], one.severity): one.state for one in await self.all()}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with rows.opened(tmp_path) as store:
        clock, metrics, places, decided = ManualClock(), Metrics(), Places(), list[None]()
        intake = Intake(
            store=store,
            clock=clock,
            metrics=metrics,
            on_stored=lambda: decided.append(None),
            on_owed=lambda: None,
            severities=DEFAULT_LABEL_VALUES,
        )
        watch = CertificateWatch(
            store=store,
            clock=clock,
            metrics=metrics,
            intake=intake,
            places=places,
            settings=CertificateSettings(watch=True),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(intake.run())
            yield Bench(store, clock, intake, metrics, places, watch, decided)
            intake.stop()


async def test_one_whose_end_is_near_is_raised_once_and_stays_confirmed(bench: Bench) -> None:
    bench.places.ends = {"web": 20 * DAY, "pay": 60 * DAY}
    assert await bench.watch.look()
    assert len(bench.decided) == 1
    await bench.clock.advance(2 * MINUTE_S)
    await bench.watch.look()
    [found] = await bench.all()
    assert (found.source, found.state, found.severity) == ("watcher", "open", "medium")
    assert (found.alertname, found.labels["name"]) == ("CertificateExpiry", "web")
    assert found.confirmed_at == bench.clock.now(), "it may be acted upon only while it was seen lately (S10)"
    assert len(bench.decided) == 1, "a repeat wakes nobody"


async def test_the_urgent_one_comes_beside_the_warning_and_both_end_with_a_renewal(bench: Bench) -> None:
    bench.places.ends = {"web": 20 * DAY}
    await bench.watch.look()
    await bench.clock.advance(timedelta(days=14).total_seconds())
    await bench.watch.look()
    assert await bench.states() == {("web", "medium"): "open", ("web", "high"): "open"}
    bench.places.ends = {"web": 100 * DAY}
    await bench.watch.look()
    assert await bench.states() == {("web", "medium"): "closed", ("web", "high"): "closed"}


async def test_one_that_is_gone_is_over_and_one_that_could_not_be_looked_at_is_not(bench: Bench) -> None:
    bench.places.ends = {"web": 20 * DAY}
    await bench.watch.look()
    bench.places.ends, bench.places.unread = {}, [Unread(SHOP, "no answer")]
    assert not await bench.watch.look()
    assert await bench.states() == {("web", "medium"): "open"}
    bench.places.unread = [Unread({**SHOP, "namespace": "pay"}, "no answer")]
    await bench.watch.look()
    assert await bench.states() == {("web", "medium"): "closed"}


async def test_a_second_time_is_another_episode(bench: Bench) -> None:
    bench.places.ends = {"web": 20 * DAY}
    await bench.watch.look()
    bench.places.ends = {"web": 100 * DAY}
    await bench.watch.look()
    await bench.clock.advance(timedelta(days=80).total_seconds())
    await bench.watch.look()
    assert sorted(one.state for one in await bench.all()) == ["closed", "open"]


async def test_switched_off_everything_is_over(bench: Bench) -> None:
    bench.places.ends = {"web": 2 * DAY}
    await bench.watch.look()
    await end_all(bench.store, bench.intake, bench.clock)
    assert set((await bench.states()).values()) == {"closed"}


async def test_it_looks_again_and_again_and_counts(bench: Bench) -> None:
    bench.places.ends, bench.places.unread = {"web": 20 * DAY}, [Unread(SHOP, "no answer")]
    running = asyncio.create_task(bench.watch.run())
    await looked(bench, "failed")
    bench.places.unread = []
    await bench.clock.advance(2 * MINUTE_S)
    await looked(bench, "done")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def looked(bench: Bench, result: str) -> None:
    """Wait until it has looked once with this result; then it sleeps."""
    async with asyncio.timeout(60):
        while bench.metrics.registry.get_sample_value("remediator_certificate_looks_total", {"result": result}) != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
