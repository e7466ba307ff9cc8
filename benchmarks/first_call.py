"""From the webhook to the first call that changes something, with ``settle: 0s``: idle, and while a hundred others come a second.

The floor is what the bare client needs to read and restart a Deployment.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from benchmarks import bare
from benchmarks.frame import Aim, Row, Scale, percentile
from benchmarks.history import lengths
from benchmarks.load import TOKEN, bodies
from benchmarks.polling import until
from benchmarks.stage import Past, Stage, stage
from benchmarks.world import Cluster, cluster

_AIM_MS = 100.0
_A_BODY = 10
_POST_EVERY_S = 0.1
_BETWEEN_S = 0.5


def rows(scale: Scale) -> Iterator[Row]:
    """One a load and a length of history."""
    count = scale.of(quick=2, full=60)
    with cluster() as world:
        floor = asyncio.run(bare.restarted(world, world.deploy("floor", count + 1), at_once=1)).latencies_s
        for past, loaded in ((0, False), (0, True), *((length, False) for length in lengths(scale))):
            took = asyncio.run(_measured(world, f"first-{past}-{int(loaded)}", count, Past(rows=past), loaded))
            p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
            case: dict[str, str | int] = {"load": "100 alerts/s" if loaded else "idle", "history": past}
            aim = None if loaded else Aim(f"p99 below {_AIM_MS:.0f} ms", p99 * 1e3 < _AIM_MS)
            figures = {"p50_ms": p50 * 1e3, "p99_ms": p99 * 1e3}
            yield Row("first call", case, figures, "the bare client", p50 / percentile(floor, 0.5), aim)


async def _measured(world: Cluster, prefix: str, count: int, past: Past, loaded: bool) -> list[float]:
    names = world.deploy(prefix, count + 1)
    async with stage(world, past=past) as on:
        await _one(on, names[-1], 1)
        with _pouring(on.replicas[0].port, loaded):
            sent = {}
            for number, name in enumerate(names[:-1]):
                sent[name] = time.time()
                await _one(on, name, number + 2)
        writes = world.writes()
        return [writes[name] - at for name, at in sent.items()]


async def _one(on: Stage, name: str, calls: int) -> None:
    """One alert, and its first call; the next one finds a service that only waits for rollouts."""
    await on.alert(name)
    await until(lambda: on.metric("remediator_alert_to_first_call_seconds_count"), calls)
    await asyncio.sleep(_BETWEEN_S)


@contextmanager
def _pouring(port: int, loaded: bool) -> Iterator[None]:
    """New alerts that match nothing, from another process: more than can be decided would only measure the queue."""
    if not loaded:
        yield
        return
    process = multiprocessing.get_context("spawn").Process(target=_pour, args=(port,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def _pour(port: int) -> None:
    asyncio.run(_post(f"http://127.0.0.1:{port}/webhook/alertmanager"))


async def _post(url: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for body in bodies(_A_BODY):
            async with session.post(url, data=body) as answer:
                await answer.read()
            await asyncio.sleep(_POST_EVERY_S)
