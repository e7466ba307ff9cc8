"""kubernetes.postgres_switchover and its conditions, on the emulator and on a real API server; the test plays the operator."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.kubernetes.marks import intent_manager
from remediator.clients.prometheus import Sample, Vector
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import FactsMissingError, OvertakenError
from remediator.runs.plan import Plan
from tests.contract.doing import FIRST, SECOND, Doing
from tests.support import postgres
from tests.support.clock import T0
from tests.support.cluster import Object, Stage

UP, LAG = "cnpg_pg_replication_is_wal_receiver_up", "cnpg_pg_replication_lag"


class Exported:
    """A Prometheus that has these series of the instance `db-2`, the value by name."""

    def __init__(self, namespace: str, **values: float) -> None:
        self._instance = f'{{namespace="{namespace}",pod="db-2"}}'
        self._values = values

    async def query(self, promql: str) -> Vector:
        values = [value for name, value in self._values.items() if promql == name + self._instance]
        return Vector(tuple(Sample({}, value) for value in values), (), T0)


async def switching(stage: Stage, **params: Any) -> Doing:
    return await Doing.on(stage, "kubernetes.postgres_switchover", stage.target("db", "postgrescluster"), **params)


async def status(stage: Stage) -> Object:
    found: Object = (await stage.get("Cluster", "db"))["status"]
    return found


async def refusal(stage: Stage, **params: Any) -> tuple[str, str]:
    with pytest.raises(PlanRefusedError) as refused:
        await (await switching(stage, **params)).plan()
    return refused.value.code, refused.value.kind


async def look(
    stage: Stage, condition: str, *done: Plan, prometheus: Any = None, now: datetime = T0, **params: Any
) -> Look:
    asking = condition_named(condition)
    chosen = asking.params.model_validate(params)
    target = stage.target("db", "postgrescluster")
    client = await stage.client(asking.permissions("postgrescluster", chosen))
    return await asking.look(World(client, prometheus, None), target, chosen, Known(now, {}, done=done))


async def test_it_asks_as_the_operators_own_tool_does(stage: Stage) -> None:
    await postgres.cluster(stage, with_operator=False)
    doing = await switching(stage)
    plan = await doing.do()
    found = await status(stage)
    assert (found["currentPrimary"], found["targetPrimary"]) == ("db-1", plan.changes[0].after)
    assert found["targetPrimary"] in ("db-2", "db-3")
    assert found["phase"] == "Switchover in progress"
    assert found["phaseReason"] == f"Switching over to {found['targetPrimary']}"
    assert datetime.now(UTC) - datetime.fromisoformat(found["targetPrimaryTimestamp"]) < timedelta(minutes=1)
    conditions = {one["type"]: one["status"] for one in found["conditions"]}
    assert conditions == {"ContinuousArchiving": "True", "Ready": "False"}
    assert await doing.verify(plan) is Answer.NO
    assert (await look(stage, "cnpg_primary_changed", plan)).answer is Answer.NO
    assert (await look(stage, "cnpg_healthy")).answer is Answer.NO


async def test_it_is_seen_when_the_operator_has_done_it(stage: Stage) -> None:
    await postgres.cluster(stage)
    doing = await switching(stage)
    plan = await doing.do()
    standby = str(plan.changes[0].after)
    await stage.until("Cluster", "db", lambda found: found["status"]["currentPrimary"] == standby)
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await doing.landed(plan, SECOND)).answer is Answer.UNKNOWN
    assert await doing.verify(plan) is Answer.YES
    assert (await look(stage, "cnpg_primary_changed", plan)).answer is Answer.YES
    assert (await look(stage, "cnpg_healthy")).answer is Answer.YES
    assert await doing.undo_plan(plan) is None


async def test_our_mark_is_the_manager_of_the_status(stage: Stage) -> None:
    await postgres.cluster(stage, with_operator=False)
    doing = await switching(stage)
    plan = await doing.plan()
    assert (await doing.landed(plan)).answer is Answer.NO
    await doing.apply(plan)
    managers = (await stage.get("Cluster", "db"))["metadata"]["managedFields"]
    assert intent_manager(FIRST) in [one["manager"] for one in managers if one.get("subresource") == "status"]
    assert "found done already" in (await doing.apply(plan)).summary


async def test_whoever_names_another_primary_hides_whether_we_did(stage: Stage) -> None:
    await postgres.cluster(stage, with_operator=False)
    doing = await switching(stage)
    plan = await doing.do()
    later = datetime.now(UTC).isoformat(timespec="microseconds")
    await postgres.say(stage, "db", targetPrimary="db-1", targetPrimaryTimestamp=later)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert await doing.verify(plan) is Answer.UNKNOWN


async def test_without_a_healthy_standby_it_is_refused(stage: Stage) -> None:
    await postgres.cluster(stage, with_operator=False)
    await postgres.say(stage, "db", readyInstances=1, instancesStatus={"healthy": ["db-1"], "replicating": ["db-2"]})
    assert await refusal(stage) == ("no_healthy_standby", "refuse")


async def test_a_standby_whose_pod_is_not_there_is_none(stage: Stage) -> None:
    """The status is as old as the operator's last look."""
    await postgres.cluster(stage, instances=2, with_operator=False)
    await stage.delete("Pod", "db-2", {"gracePeriodSeconds": 0})
    await stage.gone("Pod", "db-2")
    assert await refusal(stage) == ("no_healthy_standby", "refuse")


