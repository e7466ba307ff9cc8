import asyncio
from datetime import UTC, timedelta

import pytest

from remediator.clock import Clock, DisciplinedClock, SystemClock
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


STEADY_AFTER = timedelta(seconds=30)


def compared(disciplined: DisciplinedClock, machine: ManualClock, *, took_s: float = 0.0) -> timedelta:
    return disciplined.observe(machine.now(), machine.boottime() - took_s)


async def test_disciplined_time_follows_small_differences_and_holds_steps_back(clock: ManualClock) -> None:
    disciplined = DisciplinedClock(clock, steady_after=STEADY_AFTER)
    clock.step(timedelta(seconds=5))
    assert compared(disciplined, clock) == timedelta(0)
    assert disciplined.now() == clock.now() == T0 + timedelta(seconds=5)
    clock.step(timedelta(seconds=5, microseconds=1))
    assert compared(disciplined, clock) == timedelta(seconds=5, microseconds=1)
    await clock.advance(60)
    assert disciplined.now() == T0 + timedelta(seconds=65), "it goes on as if nothing had been"


@pytest.mark.parametrize("step", [timedelta(hours=3), timedelta(hours=-3), timedelta(days=20_000)])
async def test_an_adopted_step_is_the_time_from_then_on_and_nothing_is_begun_for_a_while_s28(
    clock: ManualClock, step: timedelta
) -> None:
    disciplined = DisciplinedClock(clock, steady_after=STEADY_AFTER)
    assert disciplined.steady_in() == 0
    clock.step(step)
    assert compared(disciplined, clock) == step
    await clock.advance(600)
    assert disciplined.steady_in() == 30, "as long as it is held back"
    disciplined.adopt(step)
    assert (disciplined.now(), disciplined.step) == (clock.now(), timedelta(0))
    await clock.advance(29)
    assert disciplined.steady_in() == 1
    await clock.advance(1)
    assert disciplined.steady_in() == 0


async def test_an_adopted_step_can_be_taken_back(clock: ManualClock) -> None:
    disciplined = DisciplinedClock(clock, steady_after=STEADY_AFTER)
    clock.step(step := timedelta(hours=-1))
    compared(disciplined, clock)
    disciplined.adopt(step)
    disciplined.adopt(-step)
    assert (disciplined.now(), disciplined.step) == (T0, step)


async def test_a_step_that_was_set_right_before_it_was_adopted_is_none(clock: ManualClock) -> None:
    disciplined = DisciplinedClock(clock, steady_after=STEADY_AFTER)
    for step in (timedelta(hours=1), timedelta(hours=-1)):
        clock.step(step)
        compared(disciplined, clock)
    assert disciplined.step == timedelta(0)
    assert disciplined.steady_in() == 0


async def test_a_reference_that_took_long_to_read_says_nothing(clock: ManualClock) -> None:
    """The process can be stopped between the two readings; that is no step."""
    disciplined = DisciplinedClock(clock, steady_after=STEADY_AFTER)
    await clock.advance(60)
    assert disciplined.observe(clock.now() - timedelta(seconds=60), clock.boottime() - 60) == timedelta(0)
    assert disciplined.now() == clock.now()


async def test_a_reference_that_took_a_moment_is_taken_for_the_middle_of_it(clock: ManualClock) -> None:
    disciplined = DisciplinedClock(clock, steady_after=STEADY_AFTER)
    await clock.advance(1)
    disciplined.start_at(T0 + timedelta(hours=1), clock.boottime() - 1)
    assert disciplined.now() == T0 + timedelta(hours=1, seconds=0.5)
