"""Nothing simulated but PagerDuty: a Deployment on a real API server falls ill, a real Prometheus sees it, a real Alertmanager tells a
real ``remediator serve``, which runs as a service account that may do exactly what its playbook needs."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from remediator.actions import action_named
from remediator.engine.finding import permissions_to_find
from remediator.sandbox.pagerduty import PagerDuty
from tests.support import alertmanager as am
from tests.support import prometheus
from tests.support.cluster import CLUSTER
from tests.support.needs import Programs
from tests.support.real_cluster import RealStage
from tests.support.served import Served

pytestmark = [pytest.mark.slow]

API_TOKEN = "operator-throwaway-token"
FASTER = 20.0
"""The backstop's 20m become 60s, Alertmanager's group_interval 3s."""
SERVICE_DOWN = {
    "alert": "ServiceDown",
    "expr": "kube_deployment_status_replicas_available < kube_deployment_spec_replicas",
    "labels": {"severity": "critical"},
}
PLAYBOOK = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: service-down}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: restart
    steps: [{kubernetes.rollout_restart: {}}]
    verify:
      within: 1m
      hold: 1s
      all:
        - rollout_complete: {}
        - alert_resolved: {}
        - promql:
            query: 'kube_deployment_status_replicas_available{namespace="{{ labels.namespace }}", deployment="{{ labels.deployment }}"}'
            above: 0
"""


@dataclass
class House:
    stage: RealStage
    served: Served
    pagerduty: PagerDuty

    async def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.served.get("runs"))["runs"]
        return found

    async def fixed(self, count: int, within_s: float = 60.0) -> list[dict[str, Any]]:
        """Wait until so many runs have ended and every incident is over; returns the runs."""

        async def over() -> bool:
            incidents = (await self.served.get("incidents"))["incidents"]
            ended = [run for run in await self.runs() if run["state"] == "ended"]
            return len(ended) >= count and all(one["state"] == "closed" for one in incidents)

        try:
            await _until(over, within_s, self.served.log)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{await self._story()}") from None
        return await self.runs()

    async def _story(self) -> str:
        """What people would see."""
        incidents = (await self.served.get("incidents"))["incidents"]
        return json.dumps([await self.served.get(f"incidents/{one['id']}") for one in incidents], indent=1)

    async def rollouts(self, name: str) -> int:
        return int((await self.stage.get("Deployment", name))["metadata"]["generation"]) - 1


async def _until(holds: Callable[[], Awaitable[bool]], within_s: float, told: Callable[[], str]) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - it looks at other processes
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"did not come true in {within_s} s\n{told()}") from None


@asynccontextmanager
async def house(
    stage: RealStage, directory: Path, program: Programs, *, faster: float = FASTER
) -> AsyncIterator[House]:
    (directory / "playbooks").mkdir()
    (directory / "playbooks" / "service-down.yaml").write_text(PLAYBOOK)
    sink = PagerDuty()
    await sink.start()
    served = Served(directory, {}, API_TOKEN)
    text = am.shortened((am.DEPLOYED / "live.yml").read_text(), by=faster)
    config = am.readdressed(text, directory, remediator=served.url, pagerduty=sink.url)
    try:
        async with (
            am.running(config, directory, program("alertmanager")) as alertmanager,
            prometheus.running(
                directory, program("prometheus"), alertmanagers=[alertmanager.url], rules=[SERVICE_DOWN]
            ) as metrics,
            _as_kube_state_metrics(stage, metrics.numbers),
        ):
            restart = action_named("kubernetes.rollout_restart")
            needed = restart.permissions("deployment", restart.params())
            kubeconfig = await stage.credentials({*needed, *permissions_to_find("workload", "deployment")})
            served.settings = _settings(stage, directory, kubeconfig, metrics.url, alertmanager.url, sink.url)
            yield House(stage, served, sink)
    finally:
        await served.end()
        await sink.stop()


