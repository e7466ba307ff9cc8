"""Two real Alertmanagers that gossip, two real Prometheus replicas, one ``remediator serve``: one run, one incident, whoever falls.

Only the cluster and PagerDuty are simulated.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from remediator.sandbox.world import World
from tests.support import alertmanager as am
from tests.support import prometheus
from tests.support.needs import Programs
from tests.support.served import Served
from tests.support.service import API_TOKEN, RESTART, TOKEN, settings_document

pytestmark = [pytest.mark.real, pytest.mark.slow]

RULE = {
    "alert": "ServiceDown",
    "expr": "kube_deployment_status_replicas_available < kube_deployment_spec_replicas",
    "labels": {"severity": "critical"},
}
CONFIG = """
route: {receiver: remediator, group_by: [alertname, deployment], group_wait: 300ms, group_interval: 1s, repeat_interval: 3s}
receivers:
  - name: remediator
    webhook_configs:
      - url: %s/webhook/alertmanager
        http_config: {authorization: {credentials: %s}}
"""
PLAYBOOK = RESTART.replace(
    "verify: {within: 8s, hold: 300ms, all: [{rollout_complete: {}}, {replicas_ready: {}}]}",
    "verify: {within: 40s, hold: 300ms, all: [{rollout_complete: {}}, {alert_resolved: {}}]}",
)


@dataclass
class House:
    world: World
    served: Served
    alertmanagers: tuple[am.Alertmanager, am.Alertmanager]
    replicas: tuple[prometheus.Prometheus, prometheus.Prometheus]
    names: list[str] = field(default_factory=list)
    """Of the deployments that are watched."""

    async def sicken(self, name: str) -> None:
        self.world.deploy("shop", name)
        await self.world.rolled_out("shop", name)
        self.world.sicken("shop", name, "crash-until-restart")
        self.names.append(name)

    def restarts(self, name: str) -> int:
        return len(self.world.kubernetes.changes("deployments", "shop", name, "spec.template"))

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, within_s: float = 45.0) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not await holds():  # noqa: ASYNC110 - it looks at other processes
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {within_s} s\n{self.served.log()}") from None

    async def fires_at_both(self) -> bool:
        """Does either Alertmanager know it? Then it was told by both replicas, with a fingerprint that they share."""
        for one in self.alertmanagers:
            async with one.session.get(f"{one.url}/api/v2/alerts") as answer:
                if len(await answer.json()) != 1:
                    return False
        return True

    async def all_over(self) -> bool:
        found = (await self.served.get("incidents"))["incidents"]
        return bool(found) and all(one["state"] == "closed" for one in found)

    async def deliveries(self) -> float:
        """Webhooks that were answered 200."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.served.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        found = [line for line in lines if line.startswith('remediator_webhook_requests_total{code="200"}')]
        return float(found[0].split()[-1]) if found else 0.0


@asynccontextmanager
async def house(directory: Path, program: Programs) -> AsyncIterator[House]:
    (directory / "playbooks").mkdir()
    (directory / "playbooks" / "service-down.yaml").write_text(PLAYBOOK)
    served = Served(directory, {}, API_TOKEN)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(World(speed=4))
        config = CONFIG % (served.url, TOKEN)
        both = await stack.enter_async_context(am.pair(config, directory, program("alertmanager")))
        replicas = []
        for name in ("a", "b"):
            folder = directory / f"prometheus-{name}"
            folder.mkdir()
            running = prometheus.running(
                folder,
                program("prometheus"),
                rules=[RULE],
                alertmanagers=[one.url for one in both],
                external_labels={"cluster": "sandbox", "replica": name},
                dropped_from_alerts="replica",
            )
            replicas.append(await stack.enter_async_context(running))
        served.settings = _settings(world, directory, [one.url for one in both], replicas[0].url)
        built = House(world, served, both, (replicas[0], replicas[1]))
        telling = asyncio.create_task(_as_kube_state_metrics(built))
        try:
            await served.start()
            yield built
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await served.end()


def _settings(world: World, directory: Path, alertmanagers: list[str], metrics: str) -> dict[str, Any]:
    document = settings_document(world, directory)
    document["clusters"]["sandbox"]["prometheus"] = {"url": metrics}
    document["sources"]["default"]["alertmanager"] = {"urls": alertmanagers}
    # Long enough for the other replica to see the alert, too, before it is fixed.
    document["timings"] |= {"request": "5s", "lease": "15s", "reconcile": "1s", "settle": "3s"}
    return document


async def _as_kube_state_metrics(built: House) -> None:
    """Both replicas scrape what the cluster says."""
    while True:
        for name in built.names:
            found = built.world.kubernetes.get("deployments", "shop", name)
            labels = {"namespace": "shop", "deployment": name}
            available = found.get("status", {}).get("availableReplicas", 0)
            for replica in built.replicas:
                replica.numbers.set("kube_deployment_spec_replicas", found["spec"]["replicas"], labels)
                replica.numbers.set("kube_deployment_status_replicas_available", available, labels)
        await asyncio.sleep(0.1)


async def test_two_of_each_make_one_run_and_one_incident(tmp_path: Path, program: Programs) -> None:
    """A replica of Prometheus is restarted while the alert fires, and an Alertmanager is killed once the run is under way."""
    async with house(tmp_path, program) as at:
        await at.sicken("checkout")
        await at.until(at.fires_at_both, "both Alertmanagers know the alert, once")
        await at.replicas[1].restart()

        async def begun() -> bool:
            return at.restarts("checkout") == 1

        await at.until(begun, "it is restarted")
        await at.alertmanagers[0].kill()
        await at.until(at.all_over, "the incident is over")
        (run,) = (await at.served.get("runs"))["runs"]
        assert run["outcome"] == "verified", run
        (incident,) = (await at.served.get("incidents"))["incidents"]
        assert incident["recurrences"] == 0
        assert at.restarts("checkout") == 1
        assert at.world.pagerduty.incidents() == []
        assert await at.deliveries() >= 2, "the firing, and its end from the one that is left"


async def test_the_one_that_is_left_tells_of_what_comes_next(tmp_path: Path, program: Programs) -> None:
    async with house(tmp_path, program) as at:
        await at.alertmanagers[0].kill()
        await at.sicken("basket")

        async def ended() -> bool:
            return any(run["state"] == "ended" for run in (await at.served.get("runs"))["runs"])

        await at.until(ended, "its run ends")
        (run,) = (await at.served.get("runs"))["runs"]
        assert run["outcome"] == "verified", run
        assert at.restarts("basket") == 1
        await at.until(at.all_over, "the incident is over")
        assert at.world.pagerduty.incidents() == []
