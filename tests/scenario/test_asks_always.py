"""An action that nobody can take back is done only after a yes to its very plan: the step asks for it once more.

That it asks at all where everything may act is told by the drill of a promotion in ``test_drill_database.py``.
"""

from pathlib import Path

import pytest

from remediator.playbooks import remedy
from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from remediator.store.runs import RunRow
from tests.scenario.test_runs_go_wrong import SCALE_THEN_RESTART, replicas
from tests.scenario.test_the_way_of_an_alert import crashing, restarts
from tests.support.drill import LONG_S, approve
from tests.support.service import RESTART, Service, firing, running


@pytest.fixture(autouse=True)
def restart_always_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any action would do: the restart stands for a promotion, which needs another world."""
    monkeypatch.setattr(remedy, "ASKS_ALWAYS", frozenset({"kubernetes.rollout_restart"}))
    monkeypatch.setattr("remediator.engine.recheck.ASKS_ALWAYS", frozenset({"kubernetes.rollout_restart"}))


async def first_end(service: Service) -> RunRow:
    """Of the run that ended first, whatever was decided after it."""

    async def found() -> RunRow | None:
        return next((run for run in reversed(await service.runs()) if run.state == "ended"), None)

    run: RunRow = await service.until(found, within_s=LONG_S, what="a run has ended")
    return run


async def test_a_yes_to_another_remedy_is_none_to_it(tmp_path: Path) -> None:
    """The scaling was shown and approved; the restart that would follow it was not."""
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.prometheus.script("error_rate", 0.5)
        asks = SCALE_THEN_RESTART.replace("autonomy: act", "autonomy: approve")
        async with running(tmp_path, asks, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await approve(service)
            run = await first_end(service)
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
            run = await first_end(service)
            assert (run.outcome, restarts(service)) == (Outcome.OVERTAKEN, 0)
