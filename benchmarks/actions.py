"""How long a thousand restarts take on a real API server, from the webhook to the last verified run, and what they cost.

    python -m benchmarks.actions [--workloads 1000] [--json FILE]

The floor, in the same run and on the same control plane: our bare client sends the same restarts to as many other Deployments, as many
at once as remediator drives, and waits until all are rolled out. That is what etcd, API server and controllers need by themselves;
the ratio says what deciding, journalling and verifying add. Needs the test bed of ``tests/controlplane`` (built when missing).
"""

import argparse
import asyncio
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.frame import QUICK, Aim, Process, Row, Scale
from benchmarks.stage import API_TOKEN, RESTART
from remediator.actions import action_named
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.transport import WritePermit, permit
from remediator.clock import SystemClock
from remediator.engine.finding import permissions_to_find
from tests.controlplane import shared
from tests.support.cluster import CLUSTER
from tests.support.real_cluster import RealStage
from tests.support.served import Served
from tests.support.service import TOKEN, body, firing

AT_ONCE = 64
_AIM = 4.0


@dataclass(frozen=True)
class Result:
    """Seconds unless the name says otherwise."""

    workloads: int
    floor_s: float
    to_last_verified_s: float
    ratio: float
    run_p50_s: float
    run_p99_s: float
    verified: int
    api_requests_per_run: float
    peak_memory_mib: float
    cpu_per_run_ms: float
    machine: str


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.actions", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--workloads", type=int, default=1000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    arguments = parser.parse_args()
    result = asyncio.run(measured(arguments.workloads))
    for name, value in asdict(result).items():
        print(f"{name:24} {value}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(asdict(result), indent=2) + "\n")


def rows(scale: Scale) -> Iterator[Row]:
    """Of some hundred and of a thousand restarts. Not in a quick run: setting up takes minutes."""
    if scale is QUICK:
        yield Row("actions", {}, {}, note="not run: takes minutes; python -m benchmarks --only actions")
        return
    for count in (200, 1_000):
        result = asyncio.run(measured(count))
        figures = {name: value for name, value in asdict(result).items() if isinstance(value, float)}
        del figures["ratio"]
        aim = Aim(f"at most {_AIM} times", result.ratio <= _AIM)
        case: dict[str, str | int] = {"workloads": count, "verified": result.verified}
        yield Row("actions", case, figures, "the bare client and the cluster", result.ratio, aim)


async def measured(count: int) -> Result:
    """Set up, the floor, then remediator."""
    owner = shared.Owner()
    try:
        plane = await asyncio.to_thread(shared.control_plane, print)
        with tempfile.TemporaryDirectory() as directory:
            async with RealStage("benchmark", Path(directory), plane=plane) as stage:
                return await _measure(stage, Path(directory), count)
    finally:
        owner.close()


async def _measure(stage: RealStage, directory: Path, count: int) -> Result:
    floor_names = [f"floor-{number}" for number in range(count)]
    names = [f"service-{number}" for number in range(count)]
    print(f"making {2 * count} Deployments of one pod each ...")
    await _all(lambda name: stage.workload(name, replicas=1), [*floor_names, *names])
    await _rolled_out(stage, 2 * count)

    print("the floor: the bare client")
    restart = action_named("kubernetes.rollout_restart")
    needed = {*restart.permissions("deployment", restart.params()), *permissions_to_find("workload", "deployment")}
    client = await stage.client(needed)
    began = time.perf_counter()
    with permit(WritePermit(SystemClock().boottime() + 3600)):
        await _all(lambda name: _restart(client, stage, name), floor_names)
    await _rolled_out(stage, 2 * count)
    floor_s = time.perf_counter() - began

    print("remediator: one webhook with all alerts")
    (directory / "playbooks").mkdir()
    (directory / "playbooks" / "service-down.yaml").write_text(RESTART)
    served = Served(directory, _settings(stage, directory, await stage.credentials(needed), count), API_TOKEN)
    await served.start()
    try:
        alerts = [firing(namespace=stage.namespace, deployment=name) for name in names]
        before = len(await stage.audit())
        process = Process(served.pid)
        cpu_before = process.cpu_s()
        began = time.perf_counter()
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{served.url}/webhook/alertmanager",
                json=body(*alerts),
                headers={"Authorization": f"Bearer {TOKEN}"},
            ) as answer,
        ):
            assert answer.status == 200, await answer.text()
        runs = await _ended(served, count)
        took_s = time.perf_counter() - began
        cpu_s, peak = process.cpu_s() - cpu_before, process.peak_mib()
    finally:
        await served.end()
    requests = len(await stage.audit()) - before
    spans = sorted(_span_s(run) for run in runs)
    return Result(
        workloads=count,
        floor_s=round(floor_s, 1),
        to_last_verified_s=round(took_s, 1),
        ratio=round(took_s / floor_s, 2),
        run_p50_s=round(statistics.median(spans), 2),
        run_p99_s=round(spans[int(len(spans) * 0.99) - 1], 2),
        verified=sum(run["outcome"] == "verified" for run in runs),
        api_requests_per_run=round(requests / count, 1),
        peak_memory_mib=round(peak, 0),
        cpu_per_run_ms=round(cpu_s * 1000 / count, 1),
        machine=f"{platform.machine()}, Python {platform.python_version()}",
    )


async def _restart(client: KubernetesClient, stage: RealStage, name: str) -> None:
    workload = await client.workloads.read(stage.target(name))
    await client.workloads.restart(workload, f"int_{name}", client.now())


async def _all(do: Any, names: list[str]) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with limit:
            await do(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))


async def _rolled_out(stage: RealStage, count: int) -> None:
    while True:
        found = await stage.list("Deployment")
        if sum(_done(one) for one in found) == count:
            return
        await asyncio.sleep(0.5)


def _done(deployment: dict[str, Any]) -> bool:
    status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0)
        == status.get("replicas", 0)
        == status.get("availableReplicas", 0)
        == wanted
    )


async def _ended(served: Served, count: int) -> list[dict[str, Any]]:
    while True:
        found: list[dict[str, Any]] = (await served.get(f"runs?state=ended&limit={count}"))["runs"]
        if len(found) >= count:
            return found
        await asyncio.sleep(1)


def _span_s(run: dict[str, Any]) -> float:
    return (datetime.fromisoformat(run["ended_at"]) - datetime.fromisoformat(run["created_at"])).total_seconds()


def _settings(stage: RealStage, directory: Path, kubeconfig: Path, count: int) -> dict[str, Any]:
    return {
        "mode": "live",
        "store": {"url": f"sqlite:///{directory}/remediator.sqlite"},
        "playbooks": str(directory / "playbooks"),
        "clusters": {CLUSTER: {"kubeconfig": str(kubeconfig), "namespaces": [stage.namespace], "loopback_only": True}},
        "sources": {"default": {"credential": {"token": TOKEN}, "cluster": CLUSTER}},
        "api_tokens": [{"name": "benchmark", "token": API_TOKEN}],
        "autonomy": {"start": "act"},
        "totals": {"actions": 10 * count, "per_playbook": 10 * count},
        "pagerduty": {"routing_key": "0" * 32, "url": "http://127.0.0.1:9/v2/enqueue"},
        "timings": {"settle": "0s", "start_hold": "0s"},
        "escalation": {"watchdog": None},
    }


if __name__ == "__main__":
    main()
