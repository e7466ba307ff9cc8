"""What AWS tells late, or tells of others, must not make a step be done twice, nor be taken for ours (S15)."""

from collections.abc import Callable
from typing import Any

import pytest

from remediator.answers import Answer
from remediator.clients.transport import WritePermit, permit
from remediator.errors import OvertakenError
from remediator.sandbox.aws import rds as rds_module
from tests.contract.aws.cases import compute
from tests.contract.aws.cases.every import AWS_CASES
from tests.contract.aws.cases.rds_cases import ORDERS, WORLD, instance, rds, replica, worldwide
from tests.contract.aws.doing_aws import FIRST, DoingAws
from tests.support.aws_stage import AwsStage


async def test_a_second_attempt_has_as_long_to_be_told_of_as_the_first(
    aws_stage: AwsStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request is lost, minutes later the second one's answer is: that RDS tells nothing yet says nothing again."""
    monkeypatch.setattr(rds_module, "TOLD_AFTER_S", 30.0)
    case = next(one for one in AWS_CASES if one.id == "aws.rds_failover")
    doing = await DoingAws.case(aws_stage, case, await case.prepare(aws_stage))
    aws_stage.aws.fault(*case.write, "drop")
    aws_stage.aws.fault(*case.write, "lose_answer")
    run = doing.run(case)
    cursor = await run.go()
    aws_stage.pass_time(3600)
    assert (case.changes(aws_stage), len(aws_stage.aws.writes)) == (1, 2), (cursor, run.told)


async def test_a_failover_of_before_that_rds_tells_late_is_not_ours(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.rds_failover", await instance(aws_stage))
    rds(aws_stage).tell(ORDERS, "Multi-AZ instance failover completed", "failover")
    (late,) = rds(aws_stage).events
    rds(aws_stage).events.clear()
    aws_stage.pass_time(420)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    rds(aws_stage).events.append(late)
    aws_stage.pass_time(20)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    rds(aws_stage).tell(ORDERS, "Multi-AZ instance failover started.", "failover")
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.YES


async def test_an_update_of_the_maximum_alone_is_not_our_change_of_the_number(aws_stage: AwsStage) -> None:
    target = await compute.a_nodegroup(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.eks_nodegroup_scale", target, by=1, max_size=20)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    other = aws_stage.client(None)
    with permit(WritePermit(aws_stage.clock.boottime() + 300)):
        raised = {"clusterName": "prod", "nodegroupName": "standard-workers", "scalingConfig": {"maxSize": 9}}
        await other.write("eks", "update_nodegroup_config", **raised)
    aws_stage.pass_time(90)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN


async def test_a_restart_that_was_rolled_back_meanwhile_is_not_done_again(aws_stage: AwsStage) -> None:
    target = await compute.a_service(aws_stage)
    service = compute.service(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.ecs_restart", target)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    before = service.deployments[0]
    service.healthy = False
    await doing.apply(plan)
    aws_stage.pass_time(600)
    # The circuit breaker with rollback: the old deployment is the primary again, ours is gone.
    service.deployments, before.status = [before], "PRIMARY"
    before.reason = f"ECS deployment circuit breaker: rolling back to deploymentId {before.id}."
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN


async def test_a_failover_has_run_its_course_once_rds_says_so_and_another_zone_writes(aws_stage: AwsStage) -> None:
    """Neither alone: an event can be of a failover that went nowhere, and a zone can change by other means."""
    doing = await DoingAws.on(aws_stage, "aws.rds_failover", await instance(aws_stage))
    plan = await doing.plan()
    found = rds(aws_stage).instances[ORDERS]

    async def verified() -> Answer:
        return (await doing.action.verify(doing.ctx(), plan, None)).answer

    assert await verified() is Answer.NO
    found.zone, found.standby_zone = found.standby_zone, found.zone
    assert await verified() is Answer.NO
    rds(aws_stage).tell(ORDERS, "Multi-AZ instance failover started.", "failover")
    assert await verified() is Answer.NO
    aws_stage.pass_time(1)
    rds(aws_stage).tell(ORDERS, "Multi-AZ instance failover completed", "failover")
    assert await verified() is Answer.YES
    found.zone, found.standby_zone = found.standby_zone, found.zone
    assert await verified() is Answer.NO


async def test_where_no_quiet_time_is_asked_a_failover_since_the_plan_still_overtakes_it(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.rds_failover", await instance(aws_stage), quiet_for="0s")
    plan = await doing.plan()
    rds(aws_stage).tell(ORDERS, "Multi-AZ instance failover completed", "failover")
    with pytest.raises(OvertakenError, match="last_failover"):
        await doing.apply(plan)
    assert aws_stage.aws.writes == []


async def test_what_became_of_an_instance_of_the_same_name_says_nothing_of_the_former(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.rds_failover", await instance(aws_stage))
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    rds(aws_stage).put(ORDERS)
    aws_stage.pass_time(300)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    rds(aws_stage).tell(ORDERS, "Multi-AZ instance failover completed", "failover")
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN


async def test_a_replica_that_is_none_any_more_is_ours_only_if_rds_tells_when(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.rds_promote_replica", await replica(aws_stage))
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    found = rds(aws_stage).instances["orders-replica"]
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN  # RDS may not have begun
    found.source = ""
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    rds(aws_stage).tell(found.name, "Replication streaming has been terminated.", "read replica")
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.YES


async def test_a_promotion_of_before_that_rds_tells_late_is_not_ours(aws_stage: AwsStage) -> None:
    """Minutes before: sooner than RDS may take to tell, and longer ago than clocks differ."""
    doing = await DoingAws.on(aws_stage, "aws.rds_promote_replica", await replica(aws_stage))
    found = rds(aws_stage).instances["orders-replica"]
    rds(aws_stage).tell(found.name, "Replication streaming has been terminated.", "read replica")
    late = rds(aws_stage).events.pop()
    aws_stage.pass_time(120)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    rds(aws_stage).events.append(late)
    found.source = ""
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    rds(aws_stage).tell(found.name, "Replication streaming has been terminated.", "read replica")
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.YES


async def test_an_alarm_that_sets_the_very_number_is_not_taken_for_us(aws_stage: AwsStage) -> None:
    """By whose wish it was stands in the group's activities; the number alone tells nothing."""
    target = await compute.a_group(aws_stage)
    group = compute.group(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.asg_set_capacity", target, by=1, max_size=4)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    group.desired = 3  # not told yet by anything
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    group.desired = 2
    aws_stage.aws.autoscaling.size(group, 3, "a monitor alarm changed the desired capacity from 2 to 3.")
    aws_stage.pass_time(120)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    group.desired = 2  # and set back: it was sized since, so nobody can say that we did nothing
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN


async def test_a_number_of_tasks_alone_does_not_say_who_set_it(aws_stage: AwsStage) -> None:
    target = await compute.a_service(aws_stage)
    service = compute.service(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.ecs_scale", target, by=1, max_size=9)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    before = service.desired
    aws_stage.pass_time(120)
    service.desired = before + 1
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    service.desired = before
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.NO
    service.events.insert(0, ("ev-other", aws_stage.clock.now(), "(service checkout) has started 1 tasks: (task x)."))
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN


async def test_a_region_that_writes_already_is_our_doing_only_if_rds_tells_when(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.aurora_global_failover", await worldwide(aws_stage))
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    found = rds(aws_stage).globals[WORLD]
    found.writer = plan.changes[0].after
    aws_stage.pass_time(300)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN


def _stopped(stage: AwsStage) -> None:
    stage.aws.ec2.instances[compute.INSTANCE].state = "stopped"


def _in_a_group(stage: AwsStage) -> None:
    stage.aws.ec2.instances[compute.INSTANCE].tags["aws:autoscaling:groupName"] = "web"


def _taken_out(stage: AwsStage) -> None:
    compute.group(stage).members[0].state = "Standby"


def _maximum_lowered(stage: AwsStage) -> None:
    compute.nodegroup(stage).group.maximum = 3


@pytest.mark.parametrize(
    ("action", "prepare", "params", "change"),
    [
        ("aws.ec2_reboot", compute.an_instance, {}, _stopped),
        ("aws.ec2_reboot", compute.an_instance, {}, _in_a_group),
        ("aws.asg_replace_instance", compute.an_instance_of_a_group, {}, _taken_out),
        ("aws.eks_nodegroup_scale", compute.a_nodegroup, {"by": 1, "max_size": 20}, _maximum_lowered),
    ],
)
async def test_what_was_changed_since_the_plan_overtakes_it(
    aws_stage: AwsStage, action: str, prepare: Any, params: dict[str, Any], change: Callable[[AwsStage], None]
) -> None:
    """Compared just before the write (S16)."""
    doing = await DoingAws.on(aws_stage, action, await prepare(aws_stage), **params)
    plan = await doing.plan()
    change(aws_stage)
    with pytest.raises(OvertakenError):
        await doing.apply(plan)
    assert aws_stage.aws.writes == []
