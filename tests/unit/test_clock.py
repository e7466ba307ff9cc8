import asyncio
from datetime import UTC, timedelta

from remediator.clock import Clock, SystemClock
from tests.support.clock import T0, ManualClock


async def test_the_system_clock_gives_aware_utc_and_a_boot_time_that_passes() -> None:
    clock: Clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = clock.boottime()
    await clock.sleep(0.001)
    assert clock.boottime() - before >= 0.001


async def test_the_system_clock_takes_a_negative_sleep_for_none() -> None:
    await asyncio.wait_for(SystemClock().sleep(-3600), timeout=5)


async def test_hours_pass_at_once_and_wake_sleepers_in_order(clock: ManualClock) -> None:
    woke: list[tuple[str, timedelta]] = []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woke.append((name, clock.now() - T0))

    booted = clock.boottime()
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("a", 7200))
        group.create_task(sleeper("b", 60, 60))
        await clock.until_sleeping(2)
        await clock.advance(119)
        assert woke == [("b", timedelta(seconds=60))]
        await clock.advance(7200 - 119)
    assert woke[1:] == [("b", timedelta(seconds=120)), ("a", timedelta(hours=2))]
    assert clock.now() - T0 == timedelta(hours=2)
    assert clock.boottime() - booted == 7200


async def test_a_cancelled_sleeper_is_forgotten(clock: ManualClock) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep(10))
        await clock.until_sleeping()
        task.cancel()
    assert clock.sleepers == 0
    await clock.advance(20)
    assert clock.now() - T0 == timedelta(seconds=20)
