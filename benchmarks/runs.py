"""Runs a second, from one webhook to the last verified run: on SQLite and PostgreSQL, by one replica, two and four.

The floor is the bare client that restarts as many Deployments, as many at once as one replica drives.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks import bare
from benchmarks.databases import fresh_database, postgresql
from benchmarks.frame import Row, Scale
from benchmarks.history import lengths
from benchmarks.polling import until
from benchmarks.stage import Past, stage
from benchmarks.world import Cluster, cluster

_AT_ONCE = 32


def rows(scale: Scale) -> Iterator[Row]:
    """One a store, a number of replicas, of runs, and a length of history."""
    with ExitStack() as started:
        world = started.enter_context(cluster())
        count = scale.of(quick=4, full=200)
        floor = asyncio.run(bare.restarted(world, world.deploy("floor", count + 1), at_once=_AT_ONCE))
        per_run_ms = floor.seconds / count * 1e3
        for number in scale.of(quick=(4,), full=(200, 1_000)):
            yield _row(world, None, per_run_ms, runs=number)
        for past in lengths(scale):
            yield _row(world, None, per_run_ms, runs=count, past=past)
        server = started.enter_context(postgresql())
        if server is None:
            yield Row("runs", {"store": "postgresql"}, {}, note="not run: no PostgreSQL here")
            return
        for replicas in scale.of(quick=(2,), full=(1, 2, 4)):
            url = asyncio.run(fresh_database(server))
            yield _row(world, url, per_run_ms, runs=count, replicas=replicas)


def _row(world: Cluster, url: str | None, floor_ms: float, *, runs: int, replicas: int = 1, past: int = 0) -> Row:
    store = "sqlite" if url is None else "postgresql"
    took_s, cpu_s, requests, peak_mib = asyncio.run(
        _measured(world, f"{store}-{runs}-{replicas}-{past}", url, runs, replicas, Past(rows=past))
    )
    figures = {
        "runs_per_s": runs / took_s,
        "cpu_ms_per_run": cpu_s / runs * 1e3,
        "api_requests_per_run": requests / runs,
        "peak_mib": peak_mib,
    }
    case: dict[str, str | int] = {"store": store, "replicas": replicas, "runs": runs, "history": past}
    return Row("runs", case, figures, "the bare client's time", took_s / runs * 1e3 / floor_ms)


async def _measured(
    world: Cluster, prefix: str, url: str | None, count: int, replicas: int, past: Past
) -> tuple[float, float, int, float]:
    names = world.deploy(prefix, count + 1)
    async with stage(world, url=url, replicas=replicas, past=past) as on:
        await on.alert(names[-1])
        await until(lambda: on.metric("remediator_runs_total"), 1)
        loop = asyncio.get_running_loop()
        asked, cpu_before, began = world.requests(), on.cpu_s(), loop.time()
        await on.alert(*names[:-1])
        await until(lambda: on.metric("remediator_runs_total"), count + 1)
        took_s, cpu_s = loop.time() - began, on.cpu_s() - cpu_before
        return took_s, cpu_s, world.requests() - asked, max(process.peak_mib() for process in on.processes)
