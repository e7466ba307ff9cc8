"""``remediator serve`` as operators run it, one process or several on one store, on the emulated cluster."""

import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import history
from benchmarks.frame import Process
from benchmarks.load import TOKEN
from benchmarks.world import NAMESPACE, Cluster
from remediator.actions import ACTIONS
from remediator.conditions import CONDITIONS
from remediator.playbooks.library import Library, LoadedSet
from tests.support.served import Served
from tests.support.service import body, firing

API_TOKEN = "benchmark-throwaway-token"
RESTART = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: service-down}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: restart
    steps: [{kubernetes.rollout_restart: {}}]
    verify: {within: 10m, hold: 0s, all: [{rollout_complete: {}}]}
"""
_PLENTY = 1_000_000


@dataclass(frozen=True)
class Past:
    """What the store holds before the start."""

    rows: int = 0
    open_alerts: int = 0


@dataclass
class Stage:
    """Running replicas."""

    replicas: Sequence[Served]
    session: aiohttp.ClientSession
    started_in_s: float
    """From the start of the first process until it was ready."""

    @property
    def processes(self) -> list[Process]:
        """Of the replicas."""
        return [Process(replica.pid) for replica in self.replicas]

    def cpu_s(self) -> float:
        """Of all replicas together."""
        return sum(process.cpu_s() for process in self.processes)

    async def alert(
        self, *names: str, replica: int = 0, alertname: str = "ServiceDown", severity: str = "critical"
    ) -> None:
        """One webhook with an alert for each of these Deployments."""
        alerts = [firing(alertname, namespace=NAMESPACE, deployment=name, severity=severity) for name in names]
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{self.replicas[replica].url}/webhook/alertmanager"
        async with self.session.post(url, json=body(*alerts), headers=headers) as answer:
            if answer.status != 200:
                raise RuntimeError(f"the webhook answered {answer.status}: {await answer.text()}")

    async def metric(self, name: str) -> float:
        """Over all replicas and labels."""
        total = 0.0
        for replica in self.replicas:
            async with self.session.get(f"{replica.url}/metrics", headers=self._as_operator) as answer:
                lines = (await answer.text()).splitlines()
            total += sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name}{{", f"{name} ")))
        return total

    @property
    def _as_operator(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {API_TOKEN}"}


@asynccontextmanager
async def stage(
    cluster: Cluster,
    *,
    url: str | None = None,
    replicas: int = 1,
    past: Past | None = None,
    playbooks: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Fill the store, start so many replicas on it, and end them again. ``url`` None: an SQLite file of its own."""
    async with AsyncExitStack() as cleanups:
        directory = Path(cleanups.enter_context(tempfile.TemporaryDirectory(prefix="remediator-bench-")))
        folder = directory / "playbooks"
        folder.mkdir()
        for name, text in (playbooks or {"service-down": RESTART}).items():
            (folder / f"{name}.yaml").write_text(text)
        store_url = url or f"sqlite:///{directory}/remediator.sqlite"
        given = past or Past()
        await history.fill(
            store_url,
            loaded(folder),
            past_rows=given.rows,
            open_alerts=given.open_alerts,
        )
        started: list[Served] = []
        took_s = 0.0
        for number in range(replicas):
            own = directory / f"replica-{number}"
            own.mkdir()
            served = Served(own, _settings(cluster, folder, store_url, f"replica-{number}"), API_TOKEN)
            cleanups.push_async_callback(served.end)
            began = time.perf_counter()
            await served.start()
            took_s = took_s or time.perf_counter() - began
            started.append(served)
        yield Stage(started, await cleanups.enter_async_context(aiohttp.ClientSession()), took_s)


def loaded(folder: Path) -> LoadedSet:
    """The playbooks of this folder, as the service loads them."""
    return Library(
        folder,
        action_params={action.name: action.params for action in ACTIONS},
        condition_params={condition.name: condition.params for condition in CONDITIONS},
        vars_overrides={},
    ).reload()


def _settings(cluster: Cluster, playbooks: Path, store_url: str, replica: str) -> dict[str, Any]:
    return {
        "mode": "live",
        "replica": replica,
        "store": {"url": store_url},
        "playbooks": str(playbooks),
        "clusters": {
            "sandbox": {"kubeconfig": str(cluster.kubeconfig), "namespaces": [NAMESPACE], "loopback_only": True}
        },
        "sources": {"default": {"credential": {"token": TOKEN}, "cluster": "sandbox"}},
        "api_tokens": [{"name": "benchmark", "token": API_TOKEN}],
        "autonomy": {"start": "act"},
        "totals": {"actions": _PLENTY, "per_playbook": _PLENTY},
        "pagerduty": {"routing_key": "0" * 32, "url": f"{cluster.pagerduty_url}/v2/enqueue"},
        "timings": {"settle": "0s", "start_hold": "0s"},
        "escalation": {"watchdog": None},
    }
