"""SIGKILL at every point, then a fresh start: nothing acknowledged is lost, nothing is done twice, nothing is left hanging.

A first play of each scenario, without a kill, writes down which points it passes. Then it is played again for each of them, and the
process is killed there. ``REMEDIATOR_CRASH_ALL=1`` kills at every time that a point is passed, not only at some.
``REMEDIATOR_CRASH_SEED`` makes another choice, ``REMEDIATOR_CRASH_AT_ONCE`` plays more at once (4).
``REMEDIATOR_CRASH_ONLY=<scenario>:<point>:<nth>[,<point>:<nth>]`` plays one alone; failures print it.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.crash import points, verdict
from tests.crash.nursery import Kill, Nursery
from tests.crash.scenarios import SCENARIOS
from tests.crash.stage import Stage, staged

pytestmark = [pytest.mark.crash, pytest.mark.slow]

_ALL = os.environ.get("REMEDIATOR_CRASH_ALL") == "1"
_ONLY = os.environ.get("REMEDIATOR_CRASH_ONLY", "")
_SEED = int(os.environ.get("REMEDIATOR_CRASH_SEED", "1"))
_AT_ONCE = int(os.environ.get("REMEDIATOR_CRASH_AT_ONCE", "4"))
_RUN_POINTS = ("commit.begin_step.", "commit.end_step.", "commit.advance_run.", "send.kubernetes.")
_SCENARIOS_A_RUN_POINT = 3
_SCENARIOS_A_POINT = 2
"""In how many of the scenarios that pass a point it is killed there: the one that passes it most, and some chosen by the seed."""
_ALIKE = ("commit.heartbeat.", "commit.recover.")
"""One pass is like another. Of every other point the last pass is taken too: it ends a run, or carries out an order."""
_EACH_DIFFERS = ("commit.operate.",)
"""Every pass is another order, so each is taken."""
_BETWEEN = 2
"""So many kills per scenario at a pass that is not taken otherwise, chosen by the seed."""
_DOUBLE_KILLS = 1
"""Plays per scenario in which the process that takes over dies too."""
_PLAY_S = 60.0

_passed: dict[str, list[str]] = {}
"""Points in order, by scenario, of the play without a kill."""
_died_at: dict[str, set[str]] = {}
"""Points at which a process really died, by scenario."""


async def play(name: str, directory: Path, nursery: Nursery, kills: Sequence[Kill] = ()) -> Stage:
    """One play from the first alert to a clean stop; raises what is wrong at its end."""
    scenario = SCENARIOS[name]
    directory.mkdir()
    async with staged(directory, nursery, playbooks=scenario.playbooks, kills=kills, **scenario.settings) as stage:
        async with asyncio.timeout(_PLAY_S), asyncio.TaskGroup() as group:
            group.create_task(stage.supervise())
            await scenario.play(stage)
            await verdict.check(stage, fixed=scenario.fixed)
            await stage.stop()
        verdict.check_stopped(stage)
    return stage


async def passed(directory: Path, nursery: Nursery) -> dict[str, list[str]]:
    """The points that each scenario passes when nobody disturbs it."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            try:
                _passed[name] = (await play(name, directory / f"{name}-undisturbed", nursery)).reached
            except Exception as error:
                wrong.append(f"{name}: {_told(error)}\n  log: {directory}/{name}-undisturbed/remediator.log")

    wrong: list[str] = []
    await asyncio.gather(*(one(name) for name in SCENARIOS if name not in _passed))
    assert not wrong, "undisturbed plays went wrong:\n" + "\n".join(wrong)
    return _passed


