"""The engine when its store, its clock or its own code fails: it goes on, nothing hangs, and somebody hears of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from remediator.engine import drive
from remediator.engine.drive import Drive
from remediator.engine.survey import Surveyor
from remediator.errors import StoreUnavailableError
from remediator.sandbox.world import World
from remediator.store import claims, episodes, runs
from remediator.store.database import Store, Tx
from remediator.store.schema import runs as run_table
from tests.scenario.test_the_way_of_an_alert import crashing, restarts
from tests.support.service import RESTART, firing, running


async def test_a_store_that_cannot_be_read_for_a_while_does_not_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0
    read = Store.read

    @asynccontextmanager
    async def unreadable(store: Store) -> AsyncIterator[Any]:
        nonlocal failures
        if failures < 60:
            failures += 1
            raise StoreUnavailableError("no reading today")
        async with read(store) as connection:
            yield connection

    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            monkeypatch.setattr(Store, "read", unreadable)
            for _ in range(60):  # the loops wake at once, so that each meets the failure also where it rests
                await service.alert(firing("Other", pod=str(failures)))
                await asyncio.sleep(0.02)
            await service.until(lambda: failures >= 60 or service.app.failed.is_set(), what="the store is read again")
            assert not service.app.failed.is_set()
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "verified"


async def test_a_store_that_fails_while_alerts_are_surveyed_does_not_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = Surveyor.find_target
    failed: list[str] = []

    async def store_fails(self: Surveyor, *args: Any, **given: Any) -> Any:
        if len(failed) < 2:
            failed.append("once")
            raise StoreUnavailableError("all connections for reading are busy")
        return await find(self, *args, **given)

    monkeypatch.setattr(Surveyor, "find_target", store_fails)
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert not service.app.failed.is_set()


async def test_a_run_that_was_left_because_the_store_failed_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []

    async def fails_once(connection: Any, episode_id: str) -> Any:
        if not left:
            left.append(episode_id)
            raise StoreUnavailableError("no reading today")
        return await episodes.episode(connection, episode_id)

    rows = SimpleNamespace(episode=fails_once, wake_incident=episodes.wake_incident)
    monkeypatch.setattr(drive, "episodes", rows)
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert (run.outcome, restarts(service), len(left)) == ("verified", 1, 1)


async def test_a_run_whose_driving_fails_by_a_defect_again_and_again_is_given_to_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(self: Drive) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Drive, "_verify", defect)
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, timings__lease="2s") as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "RuntimeError" in str(page.payload)
            [run] = await service.runs(states=("needs_person",))
            status, said = await service.api("POST", f"runs/{run.id}/answer", said="abandon", reason="by hand")
            assert status == 200, said
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == ("failed", 1)


async def test_an_alert_whose_survey_fails_by_a_defect_is_told_to_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defect(self: Surveyor, *args: Any, **given: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Surveyor, "find_target", defect)
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, escalation__page_after={"critical": "1s"}) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "RuntimeError" in str(page.payload)
            assert restarts(service) == 0


async def test_a_clock_that_jumps_does_not_give_a_run_to_a_second_pair_of_hands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of a run in hand is over by the wall clock, while its first hands still have a write under way (S20, S28)."""
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            world.kubernetes.faults.add(match="PATCH /apis/*", kind="delay 0.8", times=1)
            await service.alert(firing(namespace="shop", deployment="checkout"))

            async def applying() -> Any:
                return [run for run in await service.runs() if run.cursor["phase"] == "apply"]

            [run] = await service.until(applying, what="the write is under way")
            async with service.store.begin(Tx.OPERATE) as tx:
                ended = datetime.now(tz=run.created_at.tzinfo) - timedelta(minutes=1)
                await claims.heartbeat(tx, owner=str(run.owner), run_ids=[run.id], lease_until=ended)
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == ("verified", 1)
            [step] = (await service.story(run.incident_id)).steps[run.id]
            assert step.attempts == 1


async def test_playbooks_reloaded_while_an_alert_is_surveyed_are_not_overlooked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided by the set from before, after the new set had made it undecided: it must be decided once more (S5)."""
    observes = RESTART.replace("autonomy: act", "autonomy: observe")
    find = Surveyor.find_target
    surveying, loaded = asyncio.Event(), asyncio.Event()

    async def slow(self: Surveyor, *args: Any, **given: Any) -> Any:
        found = await find(self, *args, **given)
        surveying.set()
        await loaded.wait()
        return found

    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, observes, world=world) as service:
            monkeypatch.setattr(Surveyor, "find_target", slow)
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await surveying.wait()
            (tmp_path / "playbooks" / "p0.yaml").write_text(RESTART)
            await service.app.playbooks.load()
            loaded.set()
            [run] = await service.ended()
            assert run.outcome == "verified"


async def test_what_nobody_looked_at_did_not_hold(tmp_path: Path) -> None:
    """After an outage one good look does not complete a hold that began before it (S24)."""
    slow = RESTART.replace("hold: 300ms", "hold: 2s")
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, slow, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))

            async def outage() -> Any:
                """The row as it stands after ten minutes in which no process ran."""
                async with service.store.begin(Tx.OPERATE) as tx:
                    found = await runs.listing(tx)
                    if not found or found[0].owner is not None or found[0].cursor["hold_since"] is None:
                        return None
                    now = service.app.clock.now()
                    before = now - timedelta(minutes=10)
                    cursor = {**found[0].cursor, "hold_since": before.isoformat()}
                    await tx.execute(update(run_table).values(wake_at=before, cursor=cursor))
                    return now

            since = await service.until(outage, what="a hold has begun")
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert run.ended_at is not None and run.ended_at - since >= timedelta(seconds=2)
