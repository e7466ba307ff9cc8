"""What is particular to the actions about compute, and their conditions."""

from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import OvertakenError, TransientError
from remediator.runs.plan import Plan
from remediator.sandbox.aws.service import Refused
from remediator.targets import Target
from tests.contract.aws.case import AwsCase
from tests.contract.aws.cases import compute
from tests.contract.aws.doing_aws import FIRST, SECOND, DoingAws
from tests.support.aws_stage import AwsStage

BUSY = {
    ("autoscaling", "SetDesiredCapacity"): "ScalingActivityInProgress",
    ("autoscaling", "TerminateInstanceInAutoScalingGroup"): "ScalingActivityInProgress",
    ("eks", "UpdateNodegroupConfig"): "ResourceInUseException",
}
OTHER_TASKS = "arn:aws:ecs:eu-central-1:111122223333:task-definition/checkout:8"


async def look(stage: AwsStage, name: str, target: Target, *done: Plan, **params: Any) -> Look:
    """One look with exactly the rights that the condition declares."""
    condition = condition_named(name)
    chosen = condition.params.model_validate(params)
    world = World(None, None, None, account=stage.client(condition.permissions(target.kind, chosen)))
    return await condition.look(world, target, chosen, Known(stage.clock.now(), {}, done=done))


async def test_eks_does_a_request_once_however_often_it_comes(aws_stage: AwsStage) -> None:
    target = await compute.a_nodegroup(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.eks_nodegroup_scale", target, by=1, max_size=20)
    plan = await doing.plan()
    first = await doing.apply(plan)
    found = compute.nodegroup(aws_stage)
    aws_stage.pass_time(600)
    found.group.desired, found.status = (
        2,
        "ACTIVE",
    )  # as if the first had got lost after all, for the comparison before the second
    again = await doing.apply(plan)
    assert first.facts == again.facts
    assert (found.group.sized, len(found.updates)) == (1, 1)


@pytest.mark.parametrize("case", [one for one in compute.CASES if one.write in BUSY], ids=lambda case: case.id)
async def test_a_service_that_is_busy_with_it_is_asked_again_later(aws_stage: AwsStage, case: AwsCase) -> None:
    """Somebody was quicker between our look and our write; AWS says so and does nothing."""
    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    plan = await doing.plan()
    code = BUSY[case.write]
    aws_stage.aws.fault(*case.write, "refused", refused=Refused(code, "Another one is under way.", None))
    with pytest.raises(TransientError, match=code):
        await doing.apply(plan)
    assert case.changes(aws_stage) == 0
    await doing.apply(plan)
    assert case.changes(aws_stage) == 1


async def test_where_a_cluster_autoscaler_sizes_the_group_its_minimum_is_raised(aws_stage: AwsStage) -> None:
    """EKS demands that the minimum is not above what is wanted, so both are sent."""
    target = await compute.a_nodegroup(aws_stage)
    found = compute.nodegroup(aws_stage)
    found.tags["k8s.io/cluster-autoscaler/enabled"] = "true"
    doing = await DoingAws.on(aws_stage, "aws.eks_nodegroup_scale", target, by=1, max_size=20, size="minimum")
    plan = await doing.plan()
    assert [(change.field, change.before, change.after) for change in plan.changes] == [
        ("scalingConfig.minSize", 1, 3),
        ("scalingConfig.desiredSize", 2, 3),
    ]
    await doing.apply(plan)
    assert (found.group.minimum, found.group.desired, found.group.maximum) == (3, 3, 5)


async def test_a_raised_minimum_is_put_back_with_the_number(aws_stage: AwsStage) -> None:
    target = await compute.a_nodegroup(aws_stage)
    found = compute.nodegroup(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.eks_nodegroup_scale", target, by=1, max_size=20, size="minimum")
    plan = await doing.plan()
    applied = await doing.apply(plan)
    assert (await doing.verified(plan, applied)).answer is Answer.YES
    undo = await doing.undo_plan(plan)
    assert undo is not None
    await doing.apply(undo, SECOND)
    assert (await doing.landed(undo, SECOND)).answer is Answer.YES
    assert (found.group.minimum, found.group.desired) == (1, 2)


async def test_a_group_shrinks_and_grows_back(aws_stage: AwsStage) -> None:
    target = await compute.a_group(aws_stage)
    group = compute.group(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.asg_set_capacity", target, to=1)
    plan = await doing.plan()
    await doing.apply(plan)
    assert (await doing.settled(plan, aws_stage.clock.now())).answer is Answer.YES
    assert (await doing.verified(plan)).answer is Answer.YES
    assert len(group.members) == 1
    undo = await doing.undo_plan(plan)
    assert undo is not None
    await doing.apply(undo, SECOND)
    assert (await doing.settled(undo, aws_stage.clock.now(), SECOND)).answer is Answer.YES
    assert (await doing.verified(undo)).answer is Answer.YES
    assert (group.desired, len(group.members)) == (2, 2)
    group.suspended.add("Terminate")
    with pytest.raises(PlanRefusedError, match="Terminate"):
        await doing.plan()
    group.minimum = 2
    with pytest.raises(PlanRefusedError, match="may have 2 to 4"):
        await doing.plan()


async def test_an_update_to_other_sizes_since_the_plan_leaves_it_open_whose_it_was(aws_stage: AwsStage) -> None:
    target = await compute.a_nodegroup(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.eks_nodegroup_scale", target, by=1, max_size=20)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    assert (await doing.landed(plan, begun_at=begun_at)).answer is Answer.UNKNOWN  # it may not be told yet
    aws_stage.pass_time(90)
    assert (await doing.landed(plan, begun_at=begun_at)).answer is Answer.NO
    other = await DoingAws.on(aws_stage, "aws.eks_nodegroup_scale", target, by=2, max_size=20)
    await other.apply(await other.plan(), SECOND)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    with pytest.raises(OvertakenError, match="desired was 2"):
        await doing.apply(plan)


async def test_an_autoscaler_that_went_on_is_not_undone(aws_stage: AwsStage) -> None:
    target = await compute.a_nodegroup(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.eks_nodegroup_scale", target, by=1, max_size=20)
    plan = await doing.plan()
    await doing.apply(plan)
    aws_stage.pass_time(600)
    assert await doing.undo_plan(plan) is not None
    compute.nodegroup(aws_stage).group.desired = 4
    assert await doing.undo_plan(plan) is None


async def test_a_group_that_was_sized_again_since_is_not_undone(aws_stage: AwsStage) -> None:
    """Back to the very number that we set: the activities tell."""
    target = await compute.a_group(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.asg_set_capacity", target, by=1, max_size=4)
    plan = await doing.plan()
    await doing.apply(plan)
    aws_stage.pass_time(600)
    assert await doing.undo_plan(plan) is not None
    group = compute.group(aws_stage)
    for number in (4, 3):
        why = f"a monitor alarm changed the desired capacity from {group.desired} to {number}."
        aws_stage.aws.autoscaling.size(group, number, why)
        aws_stage.pass_time(600)
    assert await doing.undo_plan(plan) is None


async def test_a_replaced_instance_is_gone_and_another_is_there(aws_stage: AwsStage) -> None:
    target = await compute.an_instance_of_a_group(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.asg_replace_instance", target)
    plan = await doing.plan()
    assert (await look(aws_stage, "asg_in_service", target)).answer is Answer.NO
    await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await look(aws_stage, "asg_in_service", target, plan)).answer is Answer.NO
    aws_stage.pass_time(600)
    group = compute.group(aws_stage)
    assert (group.desired, group.member(target.name), len(group.members)) == (3, None, 3)
    assert (await look(aws_stage, "asg_in_service", target, plan)).answer is Answer.YES
    assert (await look(aws_stage, "asg_in_service", target)).answer is Answer.UNKNOWN
    with pytest.raises(PlanRefusedError, match="would replace it"):
        await doing.plan()


async def test_tasks_that_fail_are_told_by_the_circuit_breaker(aws_stage: AwsStage) -> None:
    target = await compute.a_service(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.ecs_restart", target)
    plan = await doing.plan()
    assert (await look(aws_stage, "ecs_steady", target)).answer is Answer.YES
    compute.service(aws_stage).healthy = False
    await doing.apply(plan)
    assert "in progress" in (await look(aws_stage, "ecs_steady", target)).seen
    seen = await doing.verified(plan)
    assert seen.answer is Answer.NO and "circuit breaker: tasks failed to start" in seen.seen
    failed = await look(aws_stage, "ecs_steady", target)
    assert (failed.answer, "FAILED" in failed.seen) == (Answer.NO, True)


async def test_a_release_at_the_same_time_is_not_taken_for_our_restart(aws_stage: AwsStage) -> None:
    target = await compute.a_service(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.ecs_restart", target)
    plan = await doing.plan()
    aws_stage.aws.ecs.deploy(compute.service(aws_stage), OTHER_TASKS)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    with pytest.raises(OvertakenError, match="task_definition"):
        await doing.apply(plan)


async def test_a_reboot_is_never_taken_for_done_or_not_done(aws_stage: AwsStage) -> None:
    target = await compute.an_instance(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.ec2_reboot", target)
    plan = await doing.plan()
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    answers = []
    for seconds in (0, 30, 120):
        aws_stage.pass_time(seconds)
        answers.append((await look(aws_stage, "ec2_status_ok", target)).answer)
    assert answers == [Answer.YES, Answer.UNKNOWN, Answer.YES]
    aws_stage.aws.ec2.instances[target.name].system = "impaired"
    assert (await look(aws_stage, "ec2_status_ok", target)).answer is Answer.NO


async def test_what_a_command_said_is_shown_without_its_secrets_and_its_end_is_told(aws_stage: AwsStage) -> None:
    target = await compute.a_managed_instance(aws_stage)
    document = aws_stage.aws.ssm.documents[compute.DOCUMENT]
    document.output, document.errors = "password=hunter2 removed\x1b[0m\n", "no space left\n"
    document.ends, document.code = "Failed", 3
    doing = await DoingAws.on(aws_stage, "aws.ssm_run", target, document=compute.DOCUMENT)
    plan = await doing.plan()
    applied = await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await doing.landed(plan, SECOND)).answer is not Answer.YES
    assert [one.comment for one in aws_stage.aws.ssm.commands] == [FIRST]
    assert (await look(aws_stage, "ssm_succeeded", target, plan)).answer is Answer.UNKNOWN
    for answered in (applied, None):  # also when the answer, and with it the command's id, was lost
        seen = await doing.verified(plan, answered)
        assert seen.answer is Answer.YES and "Failed with exit code 3" in seen.seen
        assert "no space left" in seen.seen and "hunter2" not in seen.seen and "\x1b" not in seen.seen
    ended = await look(aws_stage, "ssm_succeeded", target, plan)
    assert (ended.answer, "no space left" in ended.seen) == (Answer.NO, True)


async def test_a_document_that_was_changed_since_the_plan_is_not_run(aws_stage: AwsStage) -> None:
    target = await compute.a_managed_instance(aws_stage)
    document = aws_stage.aws.ssm.documents[compute.DOCUMENT]
    doing = await DoingAws.on(aws_stage, "aws.ssm_run", target, document=compute.DOCUMENT)
    plan = await doing.plan()
    document.versions["2"], document.default = "runCommand: [rm -rf /]", "2"
    assert "version 1 " in f"{plan.summary} "
    await doing.apply(plan)
    assert [one.version for one in aws_stage.aws.ssm.commands] == ["1"]
    aws_stage.pass_time(60)
    plan = await doing.plan()
    document.versions["2"] = "runCommand: [curl evil.example]"
    with pytest.raises(OvertakenError, match="hash"):
        await doing.apply(plan)
    assert len(aws_stage.aws.ssm.commands) == 1


async def test_whether_a_node_group_may_still_grow(aws_stage: AwsStage) -> None:
    target = await compute.a_nodegroup(aws_stage)
    assert (await look(aws_stage, "nodegroup_below_maximum", target)).answer is Answer.YES
    compute.nodegroup(aws_stage).group.desired = 5
    assert (await look(aws_stage, "nodegroup_below_maximum", target)).answer is Answer.NO
    autoscaler = Target.kubernetes("sandbox", "shop", "horizontalpodautoscaler", "checkout")
    assert (await look(aws_stage, "nodegroup_below_maximum", autoscaler)).answer is Answer.UNKNOWN
    named = {"eks_cluster": "prod", "nodegroup": "standard-workers"}
    assert (await look(aws_stage, "nodegroup_below_maximum", autoscaler, **named)).answer is Answer.NO
    missing = {**named, "nodegroup": "gone"}
    assert (await look(aws_stage, "nodegroup_below_maximum", autoscaler, **missing)).answer is Answer.UNKNOWN


async def test_a_page_shows_no_secret_that_a_command_is_given(aws_stage: AwsStage) -> None:
    target = await compute.a_managed_instance(aws_stage)
    given = {"password": ("hunter2",), "dir": ("/var/spool",)}
    doing = await DoingAws.on(aws_stage, "aws.ssm_run", target, document=compute.DOCUMENT, parameters=given)
    plan = await doing.plan()
    assert "dir=/var/spool" in plan.summary and "hunter2" not in plan.summary