def kills_for(name: str, reached: Mapping[str, Sequence[str]]) -> list[tuple[Kill, ...]]:
    """Where to kill: at the first and last pass of points, at some between, and once more while it recovers."""
    counts = Counter(reached[name])
    chance = random.Random(f"{_SEED}:{name}")
    chosen: list[tuple[Kill, ...]] = []
    between: list[tuple[Kill, ...]] = []
    for point, count in counts.items():
        every: list[tuple[Kill, ...]] = [((point, nth),) for nth in range(1, count + 1)]
        if not (_ALL or _is_killed_at(point, name, reached)):
            between += every
        elif _ALL or point.startswith(_EACH_DIFFERS):
            chosen += every
        elif point.startswith(_ALIKE):
            chosen += every[:1]
        else:
            chosen += every[:1] + every[1:][-1:]
            between += every[1:-1]
    chosen += chance.sample(between, min(_BETWEEN, len(between)))
    begun = [point for point in counts if point.startswith(_RUN_POINTS)] or list(counts)
    second = [point for point in counts if point.startswith(("commit.recover.", "commit.claim_runs.", *_RUN_POINTS))]
    double: list[tuple[Kill, ...]] = [
        ((chance.choice(begun), 1), (chance.choice(second), 1)) for _ in range(_DOUBLE_KILLS)
    ]
    return [*chosen, *double]


def _is_killed_at(point: str, name: str, reached: Mapping[str, Sequence[str]]) -> bool:
    passing = [scenario for scenario in SCENARIOS if point in reached[scenario]]
    random.Random(f"{_SEED}:{point}").shuffle(passing)
    richest = max(passing, key=lambda scenario: reached[scenario].count(point))
    passing.sort(key=lambda scenario: scenario != richest)
    return name in passing[: _SCENARIOS_A_RUN_POINT if point.startswith(_RUN_POINTS) else _SCENARIOS_A_POINT]


@pytest.mark.parametrize("name", SCENARIOS)
async def test_killed_anywhere_it_loses_nothing_and_repeats_nothing(
    name: str, tmp_path: Path, nursery: Nursery
) -> None:
    async with nursery.attached():
        chosen = _only(name) if _ONLY else kills_for(name, await passed(tmp_path, nursery))
        gate = asyncio.Semaphore(_AT_ONCE)
        wrong: list[str] = []
        died_at: set[str] = set()

        async def one(number: int, kills: tuple[Kill, ...]) -> None:
            nonlocal died_at
            async with gate:
                try:
                    stage = await play(name, tmp_path / str(number), nursery, kills)
                    died_at |= {victim.dying_at for victim in stage.victims if victim.dying_at is not None}
                except Exception as error:
                    log = tmp_path / str(number) / "remediator.log"
                    wrong.append(f"{_told(error)}\n  log: {log}\n  again: {_again(name, kills)}")

        await asyncio.gather(*(one(number, kills) for number, kills in enumerate(chosen)))
    _died_at[name] = died_at
    assert not wrong, f"{len(wrong)} of {len(chosen)} plays went wrong (seed {_SEED}):\n" + "\n".join(wrong)


async def test_every_point_of_the_code_is_passed_and_killed_at(tmp_path: Path, nursery: Nursery) -> None:
    """Last, so that it knows all kills; without the tests above (``-k``) it only asks what the scenarios pass."""
    known = set(points.enumerated())
    async with nursery.attached():
        reached = {point for points_passed in (await passed(tmp_path, nursery)).values() for point in points_passed}
    assert known - reached == set(), "no scenario passes these points: write one"
    assert reached - known == set(), "points.py does not find these in the code"
    if _died_at.keys() == SCENARIOS.keys() and not _ONLY:
        assert known - set().union(*_died_at.values()) == set(), "chosen, and never really killed at"


def _only(name: str) -> list[tuple[Kill, ...]]:
    wanted, _, chain = _ONLY.partition(":")
    if wanted != name:
        pytest.skip(f"REMEDIATOR_CRASH_ONLY={_ONLY}")
    return [tuple((point, int(nth)) for point, _, nth in (one.rpartition(":") for one in chain.split(",")))]


def _again(name: str, kills: Sequence[Kill]) -> str:
    spelt = ",".join(f"{point}:{nth}" for point, nth in kills)
    return f"REMEDIATOR_CRASH_ONLY='{name}:{spelt}' .venv/bin/pytest tests/crash/test_sigkill.py"


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"[:3_000]
