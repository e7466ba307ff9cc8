"""The wall clock is set by hours in the middle of everything (S28): nothing is done twice, nothing stays behind, somebody is told."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.sandbox.world import World
from tests.crash.stepped_clock import SteppedClock, step
from tests.scenario.test_the_way_of_an_alert import crashing, restarts
from tests.support.service import RESTART, Service, firing, running

HOURS = 3 * 3600.0
SLOW = RESTART.replace("hold: 300ms", "hold: 4s").replace("within: 8s", "within: 20s")
ASKS = RESTART.replace("autonomy: act", "autonomy: approve")
both_ways = pytest.mark.parametrize("by_s", [HOURS, -HOURS], ids=["forward", "backward"])


@pytest.fixture
def offset(tmp_path: Path) -> Path:
    return tmp_path / "offset"


async def followed(service: Service, by_s: float) -> None:
    """Wait until the service goes by the new time."""
    watch = SteppedClock(Path("/nonexistent"))

    def near() -> bool:
        return abs(service.app.clock.now() - watch.now() - timedelta(seconds=by_s)) < timedelta(seconds=1)

    await service.until(near, what="the new time is taken over")


async def told(service: Service, what: str) -> bool:
    return any(what in one.summary for one in service.world.pagerduty.incidents())


async def state_of(service: Service, phase: str) -> bool:
    return any(run.cursor["phase"] == phase for run in await service.runs())


@both_ways
async def test_in_the_middle_of_a_verification(tmp_path: Path, offset: Path, by_s: float) -> None:
    """Its hold is neither over at once nor only in three hours, and people hear of the clock, not of the service."""
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, SLOW, world=world, clock=SteppedClock(offset)) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: state_of(service, "verify"), what="it verifies")
            began = asyncio.get_running_loop().time()
            step(offset, by_s)
            await followed(service, by_s)
            assert not [run for run in await service.runs() if run.state == "ended"]
            [run] = await service.ended()
            took_s = asyncio.get_running_loop().time() - began
            assert run.outcome == "verified", run.reason
            assert took_s > 3, "it was seen to hold"
            assert restarts(service) == 1
            direction = "forward" if by_s > 0 else "backward"
            await service.until(lambda: told(service, f"the clock stepped {direction} by 3h"), what="people are told")
            assert not await told(service, "ServiceDown")


@both_ways
async def test_while_a_change_is_on_its_way(tmp_path: Path, offset: Path, by_s: float) -> None:
    """Its answer comes to a claim that is over: what was done is found by its mark, and not done again."""
    async with World(speed=4) as world:
        await crashing(world)
        async with running(
            tmp_path, world=world, clock=SteppedClock(offset), timings__request="5s", timings__lease="11s"
        ) as service:
            slow = world.kubernetes.faults.add(match="PATCH /apis/*", kind="late_answer 4")
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await slow.struck.wait()
            step(offset, by_s)
            await followed(service, by_s)
            [run] = await service.until(lambda: _ended(service), within_s=60, what="the run ends")
            assert run.outcome == "verified", run.reason
            assert restarts(service) == 1
            story = await service.story(run.incident_id)
            assert [event for event in story.timeline if event["event"] == "step_looked_at"]


async def _ended(service: Service) -> list[object]:
    return [run for run in await service.runs() if run.state == "ended"]


@both_ways
async def test_a_request_stands_as_long_as_it_would_have(tmp_path: Path, offset: Path, by_s: float) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS, world=world, clock=SteppedClock(offset), timings__approval="1h") as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))

            async def waits() -> bool:
                return any(run.state == "approval" for run in await service.runs())

            await service.until(waits, what="it asks")
            step(offset, by_s)
            await followed(service, by_s)
            await asyncio.sleep(1.5)  # time in which it would have expired
            [run] = await service.runs()
            assert run.state == "approval", run.reason
            status, shown = await service.api("GET", f"runs/{run.id}")
            assert status == 200
            given = {"plan": shown["approval"]["plan_hash"], "reason": "seen"}
            status, answer = await service.api("POST", f"runs/{run.id}/approve", **given)
            assert status == 200, answer
            [run] = await service.ended()
            assert run.outcome == "verified", run.reason
            assert restarts(service) == 1


async def test_nothing_begins_until_the_clock_is_steady(tmp_path: Path, offset: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, clock=SteppedClock(offset), timings__steady="4s") as service:
            step(offset, HOURS)
            await followed(service, HOURS)
            began = asyncio.get_running_loop().time()
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: restarts(service) == 1, what="it is restarted")
            assert asyncio.get_running_loop().time() - began > 2.5
            [run] = await service.ended()
            assert run.outcome == "verified", run.reason
            story = await service.story(run.incident_id)
            assert any("the clock has stepped" in event["text"] for event in story.timeline)


async def test_back_and_forth(tmp_path: Path, offset: Path) -> None:
    """What was moved there is moved back: nothing adds up."""
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, SLOW, world=world, clock=SteppedClock(offset)) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: state_of(service, "verify"), what="it verifies")
            for by_s in (-HOURS, HOURS, 365 * 86400.0, 0.0):
                step(offset, by_s)
                await followed(service, by_s)
            [run] = await service.ended()
            assert run.outcome == "verified", run.reason
            assert restarts(service) == 1


async def test_where_the_database_has_the_time_a_machines_own_clock_is_nothing(
    tmp_path: Path, offset: Path, database_url: str
) -> None:
    """Wrong by hours from the start, and set again in the middle."""
    step(offset, -HOURS)
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, SLOW, world=world, clock=SteppedClock(offset), store__url=database_url) as service:
            await followed(service, 0)
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: state_of(service, "verify"), what="it verifies")
            step(offset, HOURS)
            await asyncio.sleep(2.5)  # two looks at the clock
            await followed(service, 0)
            [run] = await service.ended()
            assert run.outcome == "verified", run.reason
            assert restarts(service) == 1
            assert world.pagerduty.incidents() == []
