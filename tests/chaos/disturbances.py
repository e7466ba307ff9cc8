"""What is done to replicas and their surroundings while they work. Each leaves everything as it found it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

from tests.chaos.replica import WAYS, Replica
from tests.chaos.site import LEASE_S, TAKEN_OVER_AFTER_S, Site
from tests.chaos.tcp_proxy import Network

Disturbance = Callable[[Site], Coroutine[Any, Any, None]]

POINTS = (
    *(
        f"commit.{label}.{when}"
        for label in ("claim_runs", "begin_step", "end_step", "advance_run")
        for when in ("before", "after")
    ),
    "send.kubernetes.before",
    "send.kubernetes.after",
)
"""Where a replica has something in its hand."""
_OUTAGE_S = 2 * LEASE_S
_POINT_WITHIN_S = 12.0


async def killed_at_random(site: Site) -> None:
    """Any replica, again and again; its supervisor starts the next at once or a while later."""
    for _ in range(6):
        await asyncio.sleep(site.chance.uniform(0.2, 1.0))
        replica = site.chance.choice(site.replicas)
        replica.stays_down_s = site.chance.choice((0.0, 0.0, LEASE_S))
        replica.kill()


async def killed_at_points(site: Site) -> None:
    """Every replica in the middle of something, the first time that it comes there."""
    await _struck(site, signal.SIGKILL)


async def frozen_at_points(site: Site) -> None:
    """Every replica in the middle of something, until others have had time to take its work over."""
    await _struck(site, signal.SIGSTOP)


async def _struck(site: Site, by: signal.Signals) -> None:
    for replica in site.replicas:
        replica.arm((site.chance.choice(POINTS), site.chance.choice((1, 1, 2))), by)
    async with asyncio.TaskGroup() as group:
        for replica in site.replicas:
            group.create_task(_thawed_later(replica) if by is signal.SIGSTOP else _reached(replica))


async def _reached(replica: Replica) -> bool:
    try:
        async with asyncio.timeout(_POINT_WITHIN_S):
            await replica.victim.struck.wait()
    except TimeoutError:
        replica.disarm()  # others had all the work
    return replica.victim.struck.is_set()


async def _thawed_later(replica: Replica) -> None:
    if await _reached(replica):
        await asyncio.sleep(TAKEN_OVER_AFTER_S + LEASE_S)
    replica.thaw()


async def frozen_at_random(site: Site) -> None:
    """One replica after the other, longer than its lease."""
    for replica in site.chance.sample(site.replicas, len(site.replicas)):
        await asyncio.sleep(site.chance.uniform(0.2, 1.0))
        replica.freeze()
        await asyncio.sleep(TAKEN_OVER_AFTER_S)
        replica.thaw()


def cut_off(way: str, network: Network) -> Disturbance:
    """One replica after the other loses one thing that it talks to."""

    async def disturb(site: Site) -> None:
        for replica in site.chance.sample(site.replicas, len(site.replicas)):
            await asyncio.sleep(site.chance.uniform(0.1, 0.5))
            replica.ways[way].becomes(network)
            await asyncio.sleep(_OUTAGE_S)
            replica.ways[way].becomes(Network.FINE)

    return disturb


def nobody_reaches(way: str, network: Network) -> Disturbance:
    """All lose it at once."""

    async def disturb(site: Site) -> None:
        await asyncio.sleep(site.chance.uniform(0.1, 1.5))
        for replica in site.replicas:
            replica.ways[way].becomes(network)
        await asyncio.sleep(_OUTAGE_S)
        for replica in site.replicas:
            replica.ways[way].becomes(Network.FINE)

    return disturb


async def slow_store(site: Site) -> None:
    """Every piece on its way to the store and back takes its time."""
    for replica in site.replicas:
        replica.ways["store"].delay_s = site.chance.uniform(0.02, 0.1)
    await asyncio.sleep(_OUTAGE_S)
    for replica in site.replicas:
        replica.ways["store"].delay_s = 0.0


async def clocks_step(site: Site) -> None:
    """The wall clocks of replicas jump, forward and back, by seconds and by hours."""
    for _ in range(4):
        await asyncio.sleep(site.chance.uniform(0.3, 1.0))
        replica = site.chance.choice(site.replicas)
        replica.step_clock(site.chance.choice((-7_200.0, -20.0, 20.0, 7_200.0)))
    for replica in site.replicas:
        replica.step_clock(0.0)


async def all_at_once(site: Site) -> None:
    """One is killed, one is frozen, and every way is cut now and again."""
    network = (Network.SILENT, Network.REFUSED)
    async with asyncio.TaskGroup() as group:
        group.create_task(killed_at_random(site))
        group.create_task(frozen_at_random(site))
        for way in WAYS:
            group.create_task(cut_off(way, site.chance.choice(network))(site))
