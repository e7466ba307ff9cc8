"""A whole remediator on a simulated world: real HTTP on both sides, a real SQLite file, real time made short.

For scenario tests. ``async with running(tmp_path) as service`` gives the world, the app and what people would see.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from remediator.app import App
from remediator.clock import Clock
from remediator.sandbox.world import World
from remediator.settings import Settings, load_settings
from remediator.store import incidents as incident_rows
from remediator.store import runs as run_rows
from remediator.store.database import Store
from tests.support.whole_store import broken_rules

TOKEN = "alertmanager-throwaway-token"
API_TOKEN = "operator-throwaway-token"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"

STORE: ContextVar[str | None] = ContextVar("STORE", default=None)
"""The ``store.url`` of every service that this test starts; none: a file in its directory."""

RESTART = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: service-down}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: any, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
guards: {cooldown: 15m}
remedies:
  - name: restart
    steps: [{kubernetes.rollout_restart: {}}]
    verify: {within: 8s, hold: 300ms, all: [{rollout_complete: {}}, {replicas_ready: {}}]}
"""


@dataclass
class Service:
    """A running remediator and its world."""

    app: App
    world: World
    session: aiohttp.ClientSession

    @property
    def store(self) -> Store:
        return self.app.store

    async def alert(self, *alerts: Mapping[str, Any], group_key: str = "{}:{}") -> dict[str, Any]:
        """POST a v4 body as Alertmanager would; returns the answer's counts."""
        async with self.session.post(
            f"{self.app.url}/webhook/alertmanager",
            json=body(*alerts, group_key=group_key),
            headers={"Authorization": f"Bearer {TOKEN}"},
        ) as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())

    async def api(self, method: str, path: str, **json: Any) -> tuple[int, Any]:
        """Call /api/v1; returns status and JSON."""
        async with self.session.request(
            method,
            f"{self.app.url}/api/v1/{path}",
            json=json or None,
            headers={"Authorization": f"Bearer {API_TOKEN}"},
        ) as answer:
            return answer.status, await answer.json()

    async def runs(self, **which: Any) -> list[run_rows.RunRow]:
        async with self.store.read() as connection:
            return await run_rows.listing(connection, **which)

    async def incidents(self, **which: Any) -> list[incident_rows.IncidentRow]:
        async with self.store.read() as connection:
            return await incident_rows.listing(connection, **which)

    async def story(self, incident_id: str) -> incident_rows.Story:
        async with self.store.read() as connection:
            found = await incident_rows.story(connection, incident_id)
        assert found is not None
        return found

    async def until(self, condition: Callable[[], Any], *, within_s: float = 60.0, what: str = "") -> Any:
        """Wait until ``condition`` (plain or async) is true; returns what it gave. Polls: it looks at another process' state."""
        import asyncio
        import inspect

        try:
            async with asyncio.timeout(within_s):
                while True:
                    found = condition()
                    if inspect.isawaitable(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"did not come true in {within_s} s: {what or condition}") from None

    async def ended(self, count: int = 1, **which: Any) -> list[run_rows.RunRow]:
        """Wait until that many runs have ended; newest first."""

        async def enough() -> list[run_rows.RunRow] | None:
            found = [run for run in await self.runs(**which) if run.state == "ended"]
            return found if len(found) >= count else None

        return list(await self.until(enough, what=f"{count} ended runs"))


def body(*alerts: Mapping[str, Any], group_key: str = "{}:{}") -> dict[str, Any]:
    """A v4 webhook body around these alerts."""
    return {
        "version": "4",
        "groupKey": group_key,
        "truncatedAlerts": 0,
        "status": "firing" if any(alert["status"] == "firing" for alert in alerts) else "resolved",
        "receiver": "remediator",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example",
        "alerts": list(alerts),
    }


def firing(
    alertname: str = "ServiceDown", *, starts_at: datetime | None = None, ends_at: datetime | None = None, **labels: str
) -> dict[str, Any]:
    """One alert as it stands in a webhook. Its fingerprint is made of its labels, as Alertmanager's is."""
    from remediator.sandbox.fingerprints import fingerprint

    all_labels = {"alertname": alertname, "severity": "critical", **labels}
    return {
        "status": "firing" if ends_at is None else "resolved",
        "labels": all_labels,
        "annotations": {"summary": f"{alertname} in a test"},
        "startsAt": (starts_at or datetime.now(UTC)).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z" if ends_at is None else ends_at.isoformat(),
        "generatorURL": "http://prometheus.example/graph",
        "fingerprint": fingerprint(all_labels),
    }


def settings_document(world: World, directory: Path) -> dict[str, Any]:
    """What stands in the settings file: live, short times, everything wired to the world."""
    return {
        "mode": "live",
        "listen": {"port": 0},
        "store": {"url": STORE.get() or f"sqlite:///{directory}/remediator.sqlite"},
        "playbooks": str(directory / "playbooks"),
        "clusters": {
            "sandbox": {
                "kubeconfig": str(world.kubeconfig(directory / "kubeconfig")),
                "namespaces": ["shop"],
                "prometheus": {"url": world.prometheus_url},
                "loopback_only": True,
            }
        },
        "sources": {
            "default": {
                "credential": {"token": TOKEN},
                "cluster": "sandbox",
                "alertmanager": {"urls": [world.alertmanager_url]},
            }
        },
        "api_tokens": [{"name": "alice", "token": API_TOKEN}],
        "autonomy": {"start": "act"},
        "pagerduty": {"routing_key": ROUTING_KEY, "url": f"{world.pagerduty_url}/v2/enqueue"},
        "timings": {
            "settle": "0s",
            "start_hold": "0s",
            "request": "1s",
            "look": "100ms",
            "lease": "3s",
            "steady": "1s",
            "shutdown": "5s",
        },
        "escalation": {"watchdog": None},
    }


def settings_for(world: World, directory: Path, **changes: Any) -> Settings:
    """``settings_document``, read as the program reads it. ``changes`` are dotted keys with ``__`` for the dots."""
    path = directory / "remediator.yaml"
    path.write_text(yaml.safe_dump(settings_document(world, directory)))
    return load_settings(path, {}, {key.replace("__", "."): value for key, value in changes.items()})


@asynccontextmanager
async def running(
    directory: Path, *playbooks: str, world: World | None = None, clock: Clock | None = None, **changes: Any
) -> AsyncIterator[Service]:
    """A world (unless one is given) and a remediator on it, with these playbooks (default: restart what is down). ``clock`` is the
    machine's."""
    folder = directory / "playbooks"
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(playbooks or (RESTART,)):
        (folder / f"p{number}.yaml").write_text(text)
    if world is None:
        async with (
            World(speed=4) as made,
            running(directory, *playbooks, world=made, clock=clock, **changes) as service,
        ):
            yield service
        return
    settings = settings_for(world, directory, **changes)
    async with App(settings, clock=clock) as app, aiohttp.ClientSession() as session:
        yield Service(app, world, session)
    assert await broken_rules(settings.store.url, watchdog=settings.escalation.watchdog) == []
