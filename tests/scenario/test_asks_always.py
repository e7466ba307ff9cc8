"""An action that nobody can take back is done only after a yes to its very plan, whatever autonomy, ladder and settings say."""

from pathlib import Path

import pytest

from remediator.playbooks import remedy
from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from tests.scenario.test_runs_go_wrong import SCALE_THEN_RESTART, only_run, replicas
from tests.scenario.test_the_way_of_an_alert import crashing, restarts
from tests.support.service import RESTART, firing, running


@pytest.fixture(autouse=True)
def restart_always_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any action would do: the restart stands for a promotion, which needs another world."""
    monkeypatch.setattr(remedy, "ASKS_ALWAYS", frozenset({"kubernetes.rollout_restart"}))
    monkeypatch.setattr("remediator.engine.recheck.ASKS_ALWAYS", frozenset({"kubernetes.rollout_restart"}))


async def test_where_everything_may_act_it_still_asks_and_is_done_after_the_yes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, RESTART, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            assert restarts(service) == 0
            _, asked = await service.api("GET", f"runs/{run_id}")
            status, _ = await service.api(
                "POST", f"runs/{run_id}/approve", reason="seen", plan=asked["approval"]["plan_hash"]
            )
            assert status == 200
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == (Outcome.VERIFIED, 1)


async def test_a_yes_to_another_remedy_is_none_to_it(tmp_path: Path) -> None:
    """The scaling was shown and approved; the restart that would follow it was not."""
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.prometheus.script("error_rate", 0.5)
        asks = SCALE_THEN_RESTART.replace("autonomy: act", "autonomy: approve")
        async with running(tmp_path, asks, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            _, asked = await service.api("GET", f"runs/{run_id}")
            await service.api("POST", f"runs/{run_id}/approve", reason="seen", plan=asked["approval"]["plan_hash"])
            [run] = await service.ended()
            assert run.outcome == Outcome.REFUTED
            assert (replicas(service), restarts(service)) == (4, 0)


async def test_it_is_not_done_by_a_run_that_was_admitted_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Admitted by a program that did not know better: the step itself asks for the yes once more."""
    monkeypatch.setattr(remedy, "ASKS_ALWAYS", frozenset())
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, RESTART, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == (Outcome.OVERTAKEN, 0)