async def test_a_single_instance_is_refused(stage: Stage) -> None:
    await postgres.cluster(stage, instances=1, with_operator=False)
    assert await refusal(stage) == ("no_healthy_standby", "refuse")


async def test_during_a_switchover_it_waits(stage: Stage) -> None:
    await postgres.cluster(stage, with_operator=False)
    await postgres.say(stage, "db", targetPrimary="pending", phase="Failing over")
    assert await refusal(stage) == ("switchover_under_way", "wait")


async def test_while_the_operator_is_at_work_it_waits(stage: Stage) -> None:
    await postgres.cluster(stage, with_operator=False)
    await postgres.say(stage, "db", phase="Upgrading cluster")
    assert await refusal(stage) == ("operator_at_work", "wait")


async def test_soon_after_a_failover_it_is_for_a_person(stage: Stage) -> None:
    await postgres.cluster(stage, promoted_ago=timedelta(minutes=5), with_operator=False)
    assert await refusal(stage) == ("primary_changed_lately", "refuse")
    assert (await (await switching(stage, quiet_for="1m")).plan()).changes[0].before == "db-1"


@pytest.mark.parametrize(
    ("annotations", "spec"),
    [
        ({"cnpg.io/fencedInstances": '["db-3"]'}, {}),
        ({"cnpg.io/fencedInstances": "not json"}, {}),
        ({"cnpg.io/hibernation": "on"}, {}),
        ({"cnpg.io/reconciliationLoop": "disabled"}, {}),
        ({}, {"nodeMaintenanceWindow": {"inProgress": True}}),
        ({}, {"replica": {"enabled": True, "source": "elsewhere"}}),
        ({}, {"replica": {"primary": "elsewhere", "source": "elsewhere"}}),
    ],
    ids=["fenced", "fenced-somehow", "hibernated", "left-alone", "maintenance", "replica", "distributed"],
)
async def test_what_people_hold_is_left_to_them(stage: Stage, annotations: dict[str, str], spec: Object) -> None:
    await postgres.cluster(stage, annotations=annotations, spec=spec, with_operator=False)
    assert await refusal(stage) == ("held", "refuse")


async def test_what_holds_nothing_is_no_reason(stage: Stage) -> None:
    annotations = {"cnpg.io/fencedInstances": "[]", "cnpg.io/hibernation": "off"}
    spec = {"replica": {"primary": "db", "source": "elsewhere"}}
    await postgres.cluster(stage, annotations=annotations, spec=spec, with_operator=False)
    await (await switching(stage)).plan()


