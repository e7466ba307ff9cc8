"""Every playbook about Kubernetes as it ships, all of them in force at once: the alert that it is for leads to the plan that its
first lines promise, no other playbook takes it, and nothing is done without a person.

The whole program on the simulated world; `explain` asks what a decision asks.
"""

import re
from pathlib import Path

import pytest

from remediator.sandbox.world import World
from tests.scenario.shipped_rows import NOT_FOR, ROWS, Labels, Prepare, Row
from tests.support.service import TOKEN, firing, running

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
SHIPPED = {path.stem: path.read_text() for path in sorted(PLAYBOOKS.glob("*.yaml"))}


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_the_alert_leads_to_the_plan_that_is_promised(tmp_path: Path, row: Row) -> None:
    async with World(speed=4) as world:
        await row.prepare(world)
        for query, answer in row.answers.items():
            world.prometheus.script(re.compile(query, re.DOTALL), answer)
        async with running(
            tmp_path, *SHIPPED.values(), world=world, clusters__sandbox__nodes=True, clusters__sandbox__commands=True
        ) as service:
            alert = firing(row.alert, **row.labels(world))  # type: ignore[arg-type]  # labels only
            _, found = await service.api("POST", "explain", alert=alert)
            [mine] = [one for one in found["alerts"][0]["playbooks"] if one["matches"]]
            assert (mine["playbook"], mine["remedy"]) == (row.playbook, row.remedy), mine
            assert row.summary in "; ".join(step["summary"] for step in mine["plan"]["steps"])
            refused = [guard for guard in mine["guards"] if not guard["passes"]]
            assert (mine["verdict"], refused) == ("approve" if row.playbook == "service-down" else "propose", [])
            assert not [one for one in world.kubernetes.requests if one.writes and "authorization" not in one.path]


@pytest.mark.parametrize(("playbook", "name", "prepare", "labels"), NOT_FOR, ids=[one[0] for one in NOT_FOR])
async def test_where_it_must_not_help_it_has_no_remedy(
    tmp_path: Path, playbook: str, name: str, prepare: Prepare, labels: Labels
) -> None:
    async with World(speed=4) as world:
        await prepare(world)
        async with running(
            tmp_path, *SHIPPED.values(), world=world, clusters__sandbox__nodes=True, clusters__sandbox__commands=True
        ) as service:
            world.send_alerts_to(f"{service.app.url}/webhook/alertmanager", bearer_token=TOKEN)
            alert = firing(name, **labels(world))  # type: ignore[arg-type]  # labels only

            async def denied() -> list[str] | None:
                _, found = await service.api("POST", "explain", alert=alert)
                [mine] = [one for one in found["alerts"][0]["playbooks"] if one["matches"]]
                assert mine["playbook"] == playbook
                return [guard["guard"] for guard in mine["guards"] if not guard["passes"]] or None

            assert await service.until(denied, what="a denial") == ["remedy"]
