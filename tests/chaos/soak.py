"""Every kind of play, again and again with new seeds, for as long as ``REMEDIATOR_SOAK_MINUTES`` says; the report goes to SOAK.md.

Not collected by itself: ``make soak`` names it. ``REMEDIATOR_CRASH_SEED`` is the seed of the first round.
"""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

from tests.chaos.kinds import KINDS
from tests.chaos.play import play_kind
from tests.chaos.report import Report
from tests.crash import killing
from tests.crash.nursery import Kill, Nursery
from tests.crash.scenarios import SCENARIOS
from tests.support.database_server import DatabaseServer

_MINUTES = float(os.environ.get("REMEDIATOR_SOAK_MINUTES", "60"))
_SEED = int(os.environ.get("REMEDIATOR_CRASH_SEED", "1"))
_AT_ONCE = int(os.environ.get("REMEDIATOR_CRASH_AT_ONCE", "2"))
_KILLS_A_ROUND = 24
"""Kills of the scenarios of tests/crash, on either store, in a round in which every kind is played once."""


@dataclass(frozen=True, slots=True)
class Job:
    """One play. ``again``: how to play it alone."""

    kind: str
    again: str
    play: Callable[[Path], Awaitable[Counter[str]]]


async def test_soak(tmp_path: Path, nursery: Nursery, server: DatabaseServer, database_server: str) -> None:
    report = Report(seed=_SEED, minutes=_MINUTES)
    gate = asyncio.Semaphore(_AT_ONCE)
    loop = asyncio.get_running_loop()
    until = loop.time() + _MINUTES * 60

    async def one(job: Job, directory: Path) -> None:
        try:
            report.add(job.kind, await job.play(directory))
            shutil.rmtree(directory)
        except Exception as error:
            report.add_finding(job.kind, killing.told(error), job.again)
        finally:
            gate.release()

    async with nursery.attached(), asyncio.TaskGroup() as group:
        passed = await killing.passed(tmp_path, nursery)
        for number in count(_SEED):
            jobs = [*_plays(number, nursery, server), *_kills(number, passed, nursery, database_server)]
            Random(number).shuffle(jobs)
            for place, job in enumerate(jobs):
                await gate.acquire()
                if loop.time() >= until:
                    break
                group.create_task(one(job, tmp_path / f"{number}-{place}"))
            else:
                continue
            break
    report.write()
    assert not report.findings, "\n".join(report.findings)


def _plays(number: int, nursery: Nursery, server: DatabaseServer) -> list[Job]:
    again = "REMEDIATOR_CRASH_SEED={} REMEDIATOR_CHAOS_ONLY='{}' .venv/bin/pytest tests/chaos"
    return [
        Job(
            kind.name,
            again.format(number, kind.name),
            partial(play_kind, kind, nursery=nursery, seed=number, server=server),
        )
        for kind in KINDS
    ]


def _kills(number: int, passed: Mapping[str, Sequence[str]], nursery: Nursery, server: str) -> list[Job]:
    """At any pass of any point of any scenario."""
    chance = Random(f"{number}:kills")
    jobs = []
    for _ in range(_KILLS_A_ROUND):
        name = chance.choice(sorted(SCENARIOS))
        at = chance.randrange(len(passed[name]))
        point = passed[name][at]
        kill = (point, passed[name][: at + 1].count(point))
        on_postgresql = name in killing.ON_POSTGRESQL and chance.random() < 0.5
        jobs.append(
            Job(
                f"killed at an enumerated point on {'PostgreSQL' if on_postgresql else 'SQLite'}",
                killing.again(name, [kill]),
                partial(_killed, name, kill, nursery=nursery, server=server if on_postgresql else None),
            )
        )
    return jobs


async def _killed(name: str, kill: Kill, directory: Path, *, nursery: Nursery, server: str | None) -> Counter[str]:
    stage = await killing.play(name, directory, nursery, [kill], server=server)
    return Counter({"processes killed": sum(victim.dying_at is not None for victim in stage.victims)})
