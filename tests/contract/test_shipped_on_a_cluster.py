"""Shipped playbooks on the emulator and on a real API server, as an account that may do exactly what `remediator permissions` prints:
the target is found, the promised remedy is planned, and its dry-run is taken by the server and changes nothing."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from remediator.actions import ACTIONS, action_named
from remediator.actions.base import ActionContext
from remediator.conditions import CONDITIONS
from remediator.conditions.base import Known
from remediator.engine.needs import needs
from remediator.engine.survey import Surveyor
from remediator.engine.worlds import Worlds
from remediator.playbooks.library import load_directory
from remediator.settings import Settings
from tests.contract.cases.workload_cases import released
from tests.contract.conftest import may_write
from tests.contract.doing import FIRST
from tests.support import claims, postgres
from tests.support.cluster import CLUSTER, Stage

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
Prepare = Callable[[Stage], Awaitable[object]]


async def just_released(stage: Stage) -> None:
    await released(stage, "Deployment")


async def full_volume(stage: Stage) -> None:
    await claims.claim(stage, await claims.storage_class(stage))


@pytest.mark.parametrize(
    ("name", "prepare", "labels", "remedy", "summary"),
    [
        ("high-error-rate", just_released, {"deployment": "checkout"}, "rollback", "from revision 2 to 1"),
        ("volume-expand", full_volume, {"persistentvolumeclaim": "data"}, "expand", "from 10Gi to 12800Mi"),
        ("slow-query-diagnose", postgres.cluster, {"cnpg_cluster": "db"}, "diagnose", "in postgres of pod"),
    ],
)
async def test_with_exactly_the_printed_permissions_the_remedy_is_planned_and_rehearsed(
    stage: Stage, name: str, prepare: Prepare, labels: dict[str, str], remedy: str, summary: str
) -> None:
    await prepare(stage)
    place = {"namespaces": [stage.namespace], "commands": True}
    source = {"cluster": CLUSTER, "credential": {"token": "a-throwaway-token"}}
    settings = Settings.model_validate({"clusters": {CLUSTER: place}, "sources": {"default": source}})
    playbook = load_directory(
        PLAYBOOKS,
        action_params={one.name: one.params for one in ACTIONS},
        condition_params={one.name: one.params for one in CONDITIONS},
    ).get(name)
    assert playbook is not None
    required = [one.permission for one in needs([playbook], settings.clusters) if not one.optional]
    client = await stage.client(required, dry_run=True)
    surveyor = Surveyor(settings=settings, worlds=Worlds(kubernetes={CLUSTER: client}, prometheus={}, alertmanagers={}))
    told = {"namespace": stage.namespace, **labels}
    survey = await surveyor.find_target(playbook, "default", told)
    assert survey.target is not None and survey.world is not None, survey.target_problem
    chosen = await surveyor.choose(playbook, survey.target, survey.world, Known(datetime.now(UTC), told))
    assert chosen.refused is None, chosen.refused
    assert chosen.chosen is not None, chosen.asked
    assert playbook.remedies[chosen.chosen].name == remedy
    [plan] = chosen.plans
    assert summary in plan.summary
    with may_write():
        await action_named(plan.action).apply(ActionContext(client), plan, FIRST)
    assert all(one.dry_run for one in await stage.audit() if one.writes)
