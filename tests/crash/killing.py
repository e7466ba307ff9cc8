"""Which kills to play, and one play of them; for both stores."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.crash import verdict
from tests.crash.databases import PostgresDatabase
from tests.crash.nursery import Kill, Nursery
from tests.crash.scenarios import SCENARIOS
from tests.crash.stage import Stage, staged
from tests.support.shared_database import fresh

ALL = os.environ.get("REMEDIATOR_CRASH_ALL") == "1"
ONLY = os.environ.get("REMEDIATOR_CRASH_ONLY", "")
SEED = int(os.environ.get("REMEDIATOR_CRASH_SEED", "1"))
_AT_ONCE = int(os.environ.get("REMEDIATOR_CRASH_AT_ONCE", "4"))
_RUN_POINTS = ("commit.begin_step.", "commit.end_step.", "commit.advance_run.", "send.kubernetes.")
_SCENARIOS_A_RUN_POINT = 2
_SCENARIOS_A_POINT = 1
"""In how many of the scenarios that pass a point it is killed there: the one that passes it most, then some chosen by the seed."""
_ALIKE = ("commit.heartbeat.", "commit.recover.")
"""One pass is like another. Of every other point the first or the last is taken, of a run's points both: the last one ends it."""
_EACH_DIFFERS = ("commit.operate.",)
"""Every pass is another order, so each is taken."""
_BETWEEN = 1
"""So many kills per scenario at a pass that is not taken otherwise, chosen by the seed."""
_ON_THE_SECOND_STORE = 1
_DOUBLE_KILLS = 1
"""Plays per scenario in which the process that takes over dies too."""
_PLAY_S = 300.0

_PATIENT = {"timings__request": "2s", "timings__lease": "6s"}
"""Worlds of several plays share one loop, which may stand still for a second on a busy machine."""
_ON_POSTGRESQL = {"timings__request": "2s", "timings__lease": "4s", "timings__takeover": "200ms"}
"""Nothing proves there that a process is gone: its runs are taken over when their lease is."""

ON_POSTGRESQL = [name for name in SCENARIOS if name != "the_clock_is_set_back"]
"""There the database's clock is the clock, and that of a replica may be as it likes (S28)."""

_passed: dict[str, list[str]] = {}
"""Points in order, by scenario, of the play without a kill."""


async def play(
    name: str, directory: Path, nursery: Nursery, kills: Sequence[Kill] = (), *, server: str | None = None
) -> Stage:
    """One play from the first alert to a clean stop; raises what is wrong at its end. ``server`` None: on a SQLite file."""
    scenario = SCENARIOS[name]
    directory.mkdir()
    async with (
        _database(server) as database,
        staged(
            directory,
            nursery,
            playbooks=scenario.playbooks,
            kills=kills,
            database=database,
            **{**(_PATIENT if database is None else _ON_POSTGRESQL), **scenario.settings},
        ) as stage,
    ):
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
                wrong.append(f"{name}: {told(error)}\n  log: {directory}/{name}-undisturbed/remediator.log")

    wrong: list[str] = []
    await asyncio.gather(*(one(name) for name in SCENARIOS if name not in _passed))
    assert not wrong, "undisturbed plays went wrong:\n" + "\n".join(wrong)
    return _passed


def kills_for(name: str, reached: Mapping[str, Sequence[str]]) -> list[tuple[Kill, ...]]:
    """Where to kill: at the first and last pass of points, at some between, and once more while it recovers."""
    counts = Counter(reached[name])
    chance = random.Random(f"{SEED}:{name}")
    chosen: list[tuple[Kill, ...]] = []
    between: list[tuple[Kill, ...]] = []
    for point, count in counts.items():
        every: list[tuple[Kill, ...]] = [((point, nth),) for nth in range(1, count + 1)]
        if not (ALL or _is_killed_at(point, name, reached)):
            between += every
        elif ALL or point.startswith(_EACH_DIFFERS):
            chosen += every
        elif point.startswith(_ALIKE):
            chosen += every[:1]
        elif not point.startswith(_RUN_POINTS):
            chosen.append(chance.choice((every[0], every[-1])))
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


def at_first(points: Iterable[str], reached: Mapping[str, Sequence[str]]) -> dict[str, list[tuple[Kill, ...]]]:
    """Kills at the first pass of these, which every play comes to; how often a point is passed after that, time decides."""
    chosen: dict[str, list[tuple[Kill, ...]]] = {}
    for point in sorted(points):
        richest = max(SCENARIOS, key=lambda scenario: reached[scenario].count(point))
        chosen.setdefault(richest, []).append(((point, 1),))
    return chosen


def some_of(name: str, kills: Sequence[tuple[Kill, ...]]) -> list[tuple[Kill, ...]]:
    """For the second store: chosen by the seed, unless all are played."""
    return list(kills) if ALL else random.Random(f"{SEED}:{name}:again").sample(list(kills), _ON_THE_SECOND_STORE)


def _is_killed_at(point: str, name: str, reached: Mapping[str, Sequence[str]]) -> bool:
    passing = [scenario for scenario in SCENARIOS if point in reached[scenario]]
    random.Random(f"{SEED}:{point}").shuffle(passing)
    richest = max(passing, key=lambda scenario: reached[scenario].count(point))
    passing.sort(key=lambda scenario: scenario != richest)
    return name in passing[: _SCENARIOS_A_RUN_POINT if point.startswith(_RUN_POINTS) else _SCENARIOS_A_POINT]


@asynccontextmanager
async def _database(server: str | None) -> AsyncIterator[PostgresDatabase | None]:
    if server is None:
        yield None
        return
    async with fresh(server) as url:
        with PostgresDatabase(url).open() as database:
            yield database


async def played(
    chosen: Mapping[str, Sequence[tuple[Kill, ...]]], directory: Path, nursery: Nursery, *, server: str | None = None
) -> set[str]:
    """Play all kills of these scenarios; returns where processes really died. Raises what went wrong in any of them."""
    gate = asyncio.Semaphore(_AT_ONCE)
    wrong: list[str] = []
    died_at: set[str] = set()

    async def one(name: str, number: int, kills: tuple[Kill, ...]) -> None:
        nonlocal died_at
        folder = directory / f"{name}-{number}"
        async with gate:
            try:
                stage = await play(name, folder, nursery, kills, server=server)
                died_at |= {victim.dying_at for victim in stage.victims if victim.dying_at is not None}
            except Exception as error:
                wrong.append(f"{told(error)}\n  log: {folder}/remediator.log\n  again: {again(name, kills)}")

    plays = [(name, number, kills) for name, of_it in chosen.items() for number, kills in enumerate(of_it)]
    await asyncio.gather(*(one(*which) for which in plays))
    assert not wrong, f"{len(wrong)} of {len(plays)} plays went wrong (seed {SEED}):\n" + "\n".join(wrong)
    return died_at


def only(name: str) -> list[tuple[Kill, ...]]:
    wanted, _, chain = ONLY.partition(":")
    if wanted != name:
        return []
    return [tuple((point, int(nth)) for point, _, nth in (one.rpartition(":") for one in chain.split(",")))]


def again(name: str, kills: Sequence[Kill]) -> str:
    spelt = ",".join(f"{point}:{nth}" for point, nth in kills)
    return f"REMEDIATOR_CRASH_ONLY='{name}:{spelt}' .venv/bin/pytest tests/crash"


def told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(told(inner) for inner in error.exceptions)
    return f"{type(error).__name__}: {error}"[:3_000]
