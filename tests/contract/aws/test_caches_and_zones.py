"""The particular traps of ElastiCache's failover and of zonal shifts."""

from datetime import timedelta

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.errors import OvertakenError
from tests.contract.aws.cases import cache_cases, network_cases
from tests.contract.aws.doing_aws import FIRST, SECOND, DoingAws
from tests.support.aws_stage import AwsStage

FAILOVER = "aws.elasticache_failover"


async def test_a_primary_that_moved_by_itself_since_the_plan_is_left(aws_stage: AwsStage) -> None:
    """ElastiCache fails over by itself as well: the one that is planned would be a second."""
    doing = await DoingAws.on(aws_stage, FAILOVER, await cache_cases.sessions(aws_stage))
    plan = await doing.plan()
    aws_stage.aws.elasticache.call_failover("sessions")
    aws_stage.pass_time(600)
    with pytest.raises(OvertakenError, match="primary"):
        await doing.apply(plan)
    assert cache_cases.group(aws_stage).failovers == 1


async def test_a_failover_that_is_told_of_late_is_not_called_again(aws_stage: AwsStage) -> None:
    """Its event comes after a minute; until then nobody knows, and nothing is done."""
    target = await cache_cases.sessions(aws_stage)
    doing = await DoingAws.on(aws_stage, FAILOVER, target)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    kept, aws_stage.aws.elasticache.events = aws_stage.aws.elasticache.events, []
    for wait_s, answer in ((30, Answer.UNKNOWN), (60, Answer.UNKNOWN), (60, Answer.NO)):
        aws_stage.pass_time(wait_s)
        assert (await doing.landed(plan, FIRST, begun_at)).answer is answer
    aws_stage.aws.elasticache.events = kept
    await doing.apply(plan)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.YES


async def test_a_failover_that_somebody_called_as_we_began_is_not_taken_for_ours(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, FAILOVER, await cache_cases.sessions(aws_stage))
    plan = await doing.plan()
    aws_stage.aws.elasticache.call_failover("sessions")
    aws_stage.pass_time(10)
    begun_at = aws_stage.clock.now()
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    aws_stage.pass_time(600)
    # It moved the primary, so that ours was never begun cannot be said any more.
    assert (await doing.landed(plan, FIRST, begun_at)).answer is not Answer.NO


async def test_of_several_node_groups_one_is_named(aws_stage: AwsStage) -> None:
    aws_stage.aws.elasticache.put("sessions", node_groups=2)
    target = aws_stage.target("elasticache-group", "sessions")
    doing = await DoingAws.on(aws_stage, FAILOVER, target)
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert refused.value.code == "several_node_groups" and "0001, 0002" in str(refused.value)
    doing = await DoingAws.on(aws_stage, FAILOVER, target, node_group="0002")
    plan = await doing.plan()
    await doing.apply(plan)
    assert (await doing.verified(plan)).answer is Answer.YES
    first, second = cache_cases.group(aws_stage).node_groups
    assert (first.primary.cluster, second.primary.cluster) == ("sessions-0001-001", "sessions-0002-002")


async def test_the_failover_of_another_node_group_is_not_taken_for_ours(aws_stage: AwsStage) -> None:
    aws_stage.aws.elasticache.put("sessions", node_groups=2)
    doing = await DoingAws.on(aws_stage, FAILOVER, aws_stage.target("elasticache-group", "sessions"), node_group="0002")
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    aws_stage.aws.elasticache.call_failover("sessions", "0001")
    aws_stage.pass_time(600)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.NO


async def test_a_primary_that_moved_without_a_word_is_not_called_again(aws_stage: AwsStage) -> None:
    """ElastiCache does not tell why, or not yet: it may be ours."""
    doing = await DoingAws.on(aws_stage, FAILOVER, await cache_cases.sessions(aws_stage))
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    aws_stage.aws.elasticache.call_failover("sessions")
    aws_stage.pass_time(600)
    aws_stage.aws.elasticache.events = []
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN


async def test_a_group_is_not_as_wanted_before_its_primary_has_moved(aws_stage: AwsStage) -> None:
    """Right after the call it may still be told of as available."""
    doing = await DoingAws.on(aws_stage, FAILOVER, await cache_cases.sessions(aws_stage))
    look = await doing.action.verify(doing.ctx(), await doing.plan(), None)
    assert cache_cases.group(aws_stage).status == "available" and look.answer is Answer.NO


async def test_failovers_of_yesterday_do_not_count(aws_stage: AwsStage) -> None:
    target = await cache_cases.sessions(aws_stage)
    aws_stage.aws.elasticache.put("carts")
    for _ in range(5):
        aws_stage.aws.elasticache.call_failover("carts")
        aws_stage.pass_time(600)
    doing = await DoingAws.on(aws_stage, FAILOVER, target)
    with pytest.raises(PlanRefusedError):
        await doing.plan()
    aws_stage.pass_time(timedelta(days=1).total_seconds())
    await doing.plan()


async def test_a_shift_that_is_over_by_itself_needs_no_undo(aws_stage: AwsStage) -> None:
    target = await network_cases.front(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.zonal_shift", target, away_from="euc1-az1", expires_in="30m")
    plan = await doing.plan()
    await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await doing.undo_plan(plan, SECOND)) is None, "not ours"
    assert (await doing.undo_plan(plan)) is not None
    aws_stage.pass_time(1801)
    assert (await doing.undo_plan(plan)) is None
    assert (await doing.landed(plan)).answer is Answer.YES


async def test_a_shift_is_ended_when_its_zone_has_traffic_again(aws_stage: AwsStage) -> None:
    target = await network_cases.front(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.zonal_shift", target, away_from="euc1-az1", expires_in="30m")
    plan = await doing.plan()
    assert (await doing.action.verify(doing.ctx(), plan, None)).answer is Answer.NO
    await doing.apply(plan)
    assert (await doing.verified(plan)).answer is Answer.YES
    undo = await doing.undo_plan(plan)
    assert undo is not None
    assert (await doing.action.verify(doing.ctx(), undo, None)).answer is Answer.NO
    await doing.apply(undo, SECOND)
    assert (await doing.verified(undo)).answer is Answer.YES


async def test_a_shift_is_not_started_twice_by_one_step(aws_stage: AwsStage) -> None:
    target = await network_cases.front(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.zonal_shift", target, away_from="euc1-az1", expires_in="30m")
    plan = await doing.plan()
    await doing.apply(plan)
    aws_stage.pass_time(1801)
    assert "found done already" in (await doing.apply(plan)).summary
    assert len(aws_stage.aws.arc_zonal_shift.shifts) == 1
