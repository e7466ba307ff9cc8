"""The emulated cluster in a process of its own, so that what it costs is not counted as ours."""

import asyncio
import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from remediator.sandbox.world import World

NAMESPACE = "shop"
_SPEED = 4.0
_ANSWER_WITHIN_S = 300.0


class Cluster:
    """A running one. Calls block: they are between measurements."""

    def __init__(self, pipe: Connection, kubeconfig: Path, pagerduty_url: str, pid: int) -> None:
        self._pipe = pipe
        self.kubeconfig = kubeconfig
        self.pagerduty_url = pagerduty_url
        self.pid = pid

    def deploy(self, prefix: str, count: int) -> list[str]:
        """So many healthy Deployments of one pod; returns when they are rolled out."""
        names = [f"{prefix}-{number}" for number in range(count)]
        self._ask("deploy", names)
        return names

    def writes(self) -> dict[str, float]:
        """When each Deployment was patched first, in seconds since the epoch."""
        found: dict[str, float] = self._ask("writes")
        return found

    def requests(self) -> int:
        """How many there were."""
        found: int = self._ask("requests")
        return found

    def _ask(self, *question: Any) -> Any:
        self._pipe.send(question)
        if not self._pipe.poll(_ANSWER_WITHIN_S):
            raise RuntimeError(f"the emulated cluster did not answer to {question[0]}")
        return self._pipe.recv()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start one, and stop it again."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory(prefix="remediator-bench-world-") as folder:
        process = context.Process(target=_main, args=(folder, theirs))
        process.start()
        try:
            if not ours.poll(60):
                raise RuntimeError("the emulated cluster did not start")
            pagerduty_url = ours.recv()
            yield Cluster(ours, Path(folder) / "kubeconfig", pagerduty_url, process.pid or 0)
        finally:
            process.terminate()
            process.join(30)


def _main(folder: str, pipe: Connection) -> None:
    asyncio.run(_serve(Path(folder), pipe))


async def _serve(folder: Path, pipe: Connection) -> None:
    async with World(speed=_SPEED) as world:
        world.kubeconfig(folder / "kubeconfig")
        pipe.send(world.pagerduty_url)
        while True:
            question, *given = await asyncio.to_thread(pipe.recv)
            match question:
                case "deploy":
                    for name in given[0]:
                        world.deploy(NAMESPACE, name, replicas=1)
                    for name in given[0]:
                        await world.rolled_out(NAMESPACE, name, timeout_s=_ANSWER_WITHIN_S)
                    pipe.send(None)
                case "writes":
                    pipe.send(_first_writes(world))
                case "requests":
                    pipe.send(world.kubernetes.requests.total)


def _first_writes(world: World) -> dict[str, float]:
    found: dict[str, float] = {}
    for request in world.kubernetes.requests.matching("PATCH", "/deployments/"):
        found.setdefault(request.path.rpartition("/")[2], request.at.timestamp())
    return found