async def test_a_failover_between_plan_and_write_stops_it(stage: Stage) -> None:
    await postgres.cluster(stage, with_operator=False)
    doing = await switching(stage)
    plan = await doing.plan()
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    await postgres.say(
        stage,
        "db",
        currentPrimary="db-2",
        targetPrimary="db-2",
        currentPrimaryTimestamp=now,
        targetPrimaryTimestamp=now,
    )
    with pytest.raises(OvertakenError, match="primary"):
        await doing.apply(plan)
    assert (await status(stage))["targetPrimary"] == "db-2"


async def test_a_cluster_that_was_made_again_is_another(stage: Stage) -> None:
    made = await postgres.cluster(stage, with_operator=False)
    doing = await switching(stage)
    plan = await doing.plan()
    await stage.delete("Cluster", "db")
    await stage.gone("Cluster", "db")
    with pytest.raises(OvertakenError, match="gone"):
        await doing.apply(plan)
    await stage.create({"kind": "Cluster", "metadata": {"name": "db"}, "spec": made["spec"]})
    with pytest.raises(OvertakenError, match="made again"):
        await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert await doing.verify(plan) is Answer.UNKNOWN
    assert (await look(stage, "cnpg_primary_changed", plan)).answer is Answer.UNKNOWN


async def test_without_the_operators_resources_nothing_is_known(real_stage: Stage) -> None:
    """Or with another version of them."""
    with pytest.raises((PlanRefusedError, FactsMissingError)):
        await (await switching(real_stage)).plan()


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ({UP: 1, LAG: 0.4}, Answer.YES),
        ({UP: 1, LAG: 5.1}, Answer.NO),
        ({UP: 0, LAG: 0}, Answer.NO),
        ({UP: 1}, Answer.UNKNOWN),
        ({UP: 1, LAG: float("nan")}, Answer.UNKNOWN),
        ({}, Answer.UNKNOWN),
    ],
)
async def test_whether_the_standby_streams_is_told_by_its_metrics(
    emulated_stage: Stage, values: dict[str, float], answer: Answer
) -> None:
    stage = emulated_stage
    await postgres.cluster(stage, instances=2, with_operator=False)
    exported = Exported(stage.namespace, **values)
    assert (await look(stage, "cnpg_standby_streaming", prometheus=exported)).answer is answer


async def test_no_standby_is_a_no_and_no_prometheus_an_unknown(emulated_stage: Stage) -> None:
    stage = emulated_stage
    await postgres.cluster(stage, instances=1, with_operator=False)
    assert (await look(stage, "cnpg_standby_streaming")).answer is Answer.UNKNOWN
    asked = Exported(stage.namespace)
    assert (await look(stage, "cnpg_standby_streaming", prometheus=asked)).answer is Answer.NO


async def test_before_a_switchover_of_this_run_no_change_is_known(emulated_stage: Stage) -> None:
    await postgres.cluster(emulated_stage, instances=1, with_operator=False)
    assert (await look(emulated_stage, "cnpg_primary_changed")).answer is Answer.UNKNOWN


async def test_a_primary_that_is_new_or_changes_now_is_a_recent_failover(emulated_stage: Stage) -> None:
    stage = emulated_stage
    await postgres.cluster(stage, promoted_ago=timedelta(minutes=30), with_operator=False)

    async def recent(within: str) -> Answer:
        return (await look(stage, "recent_failover", now=datetime.now(UTC), within=within)).answer

    assert (await recent("1h"), await recent("10m")) == (Answer.YES, Answer.NO)
    await postgres.say(stage, "db", targetPrimary="pending")
    assert await recent("10m") is Answer.YES
    await postgres.say(stage, "db", targetPrimary="db-1", currentPrimaryTimestamp="")
    assert await recent("10m") is Answer.UNKNOWN
