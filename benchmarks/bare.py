"""The floor of a remedy: our bare Kubernetes client does the same to as many Deployments, and decides, records and verifies nothing."""

import asyncio
import time
from dataclasses import dataclass

from benchmarks.world import NAMESPACE, Cluster
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clients.kubernetes.errors import ConflictError
from remediator.clients.transport import WritePermit, permit
from remediator.clock import SystemClock
from remediator.settings import Cluster as ClusterSettings
from remediator.targets import Target

_TIMEOUT_S = 10.0
_TRIES = 5
"""As our action."""


@dataclass(frozen=True)
class Floor:
    """What the bare client took."""

    seconds: float
    cpu_s: float
    latencies_s: list[float]


async def restarted(world: Cluster, names: list[str], *, at_once: int) -> Floor:
    """Read and restart each of them, but the first: on that one it warms up."""
    clock = SystemClock()
    settings = ClusterSettings.model_validate(
        {"kubeconfig": str(world.kubeconfig), "namespaces": [NAMESPACE], "loopback_only": True}
    )
    client = await connect(settings, name="sandbox", dry_run=False, clock=clock, timeout_s=_TIMEOUT_S)
    limit, latencies = asyncio.Semaphore(at_once), list[float]()

    async def one(name: str) -> None:
        async with limit:
            began = time.perf_counter()
            await _restart(client, name)
            latencies.append(time.perf_counter() - began)

    try:
        with permit(WritePermit(clock.boottime() + 3_600)):
            await _restart(client, names[0])
            began, cpu_before = time.perf_counter(), time.process_time()
            async with asyncio.TaskGroup() as group:
                for name in names[1:]:
                    group.create_task(one(name))
            return Floor(time.perf_counter() - began, time.process_time() - cpu_before, latencies)
    finally:
        await client.close()


async def _restart(client: KubernetesClient, name: str) -> None:
    for _ in range(_TRIES):
        workload = await client.workloads.read(Target.kubernetes("sandbox", NAMESPACE, "deployment", name))
        try:
            await client.workloads.restart(workload, f"int_{name}", client.now())
        except ConflictError:  # a controller wrote its status in between
            continue
        return
    raise RuntimeError(f"{name} was written by others {_TRIES} times")
