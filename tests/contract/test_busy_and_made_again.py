"""Actions on a workload whose status changes all the time, and on one that is deleted and made again in between (S16)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from remediator.answers import Answer
from remediator.errors import OvertakenError
from tests.contract.cases.workload_cases import released, up
from tests.contract.doing import SECOND, Doing
from tests.support.cluster import STRATEGIC, Stage

ACTIONS: list[tuple[str, dict[str, Any]]] = [
    ("kubernetes.rollout_restart", {}),
    ("kubernetes.rollout_undo", {}),
    ("kubernetes.scale", {"to": 5}),
]
_EVERY_S = 0.1


@asynccontextmanager
async def busy(stage: Stage) -> AsyncIterator[list[str]]:
    """A status that changes ten times a second; the versions that it went through."""
    versions: list[str] = []

    async def write() -> None:
        while True:
            said = {"type": "Busy", "status": "True", "reason": "Busy", "message": str(len(versions))}
            found = await stage.patch(
                "Deployment",
                "checkout",
                {"status": {"conditions": [said]}},
                subresource="status",
                content_type=STRATEGIC,
            )
            versions.append(found["metadata"]["resourceVersion"])
            await asyncio.sleep(_EVERY_S)

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        yield versions
        writing.cancel()


@pytest.mark.parametrize(("name", "params"), ACTIONS, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_status_that_changes_ten_times_a_second_is_in_nobodys_way(
    stage: Stage, name: str, params: dict[str, Any]
) -> None:
    target = await released(stage, "Deployment")
    doing = await Doing.on(stage, name, target, **params)
    generation = (await stage.get("Deployment", "checkout"))["metadata"]["generation"]
    async with busy(stage) as versions:
        await _some(versions)
        plan = await doing.plan()
        await _some(versions)
        await doing.apply(plan)
        await _some(versions)
        async with asyncio.timeout(60):
            while await doing.verify(plan) is not Answer.YES:  # noqa: ASYNC110 - nothing to wait for but the server's answer
                await asyncio.sleep(_EVERY_S)
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await stage.get("Deployment", "checkout"))["metadata"]["generation"] == generation + 1


@pytest.mark.parametrize(("name", "params"), ACTIONS, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_workload_made_again_after_the_plan_is_not_touched(
    stage: Stage, name: str, params: dict[str, Any]
) -> None:
    target = await released(stage, "Deployment")
    doing = await Doing.on(stage, name, target, **params)
    plan = await doing.plan()
    await _make_again(stage)
    with pytest.raises(OvertakenError, match="made again"):
        await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert (await stage.get("Deployment", "checkout"))["metadata"]["generation"] == 1


@pytest.mark.parametrize(("name", "params"), ACTIONS, ids=lambda value: value if isinstance(value, str) else "")
async def test_a_workload_made_again_after_the_write_is_neither_verified_nor_put_back(
    stage: Stage, name: str, params: dict[str, Any]
) -> None:
    target = await released(stage, "Deployment")
    doing = await Doing.on(stage, name, target, **params)
    plan = await doing.do()
    undo = await doing.undo_plan(plan)
    await _make_again(stage)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert await doing.verify(plan) is Answer.UNKNOWN
    assert await doing.undo_plan(plan) is None
    if undo is not None:
        with pytest.raises(OvertakenError, match="made again"):
            await doing.apply(undo, SECOND)
    assert (await stage.get("Deployment", "checkout"))["metadata"]["generation"] == 1


async def _some(versions: list[str]) -> None:
    """Wait until the status has changed a few times more."""
    async with asyncio.timeout(60):
        until = len(versions) + 3
        while len(versions) < until:  # noqa: ASYNC110 - the writer has no signal
            await asyncio.sleep(_EVERY_S / 5)


async def _make_again(stage: Stage) -> None:
    await stage.delete("Deployment", "checkout", {"propagationPolicy": "Background"})
    await stage.gone("Deployment", "checkout")
    await up(stage, "Deployment")
