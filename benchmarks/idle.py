"""What it costs to do nothing: start, memory and CPU with thousands of open alerts and runs that wait for a person.

The runs wait for an answer. (One that verifies looks at the world every ``timings.look``, and so is not idle.)
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.databases import fresh_database, postgresql
from benchmarks.frame import Aim, Row, Scale
from benchmarks.history import lengths
from benchmarks.polling import until
from benchmarks.stage import RESTART, Past, Stage, stage
from benchmarks.world import Cluster, cluster

_ASK = RESTART.replace("autonomy: act", "autonomy: approve")
_A_WEBHOOK = 50
_BEATS = 5
"""Transactions a second of one that is idle, at most: heartbeats."""
_CPU_AIM, _MEMORY_AIM_MIB = 1.0, 150.0


def rows(scale: Scale) -> Iterator[Row]:
    """One a store and a length of history."""
    open_alerts, waiting = scale.of(quick=(100, 10), full=(10_000, 1_000))
    quiet, seconds = scale.of(quick=(2, 1.0), full=(4, 30.0))
    with ExitStack() as started:
        world = started.enter_context(cluster())
        names = world.deploy("waiting", waiting)
        for past in (0, *lengths(scale)[1:]):
            yield _row(world, None, Past(past, open_alerts), names, quiet, seconds)
        if scale.of(quick=False, full=True) and (server := started.enter_context(postgresql())) is not None:
            yield _row(world, asyncio.run(fresh_database(server)), Past(0, open_alerts), names, quiet, seconds)


def _row(world: Cluster, url: str | None, past: Past, names: list[str], quiet: int, seconds: float) -> Row:
    start_s, memory_mib, cpu = asyncio.run(_measured(world, url, past, names, quiet, seconds))
    store = "sqlite" if url is None else "postgresql"
    case: dict[str, str | int] = {"store": store, "open": past.open_alerts, "waiting": len(names)}
    figures = {"start_s": start_s, "memory_mib": memory_mib, "cpu_percent": cpu}
    met = cpu < _CPU_AIM and memory_mib < _MEMORY_AIM_MIB
    aim = Aim(f"CPU below {_CPU_AIM:.0f} %, memory below {_MEMORY_AIM_MIB:.0f} MiB", met)
    return Row("idle", case | {"history": past.rows}, figures, aim=aim)


async def _measured(
    world: Cluster, url: str | None, past: Past, names: list[str], quiet: int, seconds: float
) -> tuple[float, float, float]:
    async with stage(world, url=url, past=past, playbooks={"ask": _ASK}) as on:
        for first in range(0, len(names), _A_WEBHOOK):
            await on.alert(*names[first : first + _A_WEBHOOK], severity="low")  # of which nobody is paged
        # A start decides every open alert anew; then it is idle.
        await until(lambda: on.metric("remediator_decisions_total"), past.open_alerts + len(names))
        await _settled(on, quiet)
        before, [process] = on.cpu_s(), on.processes
        await asyncio.sleep(seconds)
        return on.started_in_s, process.memory_mib(), (on.cpu_s() - before) / seconds * 100


async def _settled(on: Stage, quiet: int) -> None:
    """Until nothing was decided at so many looks, a second apart."""
    former, seen = -1.0, 0
    while seen < quiet:
        decided = await on.metric("remediator_commit_duration_seconds_count")
        former, seen = decided, seen + 1 if decided - former < _BEATS else 0
        await asyncio.sleep(1)
