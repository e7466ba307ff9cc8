"""The demo's stage: a simulated world, a live remediator on it, and the questions that a scene asks of both."""

import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

from remediator.app import App
from remediator.clock import Clock
from remediator.drills.demo_timeline import Timeline
from remediator.errors import RemediatorError
from remediator.sandbox import workloads
from remediator.sandbox.alert_groups import Route
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.world import World
from remediator.settings import Settings, load_settings
from remediator.store import decisions, incidents, runs
from remediator.store.incidents import IncidentRow, Story
from remediator.store.runs import RunRow

CLUSTER, NAMESPACE = "sandbox", "shop"
DATABASE = "orders"
"""An instance of RDS in the simulated AWS."""
_LOOK_EVERY_S = 0.05

_T = TypeVar("_T")


class NotAsToldError(RemediatorError):
    """A step of the demo did not go as told: stop, say what was expected and what was seen."""

    def __init__(self, step: str, expected: str, seen: str) -> None:
        self.step, self.expected, self.seen = step, expected, seen
        super().__init__(f"{step}: expected {expected}; seen {seen}")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Throwaway: made for one demo, worth nothing after it."""

    webhook: str
    api: str
    routing_key: str


def new_secrets() -> Secrets:
    """Fresh ones."""
    return Secrets(secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(16))


def new_world() -> World:
    """Fast enough to watch: a pod needs a moment to start, an alert a second to be sent."""
    route = Route(group_by=("alertname", "namespace", "deployment"), group_wait_s=0.5, group_interval_s=1.0)
    return World(route=route, timings=Timings(pod_start=0.7))


def with_aws() -> bool:
    """Is the extra `aws` installed? Without it the scene in AWS is left out."""
    return find_spec("aioboto3") is not None


def settings_for(world: World, directory: Path, port: int, throwaway: Secrets) -> Settings:
    """Live, against the sandbox only: the client refuses any address that is not loopback.

    Written to ``remediator.yaml`` in ``directory``, so that the settings of the demo can be read; secrets stand in files beside it.
    """
    playbooks = directory / "playbooks"
    playbooks.mkdir()
    for shipped in resources.files("remediator.drills").joinpath("demo_playbooks").iterdir():
        if shipped.name.endswith(".yaml"):
            (playbooks / shipped.name).write_text(shipped.read_text())
    files = {}
    for name in ("webhook", "api", "routing_key"):
        files[name] = directory / f"{name}.token"
        files[name].touch(mode=0o600)
        files[name].write_text(f"{getattr(throwaway, name)}\n")
    document: dict[str, Any] = {
        "mode": "live",
        "listen": {"host": "127.0.0.1", "port": port},
        "external_url": f"http://127.0.0.1:{port}",
        "store": {"url": f"sqlite:///{directory / 'remediator.sqlite'}"},
        "playbooks": str(playbooks),
        "clusters": {
            CLUSTER: {
                "kubeconfig": str(world.kubeconfig(directory / "kubeconfig")),
                "namespaces": [NAMESPACE],
                "prometheus": {"url": world.prometheus_url},
                "loopback_only": True,
            }
        },
        "sources": {
            "alertmanager": {
                "credential": {"token_file": str(files["webhook"])},
                "cluster": CLUSTER,
                "alertmanager": {"urls": [world.alertmanager_url]},
            }
        },
        "api_tokens": [{"name": "demo", "token_file": str(files["api"])}],
        "autonomy": {"start": "act"},
        "pagerduty": {"routing_key_file": str(files["routing_key"]), "url": f"{world.pagerduty_url}/v2/enqueue"},
        "escalation": {"watchdog": None},
        "timings": {"settle": "2s", "start_hold": "0s", "request": "2s", "look": "500ms", "shutdown": "5s"},
    }
    if with_aws():
        document["accounts"] = {"sandbox": _account(world, directory)}
        document["sources"]["alertmanager"] |= {"account": "sandbox", "region": world.aws.region}
    path = directory / "remediator.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return load_settings(path, {})


def _account(world: World, directory: Path) -> dict[str, Any]:
    credentials = directory / "aws.credentials"
    credentials.touch(mode=0o600)
    credentials.write_text("[sandbox]\naws_access_key_id = AKIASANDBOX\naws_secret_access_key = sandbox\n")
    return {
        "id": world.aws.account,
        "regions": [world.aws.region],
        "profile": "sandbox",
        "credentials_file": str(credentials),
        "targets": [f"rds-instance/{DATABASE}"],
        "endpoint_url": world.aws_url,
        "loopback_only": True,
    }


class Stage:
    """What the scenes play on. Questions are answered from the store, the cluster and PagerDuty, never from memory."""

    def __init__(
        self,
        *,
        world: World,
        app: App,
        session: aiohttp.ClientSession,
        timeline: Timeline,
        clock: Clock,
        directory: Path,
        throwaway: Secrets,
    ) -> None:
        self.world = world
        self.app = app
        self.session = session
        self.timeline = timeline
        self.clock = clock
        self.directory = directory
        self.throwaway = throwaway

    async def until(
        self, step: str, expected: str, holds: Callable[[], Awaitable[_T | None]], *, within_s: float = 20.0
    ) -> _T:
        """What ``holds`` gives as soon as it gives something. ``NotAsToldError`` when that is too late or the service died."""
        self.timeline.waiting(f"{step} ...")
        give_up_at = self.clock.boottime() + within_s
        while (found := await holds()) is None:
            if self.app.failed.is_set():
                raise NotAsToldError(step, expected, "a part of the service ended with an error")
            if self.clock.boottime() > give_up_at:
                raise NotAsToldError(step, expected, f"nothing of the kind within {within_s:.0f} s")
            await self.clock.sleep(_LOOK_EVERY_S)
        return found

    def check(self, step: str, expected: object, seen: object) -> None:
        """Say that it holds, or stop the demo."""
        if seen != expected:
            raise NotAsToldError(step, str(expected), str(seen))
        self.timeline.went(step)

    async def incidents(self) -> list[IncidentRow]:
        """Newest first."""
        async with self.app.store.read() as connection:
            return await incidents.listing(connection)

    def target(self, name: str) -> str:
        """A deployment in the demo's namespace, or the database."""
        if name == DATABASE:
            return f"aws/{self.world.aws.account}/{self.world.aws.region}/rds-instance/{name}"
        return f"kubernetes/{CLUSTER}/{NAMESPACE}/deployment/{name}"

    async def incident_of(self, name: str) -> IncidentRow | None:
        """The newest incident of a deployment or of the database."""
        target = self.target(name)
        async with self.app.store.read() as connection:
            found = await incidents.listing(connection, target=target, limit=1)
        return found[0] if found else None

    async def runs_of(self, name: str) -> list[RunRow]:
        """Newest first."""
        target = self.target(name)
        async with self.app.store.read() as connection:
            return await runs.listing(connection, target=target)

    async def ended_run_of(self, name: str) -> RunRow | None:
        """The newest run on a deployment, once it has ended."""
        found = await self.runs_of(name)
        return found[0] if found and found[0].state == "ended" else None

    async def story(self, incident_id: str) -> Story | None:
        """All of one incident."""
        async with self.app.store.read() as connection:
            return await incidents.story(connection, incident_id)

    async def decisions(self, incident_id: str | None = None) -> list[dict[str, Any]]:
        """Newest first."""
        async with self.app.store.read() as connection:
            return await decisions.listing(connection, incident_id=incident_id, limit=1_000)

    def restarts(self, name: str) -> int:
        """How often the pod template of a deployment was really changed, by anybody."""
        return len(self.world.kubernetes.changes("deployments", NAMESPACE, name, "spec.template"))

    def writes(self) -> int:
        """Requests that could have changed the cluster, whatever came of them."""
        return len(self.world.kubernetes.requests.writes)

    async def counts(self) -> dict[str, int]:
        """Everything that a webhook could have made more of."""
        found = await self.incidents()
        stories = [story for one in found if (story := await self.story(one.id)) is not None]
        return {
            "alerts": sum(story.alerts for story in stories),
            "incidents": len(found),
            "decisions": len(await self.decisions()),
            "runs": sum(len(story.runs) for story in stories),
            "writes to the cluster": self.writes(),
            "pages": len(self.world.pagerduty.incidents()),
        }

    async def post(self, body: bytes) -> dict[str, Any]:
        """Deliver a webhook as Alertmanager does; the answer's counts.

        Raises:
            NotAsToldError: it was not answered with 200.
        """
        headers = {"Authorization": f"Bearer {self.throwaway.webhook}", "Content-Type": "application/json"}
        async with self.session.post(f"{self.app.url}/webhook/alertmanager", data=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise NotAsToldError("the webhook is taken", "200", f"{answer.status} {text[:200]}")
            return dict(json.loads(text))

    async def approve(self, run_id: str) -> str:
        """Say yes to the plan that a run waits with, as `remediator approve` does; the plan's hash.

        Raises:
            NotAsToldError: it was not answered with 200.
        """
        url = f"{self.app.url}/api/v1/runs/{run_id}"
        headers = {"Authorization": f"Bearer {self.throwaway.api}"}
        async with self.session.get(url, headers=headers) as answer:
            plan = str((await answer.json())["approval"]["plan_hash"])
        order = {"plan": plan, "reason": "the primary's host is in trouble"}
        async with self.session.post(f"{url}/approve", json=order, headers=headers) as answer:
            if answer.status != 200:
                raise NotAsToldError("the yes is taken", "200", f"{answer.status} {(await answer.text())[:200]}")
        return plan

    def sick(self, name: str) -> bool:
        """Whether a deployment crash-loops or has too few pods; what the demo's alerts go by. KeyError if there is none."""
        cluster = self.world.kubernetes
        return workloads.is_crash_looping(cluster, "deployments", NAMESPACE, name) or workloads.is_short_of_replicas(
            cluster, "deployments", NAMESPACE, name
        )


@asynccontextmanager
async def open_stage(directory: Path, port: int, timeline: Timeline, clock: Clock) -> AsyncIterator[Stage]:
    """Start the world and the service on it; stop both at the end.

    Raises:
        OSError: the port is taken.
    """
    throwaway = new_secrets()
    async with new_world() as world:
        settings = settings_for(world, directory, port, throwaway)
        async with App(settings, clock=clock) as app, aiohttp.ClientSession() as session:
            world.send_alerts_to(f"{app.url}/webhook/alertmanager", bearer_token=throwaway.webhook)
            yield Stage(
                world=world,
                app=app,
                session=session,
                timeline=timeline,
                clock=clock,
                directory=directory,
                throwaway=throwaway,
            )
