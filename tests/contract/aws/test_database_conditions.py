"""Conditions about databases of RDS and Aurora: yes, no, and unknown where it cannot be said."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from remediator.answers import Answer
from remediator.clients.permissions import IamPermission
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.runs.plan import Plan
from remediator.sandbox.aws.rds_state import Instance
from remediator.targets import Target
from tests.contract.aws.cases.rds_cases import ORDERS, SHOP, cluster, instance, rds, replica, with_backup
from tests.contract.aws.doing_aws import DoingAws
from tests.support.aws_stage import AwsStage

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN


async def look(stage: AwsStage, name: str, target: Target, *done: Plan, **params: Any) -> Look:
    """With exactly the rights that it declares."""
    condition = condition_named(name)
    chosen = condition.params.model_validate(params)
    rights = condition.permissions(target.kind, chosen)
    client = stage.client(rights)
    world = World(None, None, None, account=client)
    before = len(stage.asked())
    found = await condition.look(world, target, chosen, Known(stage.clock.now(), {}, done=done))
    asked = {one.action for one in stage.asked()[before:]}
    assert asked <= {one.action for one in rights if isinstance(one, IamPermission)}
    return found


def the_instance(stage: AwsStage) -> Instance:
    return rds(stage).instances[ORDERS]


def _set(**state: Any) -> Callable[[AwsStage], None]:
    def change(stage: AwsStage) -> None:
        for key, value in state.items():
            setattr(the_instance(stage), key, value)

    return change


def _nothing(stage: AwsStage) -> None:
    del stage


def _gone(stage: AwsStage) -> None:
    del rds(stage).instances[ORDERS]


def _told(stage: AwsStage) -> None:
    rds(stage).tell(ORDERS, "Multi-AZ instance failover completed", "failover")


def _told_long_ago(stage: AwsStage) -> None:
    _told(stage)
    stage.pass_time(3700)


def _told_of_something_else(stage: AwsStage) -> None:
    rds(stage).tell(ORDERS, "DB instance restarted", "availability")


@pytest.mark.parametrize(
    ("name", "params", "change", "answer"),
    [
        ("rds_available", {}, _nothing, YES),
        ("rds_available", {}, _set(status="backing-up"), NO),
        ("rds_available", {}, _gone, UNKNOWN),
        ("rds_multi_az", {}, _nothing, YES),
        ("rds_multi_az", {}, _set(standby_zone=""), NO),
        ("rds_restorable", {"within": "10m"}, _nothing, YES),
        ("rds_restorable", {"within": "10m"}, _set(restorable_lag_s=3600.0), NO),
        ("rds_restorable", {"within": "10m"}, _set(restorable_lag_s=None), NO),
        ("recent_failover", {"within": "1h"}, _nothing, NO),
        ("recent_failover", {"within": "1h"}, _told, YES),
        ("recent_failover", {"within": "1h"}, _told_long_ago, NO),
        ("recent_failover", {"within": "60d"}, _told_of_something_else, NO),
        ("replica_lag", {"at_most": "1s"}, _nothing, NO),
        ("rds_snapshot_available", {"within": "1d"}, _nothing, NO),
        ("rds_snapshot_available", {}, _nothing, UNKNOWN),
        ("rds_writer_changed", {}, _nothing, UNKNOWN),
        ("aurora_reader_available", {}, _nothing, UNKNOWN),
    ],
)
async def test_of_an_instance(
    aws_stage: AwsStage, name: str, params: dict[str, Any], change: Callable[[AwsStage], None], answer: Answer
) -> None:
    target = await instance(aws_stage)
    change(aws_stage)
    found = await look(aws_stage, name, target, **params)
    assert found.answer is answer, found.seen


@pytest.mark.parametrize(
    ("lag_s", "answer"), [(0.2, YES), (9.0, NO), (None, UNKNOWN)], ids=["near", "behind", "not told"]
)
async def test_how_far_a_replica_and_the_nearest_reader_are_behind(
    aws_stage: AwsStage, lag_s: float | None, answer: Answer
) -> None:
    behind, shop = await replica(aws_stage), await cluster(aws_stage)
    rds(aws_stage).instances["orders-replica"].lag_s = lag_s
    rds(aws_stage).instances["shop-2"].lag_s = lag_s
    rds(aws_stage).instances["shop-3"].lag_s = 30.0
    assert (await look(aws_stage, "replica_lag", behind, at_most="1s")).answer is answer
    assert (await look(aws_stage, "replica_lag", shop, at_most="1s")).answer is answer


async def test_a_replica_that_does_not_replicate_is_a_no(aws_stage: AwsStage) -> None:
    target = await replica(aws_stage)
    rds(aws_stage).instances["orders-replica"].replicating = False
    found = await look(aws_stage, "replica_lag", target, at_most="1s")
    assert found.answer is NO and "does not replicate" in found.seen


async def test_of_a_cluster(aws_stage: AwsStage) -> None:
    target = await cluster(aws_stage)
    assert (await look(aws_stage, "aurora_reader_available", target)).answer is YES
    assert (await look(aws_stage, "rds_available", target)).answer is YES
    for member in rds(aws_stage).clusters[SHOP].members:
        member.status = "rebooting"
    rds(aws_stage).clusters[SHOP].writer = ""
    assert (await look(aws_stage, "aurora_reader_available", target)).answer is NO
    assert (await look(aws_stage, "rds_available", target)).answer is NO


@pytest.mark.parametrize("prepare", [instance, cluster], ids=["instance", "cluster"])
async def test_the_writer_changed_only_once_it_has(aws_stage: AwsStage, prepare: Any) -> None:
    target = await prepare(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
    plan = await doing.plan()
    await doing.apply(plan)
    assert (await look(aws_stage, "rds_writer_changed", target, plan)).answer is NO
    aws_stage.pass_time(120)
    assert (await look(aws_stage, "rds_writer_changed", target, plan)).answer is YES
    assert (await look(aws_stage, "rds_writer_changed", target, replace(plan, uid="another"))).answer is UNKNOWN


async def test_only_the_snapshot_of_this_run_counts_once_there_is_one(aws_stage: AwsStage) -> None:
    target = await with_backup(aws_stage)
    assert (await look(aws_stage, "rds_snapshot_available", target, within="6h")).answer is YES
    assert (await look(aws_stage, "rds_snapshot_available", target, within="4h")).answer is NO
    doing = await DoingAws.on(aws_stage, "aws.rds_snapshot", target)
    plan = await doing.plan()
    assert (await look(aws_stage, "rds_snapshot_available", target, plan, within="6h")).answer is UNKNOWN
    await doing.apply(plan)
    assert (await look(aws_stage, "rds_snapshot_available", target, plan, within="6h")).answer is NO
    aws_stage.pass_time(300)
    assert (await look(aws_stage, "rds_snapshot_available", target, plan)).answer is YES
