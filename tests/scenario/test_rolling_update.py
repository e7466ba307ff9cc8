"""Replicas are replaced one after another, as a Deployment does it, while alerts come in and runs are under way."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from remediator.sandbox.world import World
from tests.support.served import Served
from tests.support.service import API_TOKEN, RESTART, TOKEN, body, firing, settings_for

pytestmark = pytest.mark.slow

SERVICES = tuple(f"service-{number}" for number in range(4))
PLAYBOOK = RESTART.replace("hold: 300ms", "hold: 2s")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(speed=4) as made:
        for name in SERVICES:
            made.deploy("shop", name)
            await made.rolled_out("shop", name)
            made.sicken("shop", name, "crash-until-restart")
        yield made


def restarts(world: World) -> dict[str, int]:
    return {name: len(world.kubernetes.changes("deployments", "shop", name, "spec.template")) for name in SERVICES}


class Replicas:
    """What a Service of Kubernetes leads to: those that are ready."""

    def __init__(self, world: World, directory: Path, database_url: str) -> None:
        self._world = world
        self._directory = directory
        self._url = database_url
        self._names = (f"pod-{number}" for number in itertools.count())
        self.serving: list[Served] = []

    async def add(self) -> None:
        folder = self._directory / next(self._names)
        (folder / "playbooks").mkdir(parents=True)
        (folder / "playbooks" / "p.yaml").write_text(PLAYBOOK)
        settings_for(self._world, folder)
        document = yaml.safe_load((folder / "remediator.yaml").read_text())
        document["store"] = {"url": self._url}
        document["replica"] = folder.name
        document["timings"]["takeover"] = "500ms"
        served = Served(folder, document, API_TOKEN)
        await served.start()
        self.serving.append(served)

    async def remove_oldest(self) -> None:
        """As a kubelet does it; it must leave in order."""
        oldest = self.serving.pop(0)
        await oldest.end()
        assert oldest.exit_code == 0, oldest.log()

    async def send(self, alert: dict[str, Any]) -> None:
        """As Alertmanager does it: again until somebody says 200."""
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            for number in itertools.count():
                served = self.serving[number % len(self.serving)]
                try:
                    async with session.post(
                        f"{served.url}/webhook/alertmanager",
                        json=body(alert, group_key=f"{{}}:{{{alert['labels']['deployment']}}}"),
                        headers={"Authorization": f"Bearer {TOKEN}"},
                    ) as answer:
                        if answer.status == 200:
                            return
                        assert answer.status == 503, await answer.text()
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def ended(self, count: int) -> list[dict[str, Any]]:
        """Wait until that many runs have ended. Polls: it looks at another process."""
        async with asyncio.timeout(60):
            while True:
                found = (await self.serving[0].get("runs?limit=50"))["runs"]
                if len(found) >= count and all(run["state"] == "ended" for run in found):
                    return list(found)
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        await asyncio.gather(*(served.kill() for served in self.serving))


@pytest.fixture
async def replicas(world: World, tmp_path: Path, database_url: str) -> AsyncIterator[Replicas]:
    made = Replicas(world, tmp_path, database_url)
    yield made
    await made.close()


async def test_nothing_is_lost_or_done_twice_while_every_replica_is_replaced(world: World, replicas: Replicas) -> None:
    await replicas.add()
    await replicas.add()
    for first, second in zip(SERVICES[::2], SERVICES[1::2], strict=True):
        await replicas.send(firing(namespace="shop", deployment=first))
        await replicas.add()
        await replicas.send(firing(namespace="shop", deployment=second))
        await replicas.remove_oldest()

    runs = await replicas.ended(len(SERVICES))
    assert sorted(run["outcome"] for run in runs) == ["verified"] * len(SERVICES)
    assert restarts(world) == dict.fromkeys(SERVICES, 1)
    assert world.pagerduty.incidents() == []


async def test_when_the_replica_that_decides_and_acts_is_killed_the_other_goes_on(
    world: World, replicas: Replicas
) -> None:
    await replicas.add()
    first = replicas.serving[0]
    await replicas.add()
    world.kubernetes.faults.add(match="PATCH /apis/*", kind="late_answer 0.5", times=1)
    await replicas.send(firing(namespace="shop", deployment=SERVICES[0]))
    async with asyncio.timeout(60):
        while restarts(world)[SERVICES[0]] == 0:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
    await first.kill()
    replicas.serving.remove(first)
    await replicas.send(firing(namespace="shop", deployment=SERVICES[1]))
    runs = await replicas.ended(2)
    assert [run["outcome"] for run in runs] == ["verified"] * 2
    assert restarts(world) == {SERVICES[0]: 1, SERVICES[1]: 1, SERVICES[2]: 0, SERVICES[3]: 0}
