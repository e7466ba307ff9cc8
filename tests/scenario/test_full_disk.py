"""The disk is full under a running service: it takes nothing that it cannot keep, begins nothing, tells people, and then goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from remediator.sandbox.world import World
from tests.support.full_disk import Disk, limited_files, small_disk
from tests.support.served import Served
from tests.support.service import API_TOKEN, RESTART, TOKEN, body, firing, settings_document
from tests.support.whole_store import broken_rules

SOONER = "from remediator.engine import alarm; alarm.UNUSABLE_S = 8.0; "
"""Instead of a minute; that it is one is shown in tests/unit/engine/test_alarm.py."""
SLOWLY = RESTART.replace("hold: 300ms", "hold: 3s").replace("within: 8s", "within: 60s")


@pytest.fixture(params=[small_disk, limited_files], ids=["no space", "no file may grow"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with request.param(tmp_path / "disk") as made:
        if made is None:
            pytest.skip("only root may mount a small file system; the limit of a file's size is tried everywhere")
        yield made


@dataclass
class House:
    """A service on the disk, and the world that it looks after."""

    served: Served
    world: World
    session: aiohttp.ClientSession

    async def post(self, *alerts: dict[str, Any]) -> aiohttp.ClientResponse:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with self.session.post(
            f"{self.served.url}/webhook/alertmanager", json=body(*alerts), headers=headers
        ) as answer:
            await answer.read()
            return answer

    async def ready(self) -> tuple[int, Any]:
        async with self.session.get(f"{self.served.url}/-/ready") as answer:
            return answer.status, await answer.json()

    async def sick(self, name: str) -> dict[str, Any]:
        """A workload that a restart heals; returns its alert."""
        self.world.deploy("shop", name)
        await self.world.rolled_out("shop", name)
        self.world.sicken("shop", name, "crash-until-restart")
        return firing(namespace="shop", deployment=name)

    def restarts(self, name: str) -> int:
        return len(self.world.kubernetes.changes("deployments", "shop", name, "spec.template"))

    async def until(self, holds: Callable[[], Any], what: str, within_s: float = 60.0) -> None:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    found = holds()
                    if await found if asyncio.iscoroutine(found) else found:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not in {within_s:g} s: {what}\n{self.served.log()}") from None


@asynccontextmanager
async def house(disk: Disk, directory: Path, before: str = "") -> AsyncIterator[House]:
    playbooks = directory / "playbooks"
    playbooks.mkdir()
    (playbooks / "restart.yaml").write_text(SLOWLY)
    async with World(speed=4) as world, aiohttp.ClientSession() as session:
        settings = settings_document(world, directory)
        settings["store"] = {"url": f"sqlite:///{disk.directory}/remediator.sqlite"}
        served = Served(directory, settings, API_TOKEN, before=before)
        await served.start()
        try:
            yield House(served, world, session)
        finally:
            await served.end()
        assert await broken_rules(settings["store"]["url"]) == []


async def test_nothing_is_taken_or_begun_while_the_disk_is_full_and_all_goes_on_when_it_is_not(
    disk: Disk, tmp_path: Path
) -> None:
    async with house(disk, tmp_path) as at:
        first, second = await at.sick("checkout"), await at.sick("basket")
        assert (await at.post(first)).status == 200
        await at.until(lambda: at.restarts("checkout") == 1, "the change is made; its verification takes a while")
        disk.fill(at.served.pid)

        async def refuses() -> bool:
            return (await at.post(second)).status == 503

        await at.until(refuses, "a webhook is refused")
        refused = await at.post(second)
        assert refused.status == 503 and int(refused.headers["Retry-After"]) > 0

        async def lease_is_over() -> bool:
            status, said = await at.ready()
            assert status == 503 and said["reason"].startswith("store: "), said
            return said["dependencies"]["heartbeat"]["ok"] is False

        await at.until(lease_is_over, "it may act no longer, and says so")
        async with at.session.get(f"{at.served.url}/-/healthy") as answer:
            assert answer.status == 200
        assert at.restarts("basket") == 0
        disk.free(at.served.pid)

        async def is_ready() -> bool:
            return (await at.ready())[0] == 200

        await at.until(is_ready, "there is room again")
        assert (await at.post(second)).status == 200

        async def both_are_well() -> bool:
            found = (await at.served.get("runs"))["runs"]
            return [run["outcome"] for run in found if run["state"] == "ended"] == ["verified", "verified"]

        await at.until(both_are_well, "both runs are verified")
        assert (at.restarts("checkout"), at.restarts("basket")) == (1, 1)
        assert at.world.pagerduty.incidents() == []


@pytest.mark.slow
async def test_after_a_while_people_are_told_from_memory_and_hear_when_it_is_over(tmp_path: Path) -> None:
    """S36: the one path to people that needs no store; in real time, since it is the machine's that counts."""
    with limited_files(tmp_path / "disk") as disk:
        async with house(disk, tmp_path, SOONER) as at:
            assert (await at.post(await at.sick("checkout"))).status == 200
            await at.until(lambda: at.restarts("checkout") == 1, "a run is under way")
            disk.fill(at.served.pid)
            await at.until(at.world.pagerduty.paging, "somebody is paged")
            [page] = at.world.pagerduty.paging()
            assert "cannot use its store since" in page.summary and "no run in hand" not in page.summary
            assert "service-down on kubernetes/sandbox/shop/deployment/checkout" in str(page.details)
            disk.free(at.served.pid)
            await at.until(lambda: not at.world.pagerduty.open(), "the page is resolved")

            async def well() -> bool:
                return [run["outcome"] for run in (await at.served.get("runs"))["runs"]] == ["verified"]

            await at.until(well, "the run is verified")
            assert at.restarts("checkout") == 1