@asynccontextmanager
async def _as_kube_state_metrics(stage: RealStage, numbers: prometheus.Numbers) -> AsyncIterator[None]:
    """Tell of the stage's Deployments, in the words and with the labels of kube-state-metrics."""

    async def tell() -> None:
        while True:
            for found in await stage.list("Deployment"):
                labels = {"namespace": stage.namespace, "deployment": found["metadata"]["name"]}
                available = found.get("status", {}).get("availableReplicas", 0)
                numbers.set("kube_deployment_spec_replicas", found["spec"]["replicas"], labels)
                numbers.set("kube_deployment_status_replicas_available", available, labels)
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as group:
        telling = group.create_task(tell())
        yield
        telling.cancel()


def _settings(
    stage: RealStage, directory: Path, kubeconfig: Path, metrics: str, alertmanager: str, pager: str
) -> dict[str, Any]:
    return {
        "mode": "live",
        "store": {"url": f"sqlite:///{directory}/remediator.sqlite"},
        "playbooks": str(directory / "playbooks"),
        "clusters": {
            CLUSTER: {
                "kubeconfig": str(kubeconfig),
                "namespaces": [stage.namespace],
                "prometheus": {"url": metrics},
                "loopback_only": True,
            }
        },
        "sources": {
            "default": {
                "credential": {"token": am.TOKEN},
                "cluster": CLUSTER,
                "alertmanager": {"urls": [alertmanager]},
            }
        },
        "api_tokens": [{"name": "alice", "token": API_TOKEN}],
        "autonomy": {"start": "act"},
        "pagerduty": {"routing_key": am.ROUTING_KEY, "url": f"{pager}/v2/enqueue"},
        "timings": {"settle": "0s", "start_hold": "0s", "look": "500ms", "request": "5s", "lease": "15s"},
        "escalation": {"watchdog": None},
    }


async def _sick(stage: RealStage, name: str) -> None:
    await stage.workload(name, replicas=2, behaviour="crash-loop", on_restart="healthy")


async def test_a_sick_service_is_restarted_and_nobody_is_woken(
    real_stage: RealStage, tmp_path: Path, program: Programs
) -> None:
    async with house(real_stage, tmp_path, program) as built:
        await built.served.start()
        await _sick(real_stage, "checkout")
        (run,) = await built.fixed(1)
        assert run["outcome"] == "verified", run
        assert await built.rollouts("checkout") == 1
        await real_stage.rolled_out("checkout")
        assert built.pagerduty.incidents() == []


async def test_killed_in_the_middle_it_loses_nothing_and_does_nothing_twice(
    real_stage: RealStage, tmp_path: Path, program: Programs
) -> None:
    """Killed as soon as its change is in the cluster; what falls ill while it is down comes when it is back."""
    async with house(real_stage, tmp_path, program) as built:
        await built.served.start()
        await _sick(real_stage, "checkout")

        async def begun() -> bool:
            return await built.rollouts("checkout") == 1

        await _until(begun, 60, built.served.log)
        await built.served.kill()
        await _sick(real_stage, "payment")
        await real_stage.until("Deployment", "payment", lambda found: found["status"].get("unavailableReplicas"))
        await built.served.start()
        runs = await built.fixed(2)
        assert [run["outcome"] for run in runs] == ["verified", "verified"], runs
        assert await built.rollouts("checkout") == 1
        assert await built.rollouts("payment") == 1
        assert built.pagerduty.incidents() == []


async def test_killed_for_good_the_backstop_pages(real_stage: RealStage, tmp_path: Path, program: Programs) -> None:
    async with house(real_stage, tmp_path, program, faster=300.0) as built:
        await built.served.start()
        await built.served.kill()
        await _sick(real_stage, "checkout")

        async def paged() -> bool:
            return any("ServiceDown" in one.summary for one in built.pagerduty.incidents())

        await _until(paged, 60, built.served.log)
        assert await built.rollouts("checkout") == 0
