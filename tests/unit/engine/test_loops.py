"""A loop that ends by itself is a failure, however it ends; a stop is none."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from remediator.engine.loops import Loops

LIMIT = timedelta(seconds=5)


async def _until_cancelled() -> None:
    await asyncio.Event().wait()


async def _defect() -> None:
    raise RuntimeError("a defect")


async def _strayed() -> None:
    raise asyncio.CancelledError


async def _over() -> None:
    return


@pytest.mark.parametrize("work", [_defect, _strayed, _over])
async def test_one_that_ends_by_itself_is_a_failure(work: object) -> None:
    async with AsyncExitStack() as cleanups:
        loops = Loops(cleanups=cleanups, shutdown=LIMIT)
        loops.start("one", work())  # type: ignore[operator]
        await asyncio.wait_for(loops.failed.wait(), 60)


async def test_a_stop_is_none_and_lets_the_work_in_hand_be_finished() -> None:
    stopping, finished = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await stopping.wait()
        finished.set()

    async with AsyncExitStack() as cleanups:
        loops = Loops(cleanups=cleanups, shutdown=LIMIT)
        loops.start("cancelled", _until_cancelled())
        loops.start("finishes", work(), stop=stopping.set)
    assert finished.is_set()
    assert not loops.failed.is_set()
