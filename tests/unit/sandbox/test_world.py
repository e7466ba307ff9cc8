"""The world as a whole: alerts follow the cluster, and the three stories that the demo plays."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from kubernetes_asyncio import client, config

from remediator.sandbox.world import World
from tests.unit.sandbox.manifests import restart, untyped


class Inbox:
    """A webhook that keeps what Alertmanager sends."""

    def __init__(self) -> None:
        self.statuses: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.Response:
        for alert in (await request.json())["alerts"]:
            self.statuses.put_nowait((alert["labels"]["deployment"], alert["status"]))
        return web.Response()

    async def next(self) -> tuple[str, str]:
        async with asyncio.timeout(30):
            return await self.statuses.get()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(speed=4) as opened:
        yield opened


@pytest.fixture
async def inbox(world: World) -> AsyncIterator[Inbox]:
    kept = Inbox()
    app = web.Application()
    app.router.add_post("/hook", kept.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    world.send_alerts_to(f"http://127.0.0.1:{runner.addresses[0][1]}/hook")
    yield kept
    await runner.cleanup()


@pytest.fixture
async def apps(world: World, tmp_path: Path) -> AsyncIterator[Any]:
    configuration = client.Configuration()
    await config.load_kube_config(str(world.kubeconfig(tmp_path / "kubeconfig")), client_configuration=configuration)
    async with client.ApiClient(configuration) as api:
        yield untyped(client.AppsV1Api(api))


async def firing(world: World) -> list[str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.prometheus_url}/api/v1/query", params={"query": 'ALERTS{alertstate="firing"}'}) as answer,
    ):
        return [series["metric"]["deployment"] for series in (await answer.json())["data"]["result"]]


async def test_a_crash_looping_service_fires_and_a_restart_resolves_it_twice_over(
    world: World, inbox: Inbox, apps: Any
) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.alert_when_down("shop", "checkout", for_s=0.2)
    for value in ("1", "2"):  # the second time is the demo's "within the cooldown"
        world.sicken("shop", "checkout")
        assert await inbox.next() == ("checkout", "firing")
        assert await firing(world) == ["checkout"]
        await apps.patch_namespaced_deployment("checkout", "shop", restart(value))
        assert await inbox.next() == ("checkout", "resolved")
        assert await firing(world) == []
        await world.rolled_out("shop", "checkout")
    assert len(world.kubernetes.changes("deployments", "shop", "checkout", "spec.template")) == 2


async def test_a_rollout_that_never_gets_ready_keeps_its_alert_firing(world: World, inbox: Inbox, apps: Any) -> None:
    world.deploy("shop", "payments", behaviour="healthy", spec={"progressDeadlineSeconds": 2})
    await world.rolled_out("shop", "payments")
    world.alert_when_down("shop", "payments")
    world.sicken("shop", "payments", "crash-loop", on_restart="never-ready")
    assert await inbox.next() == ("payments", "firing")
    await apps.patch_namespaced_deployment("payments", "shop", restart("1"))

    def stuck() -> bool:
        conditions = world.kubernetes.get("deployments", "shop", "payments")["status"]["conditions"]
        return any(found["reason"] == "ProgressDeadlineExceeded" for found in conditions)

    await world.kubernetes.until(stuck)
    assert inbox.statuses.empty()
    assert await firing(world) == ["payments"]


async def test_for_delays_the_alert_and_shows_it_as_pending(world: World) -> None:
    world.alert_when(lambda: True, "Slow", {"deployment": "x"}, for_s=3600)
    async with asyncio.timeout(30), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{world.prometheus_url}/api/v1/alerts") as answer:
                alerts = (await answer.json())["data"]["alerts"]
            if alerts:
                break
            await asyncio.sleep(0.02)
    assert alerts[0]["state"] == "pending"
    assert world.alertmanager.firing() == []


async def test_an_alert_about_something_that_is_not_there_does_not_fire(world: World, inbox: Inbox) -> None:
    world.deploy("shop", "checkout", behaviour="crash-loop")
    world.alert_when_down("shop", "missing")
    world.alert_when_down("shop", "checkout")
    assert await inbox.next() == ("checkout", "firing")
    assert await firing(world) == ["checkout"]


async def test_the_watchdog_always_fires_in_an_alertmanager_that_is_not_young(world: World) -> None:
    world.watchdog()
    await world.alertmanager.until(lambda: bool(world.alertmanager.firing()), timeout_s=5)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.alertmanager_url}/api/v2/status") as answer,
    ):
        started_at = datetime.fromisoformat((await answer.json())["uptime"])
    assert datetime.now(UTC) - started_at > timedelta(minutes=5)


async def test_seeding_is_not_a_change_and_an_unknown_workload_cannot_fall_ill(world: World) -> None:
    world.deploy("shop", "checkout")
    assert world.kubernetes.store.changes == []
    with pytest.raises(KeyError):
        world.sicken("shop", "missing")


async def test_every_server_listens_on_loopback(world: World) -> None:
    urls = (world.kubernetes_url, world.alertmanager_url, world.prometheus_url, world.pagerduty_url)
    assert all(url.startswith("http://127.0.0.1:") for url in urls)
    assert len(set(urls)) == 4


async def test_the_kubeconfig_is_private(world: World, tmp_path: Path) -> None:
    path = world.kubeconfig(tmp_path / "kubeconfig")
    assert path.stat().st_mode & 0o777 == 0o600
