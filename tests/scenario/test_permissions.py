"""A right that is missing is told at the start, and an alert that would need it is denied before anything begins."""

from pathlib import Path

import aiohttp

from remediator.sandbox.world import World
from remediator.store import decisions
from tests.support.service import Service, firing, running

NEED = "needs patch on deployments in shop (API group apps; cluster sandbox; for playbook service-down)"


async def ready(service: Service) -> dict[str, object]:
    async with aiohttp.ClientSession() as session, session.get(f"{service.app.url}/-/ready") as answer:
        assert answer.status == 200, "it can still take alerts"
        found: dict[str, object] = (await answer.json())["dependencies"]["permissions"]
        return found


async def missing(service: Service) -> list[str] | None:
    found = (await ready(service))["missing"]
    assert isinstance(found, list)
    return found or None


async def test_what_is_missing_is_named_at_the_start_and_by_the_denial(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.kubernetes.deny("patch", "deployments")
        async with running(tmp_path, world=world) as service:
            assert await service.until(lambda: missing(service)) == [NEED]
            assert (await ready(service))["ok"] is False
            assert b"remediator_permissions_missing 1.0" in service.app.metrics.render()

            await service.alert(firing(namespace="shop", deployment="checkout"))
            (incident,) = await service.until(service.incidents)
            async with service.store.read() as connection:
                found = await decisions.listing(connection, incident_id=incident.id)
            reasons = [(one["code"], one["kind"], one["text"]) for one in found[0]["reasons"]]
            assert reasons == [("permission_missing", "refuse", NEED)]
            assert world.kubernetes.requests.writes == []
            assert await service.runs() == []


async def test_what_only_evidence_needs_is_named_and_stops_nothing(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.kubernetes.deny("get", "pods", "log")
        async with running(tmp_path, world=world) as service:
            (told,) = await service.until(lambda: missing(service))
            assert told.startswith("needs get on pods/log in shop (cluster sandbox; for what is told of")
            await service.alert(firing(namespace="shop", deployment="checkout"))
            (run,) = await service.ended()
            assert run.outcome == "verified"
