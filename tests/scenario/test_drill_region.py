"""Row 26 from end to end: a region is down, a yes to the very change, and a name that leads to the other region."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from remediator.clients.http_probe import HttpProbe
from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import LONG_S, approve, in_state, listen, paged, timeline
from tests.support.service import running

RECORD = "route53-record/example.org/www.example.org:A"
CHECK = "11111111-2222-3333-4444-555555555555"
HOME, RECOVERY = "192.0.2.1", "192.0.2.2"
SHIPPED = Path("playbooks/region-failover-dns.yaml").read_text()


@pytest.fixture(autouse=True)
def loopback_may_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recovery region's endpoint of a test is on loopback, which a probe never asks otherwise."""
    init = HttpProbe.__init__
    monkeypatch.setattr(HttpProbe, "__init__", lambda self: init(self, allow_loopback=True))


@asynccontextmanager
async def recovery_region() -> AsyncIterator[str]:
    """Its health endpoint, which answers."""

    async def well(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/healthz", well)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/healthz"
    finally:
        await runner.cleanup()


def drill(url: str, *, within: str = "90s") -> str:
    """As shipped but for its own names and for minutes that are seconds. Raised to `act`, which must not matter: it always asks."""
    text = SHIPPED.replace("https://recovery.example.org/healthz", url)
    text = text.replace("00000000-0000-0000-0000-000000000000", CHECK).replace("autonomy: propose", "autonomy: act")
    return text.replace("within: 15m", f"within: {within}").replace("hold: 5m", "hold: 300ms")


def weighted(identifier: str, value: str, weight: int) -> dict[str, Any]:
    return {
        "Name": "www.example.org",
        "Type": "A",
        "SetIdentifier": identifier,
        "Weight": weight,
        "TTL": 60,
        "ResourceRecords": [{"Value": value}],
    }


def region_down(world: World) -> Any:
    """The zone, with all weight at home, until the records say otherwise."""
    zone = world.aws.route53.zone("example.org")
    world.aws.route53.put(zone, weighted("home", HOME, 100))
    world.aws.route53.put(zone, weighted("recovery", RECOVERY, 0))
    world.aws.route53.health_check(CHECK)
    world.alert_when(lambda: weights(world, zone)["recovery"] == 0, "RegionDown", {"severity": "critical"})
    return zone


def weights(world: World, zone: Any) -> dict[str, int]:
    found = world.aws.route53.found(zone, "www.example.org", "A")
    return {one["SetIdentifier"]: one["Weight"] for one in found}


async def test_the_name_leads_to_the_recovery_region_after_a_yes_whatever_the_autonomy(tmp_path: Path) -> None:
    async with World(speed=4) as world, recovery_region() as url:
        zone = region_down(world)
        async with running(tmp_path, drill(url), world=world, **account_settings(world, tmp_path, RECORD)) as service:
            listen(world, service)
            await paged(service)
            await in_state(service, "approval")
            assert world.aws.writes == []
            await approve(service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert run.target == f"aws/111122223333/eu-central-1/{RECORD}"
            assert weights(world, zone) == {"home": 0, "recovery": 100}
            [mark] = world.aws.route53.found(zone, "_remediator.www.example.org", "TXT")
            assert "int_" in mark["ResourceRecords"][0]["Value"]
            assert [one.operation for one in world.aws.writes] == ["ChangeResourceRecordSets"]
            told = await timeline(service)
    for word in (
        "RegionDown",
        "alice approved",
        "www.example.org A in example.org lead to the recovery site: all weight to recovery",
        f"www.example.org A is answered with {RECOVERY}",
        "verified",
    ):
        assert word in told, told


async def test_a_recovery_region_that_gets_ill_is_left_again(tmp_path: Path) -> None:
    """Its health check fails as soon as clients come: the weights from before are put back, and a person is told."""
    async with World(speed=4) as world, recovery_region() as url:
        zone = region_down(world)
        async with running(
            tmp_path, drill(url, within="2s"), world=world, **account_settings(world, tmp_path, RECORD)
        ) as service:
            listen(world, service)
            await in_state(service, "approval")
            # No name server has the change yet, so nothing can be verified before the check fails.
            world.aws.hold()
            await approve(service)
            await world.aws.until(lambda: weights(world, zone)["recovery"] == 100, timeout_s=LONG_S)
            world.aws.route53.health_checks[CHECK].sees = False
            world.aws.release()
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.REFUTED, run.reason
            assert weights(world, zone) == {"home": 100, "recovery": 0}
            assert world.aws.route53.found(zone, "_remediator.www.example.org", "TXT") == []
            await paged(service)
