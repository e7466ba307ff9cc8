"""What a person said stands: a no, a cancel, a yes that has grown old; and nothing is asked or done beside it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import update

from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from remediator.store import episodes
from remediator.store.database import Tx
from remediator.store.schema import approvals, runs
from tests.scenario.test_runs_go_wrong import ASKS_FIRST, SCALE_THEN_RESTART, only_run
from tests.scenario.test_the_way_of_an_alert import crashing, restarts
from tests.support.service import RESTART, Service, firing, running


def exists(service: Service) -> bool:
    try:
        service.world.kubernetes.get("deployments", "shop", "checkout")
    except KeyError:
        return False
    return True


async def denied(service: Service, code: str) -> str:
    """Wait for a standing denial with this reason; returns its text."""

    async def found() -> str | None:
        for incident in await service.incidents():
            for decision in (await service.story(incident.id)).decisions:
                for reason in decision["reasons"]:
                    if reason["code"] == code:
                        return str(reason["text"])
        return None

    return str(await service.until(found, what=f"a denial {code}"))


async def test_what_a_person_cancelled_is_not_begun_again_by_itself(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, timings__settle="1s") as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "ready")
            await service.api("POST", f"runs/{run_id}/cancel", reason="I am on it")
            assert "I am on it" in await denied(service, "said_no")
            assert [run.outcome for run in await service.runs()] == [Outcome.CANCELLED]
            assert restarts(service) == 0


async def test_what_a_person_rejected_is_not_asked_again_until_the_playbook_changes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS_FIRST, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            await service.api("POST", f"runs/{run_id}/reject", reason="not during the sale")
            assert "not during the sale" in await denied(service, "said_no")
            assert len(await service.runs()) == 1
            (tmp_path / "playbooks" / "p0.yaml").write_text(ASKS_FIRST.replace("cooldown: 15m", "cooldown: 16m"))
            assert await only_run(service, "approval") != run_id


async def test_a_yes_that_is_not_taken_up_yet_is_not_asked_for_beside(tmp_path: Path) -> None:
    """Decided again, with another plan, between the yes and its claim: the run with the yes is settled first."""
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS_FIRST, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            async with service.store.begin(Tx.OPERATE) as tx:  # as `approve` writes it, without waking the run
                said: dict[str, Any] = {"answer": "approved", "answered_by": "bob", "reason": "seen"}
                await tx.execute(
                    update(approvals)
                    .where(approvals.c.run_id == run_id)
                    .values(**said, answered_at=service.app.clock.now(), plan_hash="0" * 16)
                )
                incident = (await service.incidents())[0].id
                await episodes.wake_incident(tx, incident, service.app.clock.now())
            due = service.app.clock.now()

            async def decided() -> bool:
                async with service.store.read() as connection:
                    again = await episodes.next_due_at(connection)
                return again is None or again > due

            await service.until(decided, what="it is decided again")
            assert [run.id for run in await service.runs()] == [run_id]


async def test_a_yes_that_waited_too_long_is_not_carried_out(tmp_path: Path) -> None:
    """As behind a run that needs a person: what was approved long ago is decided anew (S10, S18)."""
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS_FIRST, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            now = service.app.clock.now()
            async with service.store.begin(Tx.OPERATE) as tx:
                said: dict[str, Any] = {"answer": "approved", "answered_by": "bob", "reason": "seen"}
                await tx.execute(
                    update(approvals)
                    .where(approvals.c.run_id == run_id)
                    .values(**said, answered_at=now - timedelta(minutes=20))
                )
                await tx.execute(update(runs).where(runs.c.id == run_id).values(wake_at=now))
            [run] = await service.ended()
            assert (run.id, run.outcome, restarts(service)) == (run_id, Outcome.OVERTAKEN, 0)


async def test_a_target_that_was_made_again_since_the_first_step_gets_no_further_one(tmp_path: Path) -> None:
    """The uid is what was decided about (S16): what was done is verified, nothing more is begun."""
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.prometheus.script("error_rate", 0.5)
        slow = SCALE_THEN_RESTART.replace("within: 1s", "within: 4s")
        async with running(tmp_path, slow, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))

            async def scaled() -> Any:
                return [run for run in await service.runs() if run.cursor["phase"] == "verify"]

            await service.until(scaled, what="the first remedy is done")
            path = f"{world.kubernetes_url}/apis/apps/v1/namespaces/shop/deployments/checkout"
            async with service.session.delete(path) as answer:
                assert answer.status < 300
            await service.until(lambda: not exists(service), what="it is gone")
            world.deploy("shop", "checkout")
            await world.rolled_out("shop", "checkout")
            [run] = await service.ended()
            steps = (await service.story(run.incident_id)).steps[run.id]
            assert [step.action for step in steps] == ["kubernetes.scale"]
            assert (run.outcome, "made again" in str(run.reason)) == (Outcome.REFUTED, True)


async def test_own_ground_may_be_spelled_by_an_alias_of_its_cluster(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(
            tmp_path,
            RESTART,
            world=world,
            clusters__sandbox__aliases=["production"],
            own_ground=["kubernetes/production/shop/deployment/checkout"],
        ) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            assert "shop/deployment/checkout" in await denied(service, "own_ground")
            assert restarts(service) == 0
