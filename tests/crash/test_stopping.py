"""How a process ends that is asked to, and how one that should not be there is turned away."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.crash import verdict
from tests.crash.nursery import Nursery, Victim
from tests.crash.stage import Stage, staged
from tests.support.service import RESTART, firing

pytestmark = [pytest.mark.crash, pytest.mark.slow]

_SHUTDOWN_S = 5.0
"""``timings.shutdown`` of tests/support/service.py."""


async def serving(stage: Stage) -> Victim:
    """The service as the command starts it; returns when it takes webhooks."""
    victim = await stage.start(through="serve")
    await stage.until(lambda: '"event":"serving"' in victim.last_words(), "it serves")
    return victim


async def ended_after(victim: Victim, number: signal.Signals) -> float:
    """Signal it; returns how many seconds it took to end."""
    began = asyncio.get_running_loop().time()
    victim.signal(number)
    async with asyncio.timeout(_SHUTDOWN_S + 10):
        await victim.exited.wait()
    return asyncio.get_running_loop().time() - began


async def test_sigterm_in_the_middle_of_a_step_finishes_it_and_exits_0(tmp_path: Path, nursery: Nursery) -> None:
    async with nursery.attached(), staged(tmp_path, nursery, playbooks=[RESTART]) as stage:
        victim = await serving(stage)
        stage.world.deploy("shop", "checkout")
        await stage.world.rolled_out("shop", "checkout")
        slow = stage.world.kubernetes.faults.add(match="PATCH /apis/*", kind="late_answer 0.6")
        await stage.alert(firing(namespace="shop", deployment="checkout"))
        await slow.struck.wait()
        took_s = await ended_after(victim, signal.SIGTERM)
        assert victim.status == 0, victim.last_words()
        assert took_s < _SHUTDOWN_S
        [step] = stage.rows("SELECT state, attempts FROM journal")
        assert step == {"state": "done", "attempts": 1}
        [run] = stage.rows("SELECT state, owner FROM runs")
        assert run == {"state": "waiting", "owner": None}
        restarts = stage.world.kubernetes.changes("deployments", "shop", "checkout", "spec.template")
        assert len(restarts) == 1

        again = await serving(stage)
        [run] = await stage.ended()
        assert run["outcome"] == "verified", run["reason"]
        assert restarts == stage.world.kubernetes.changes("deployments", "shop", "checkout", "spec.template")
        assert await ended_after(again, signal.SIGTERM) < _SHUTDOWN_S
        verdict.check_stopped(stage)


async def test_sigterm_while_a_step_gets_no_answer_leaves_it_to_be_looked_at(tmp_path: Path, nursery: Nursery) -> None:
    async with nursery.attached(), staged(tmp_path, nursery, playbooks=[RESTART]) as stage:
        victim = await serving(stage)
        stage.world.deploy("shop", "checkout")
        await stage.world.rolled_out("shop", "checkout")
        mute = stage.world.kubernetes.faults.add(match="PATCH /apis/*", kind="late_answer 30")
        await stage.alert(firing(namespace="shop", deployment="checkout"))
        await mute.struck.wait()
        took_s = await ended_after(victim, signal.SIGTERM)
        assert victim.status == 0, victim.last_words()
        assert took_s < _SHUTDOWN_S + 1
        assert stage.rows("SELECT id FROM runs WHERE owner IS NOT NULL") == []

        await serving(stage)
        [run] = await stage.ended()
        assert run["outcome"] == "verified", run["reason"]
        assert len(stage.world.kubernetes.changes("deployments", "shop", "checkout", "spec.template")) == 1
        await verdict.check(stage, fixed=True)


async def test_a_second_process_on_the_same_file_is_refused_and_the_first_goes_on(
    tmp_path: Path, nursery: Nursery
) -> None:
    async with nursery.attached(), staged(tmp_path, nursery, playbooks=[RESTART]) as stage:
        first = await serving(stage)
        second = await stage.start(through="serve")
        await second.exited.wait()
        assert second.status == 2
        assert second.refused is not None
        assert "another remediator process uses this SQLite file" in second.refused
        assert str(tmp_path / "remediator.sqlite") in second.refused
        assert "PostgreSQL" in second.refused
        await stage.alert(firing("Known"))
        await stage.until(lambda: stage.rows("SELECT id FROM decisions"), "the first one decides")
        first.signal(signal.SIGKILL)
        await first.exited.wait()
        third = await serving(stage)  # the lock died with its holder
        assert await ended_after(third, signal.SIGTERM) < _SHUTDOWN_S
