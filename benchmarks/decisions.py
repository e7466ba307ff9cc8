"""How fast alerts become decisions, and what one costs with few playbooks and with many.

The alerts match nothing but must each be read, stored, looked for among the playbooks, and recorded as decided with an incident: what
an alert costs before anything of the world is asked. The floor of the CPU is the cost with 10 playbooks.
"""

import asyncio
from collections.abc import Iterator

from benchmarks.frame import Aim, Row, Scale
from benchmarks.history import lengths
from benchmarks.polling import until
from benchmarks.stage import RESTART, Past, stage
from benchmarks.world import Cluster, cluster

_AIM = 1.5


def rows(scale: Scale) -> Iterator[Row]:
    """One a number of playbooks and a length of history."""
    count = scale.of(quick=50, full=2_000)
    with cluster() as world:
        floor: float | None = None
        for playbooks in scale.of(quick=(10,), full=(10, 100, 1_000)):
            rate, cpu_us = asyncio.run(_measured(world, count, playbooks=playbooks, past=Past()))
            floor = floor or cpu_us
            aim = Aim(f"at most {_AIM}", cpu_us <= _AIM * floor) if playbooks == 1_000 else None
            yield _row(rate, cpu_us, floor, {"playbooks": playbooks, "history": 0}, aim)
        for past in lengths(scale):
            rate, cpu_us = asyncio.run(_measured(world, count, playbooks=10, past=Past(rows=past)))
            yield _row(rate, cpu_us, floor or cpu_us, {"playbooks": 10, "history": past}, None)


def _row(rate: float, cpu_us: float, floor: float, case: dict[str, int], aim: Aim | None) -> Row:
    figures = {"decisions_per_s": rate, "cpu_us_per_alert": cpu_us}
    return Row("decisions", case, figures, "10 playbooks, no history", cpu_us / floor, aim)


async def _measured(world: Cluster, count: int, *, playbooks: int, past: Past) -> tuple[float, float]:
    texts = {f"p{number}": _playbook(number) for number in range(playbooks)}
    async with stage(world, past=past, playbooks=texts) as on:
        await on.alert("warm", alertname="NobodyKnows0")
        await until(lambda: on.metric("remediator_decisions_total"), 1)
        loop = asyncio.get_running_loop()
        cpu_before, began = on.cpu_s(), loop.time()
        for first in range(0, count, 50):
            names = [f"service-{number}" for number in range(first, first + 50)]
            await on.alert(*names, alertname=f"NobodyKnows{first}")
        await until(lambda: on.metric("remediator_decisions_total"), count + 1)
        return count / (loop.time() - began), (on.cpu_s() - cpu_before) / count * 1e6


def _playbook(number: int) -> str:
    named = RESTART.replace("name: service-down}", f"name: service-down-{number}}}")
    return named.replace('alertname="ServiceDown"', f'alertname="ServiceDown{number}"')
