"""Operators' doors on a running service: approval, cancel, pause and explain, over real HTTP against the simulated world."""

from pathlib import Path
from typing import Any

from remediator.sandbox.world import World
from tests.support.service import RESTART, Service, firing, running

ASKS = RESTART.replace("autonomy: act", "autonomy: approve")


async def crashing(world: World) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.sicken("shop", "checkout", "crash-until-restart")


def restarts(service: Service) -> int:
    return len(service.world.kubernetes.changes("deployments", "shop", "checkout", "spec.template"))


async def waiting(service: Service) -> dict[str, Any]:
    """The run that asks for a yes, as the API shows it."""

    async def asked() -> Any:
        _, found = await service.api("GET", "runs?state=approval")
        return found["runs"]

    [run] = await service.until(asked, what="a request")
    _, detail = await service.api("GET", f"runs/{run['id']}")
    return dict(detail)


async def test_a_yes_by_the_api_restarts_once_and_the_name_stands_in_the_story(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            detail = await waiting(service)
            assert restarts(service) == 0
            order = {"plan": detail["approval"]["plan_hash"], "reason": "seen the plan"}
            assert (await service.api("POST", f"runs/{detail['run']['id']}/approve", **order))[0] == 200
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == ("verified", 1)
            status, answer = await service.api("POST", f"runs/{run.id}/approve", **order)
            assert status == 409 and "alice" in answer["error"]
            _, story = await service.api("GET", f"incidents/{run.incident_id}")
            assert any("alice approved plan" in event["text"] for event in story["timeline"])


async def test_a_no_changes_nothing_and_a_cancelled_request_takes_no_yes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            detail = await waiting(service)
            path = f"runs/{detail['run']['id']}"
            assert (await service.api("POST", f"{path}/reject", reason="by hand"))[0] == 200
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == ("cancelled", 0)
            order = {"plan": detail["approval"]["plan_hash"], "reason": "late"}
            status, answer = await service.api("POST", f"{path}/approve", **order)
            assert status == 409 and "it was rejected" in answer["error"]
            status, answer = await service.api("POST", f"{path}/cancel", reason="late")
            assert status == 409 and "ended cancelled" in answer["error"]


async def test_under_pause_nothing_begins_and_after_the_resume_it_is_decided_anew(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            assert (await service.api("POST", "pause", scope="namespace:shop", reason="migration"))[0] == 200
            await service.alert(firing(namespace="shop", deployment="checkout"))

            async def denied() -> bool:
                _, found = await service.api("GET", "decisions")
                return any(
                    "paused (namespace:sandbox/shop)" in r["text"] for d in found["decisions"] for r in d["reasons"]
                )

            await service.until(denied, what="a denial that names the pause")
            assert restarts(service) == 0
            assert (await service.api("POST", "resume", scope="namespace:shop"))[0] == 200
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == ("verified", 1)


async def test_explain_shows_the_exact_calls_and_neither_writes_nor_changes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            alert = firing(namespace="shop", deployment="checkout")
            status, found = await service.api("POST", "explain", alert=alert)
            assert status == 200
            [one] = found["alerts"][0]["playbooks"]
            assert (one["verdict"], one["remedy"]) == ("run", "restart")
            assert one["target"] == "kubernetes/sandbox/shop/deployment/checkout"
            assert all(guard["passes"] for guard in one["guards"]), one["guards"]
            assert any("PATCH" in call for step in one["plan"]["steps"] for call in step["calls"])
            assert (restarts(service), await service.runs(), await service.incidents()) == (0, [], [])
            await service.alert(alert)
            [run] = await service.ended()
            _, found = await service.api("POST", "explain", alert=alert)
            [told] = found["alerts"]
            assert told["episode_id"] == run.episode_id
            refused = {guard["guard"]: guard["text"] for guard in told["playbooks"][0]["guards"] if not guard["passes"]}
            assert "cooldown 15m" in refused["cooldown"]
