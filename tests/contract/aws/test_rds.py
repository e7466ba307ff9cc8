"""What is particular to databases: what is called in which topology, what RDS tells late, and what must never be done twice."""

from datetime import timedelta
from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.permissions import IamPermission
from remediator.errors import OvertakenError
from remediator.runs.cursor import Outcome
from remediator.runs.plan import Fidelity
from remediator.sandbox.aws.iam import Iam
from remediator.sandbox.aws.service import Call
from tests.contract.aws.case import AwsCase
from tests.contract.aws.cases.rds_cases import (
    ORDERS,
    SHOP,
    VARIANTS,
    cluster,
    instance,
    mysql_cluster,
    rds,
    replica,
    with_backup,
    worldwide_in_trouble,
)
from tests.contract.aws.doing_aws import FIRST, DoingAws
from tests.support.aws_stage import SIMULATION, AwsStage


def sent(stage: AwsStage) -> list[tuple[str, dict[str, Any]]]:
    return [(one.operation, one.params) for one in stage.aws.writes]


@pytest.mark.parametrize("case", VARIANTS, ids=lambda case: case.id)
async def test_a_variant_is_done_once_also_when_its_answer_is_lost(aws_stage: AwsStage, case: AwsCase) -> None:
    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    aws_stage.aws.fault(*case.write, "lose_answer")
    run = doing.run(case)
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert case.changes(aws_stage) == 1
    assert [(one.service, one.operation) for one in aws_stage.aws.writes] == [case.write]


@pytest.mark.parametrize("case", [one for one in VARIANTS if one.refusals], ids=lambda case: case.id)
async def test_a_variant_is_refused_in_the_wrong_state(aws_stage: AwsStage, case: AwsCase) -> None:
    target = await case.prepare(aws_stage)
    (refusal,) = case.refusals
    refusal.spoil(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert refused.value.code == refusal.code, str(refused.value)


class TestFailover:
    async def test_an_instance_goes_to_its_standby_and_clients_get_through(self, aws_stage: AwsStage) -> None:
        target = await instance(aws_stage)
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
        plan = await doing.plan()
        applied = await doing.apply(plan)
        assert sent(aws_stage) == [("RebootDBInstance", {"DBInstanceIdentifier": ORDERS, "ForceFailover": True})]
        assert (await doing.action.verify(doing.ctx(), plan, applied)).answer is Answer.NO
        assert (await doing.verified(plan, applied)).answer is Answer.YES
        found = rds(aws_stage).instances[ORDERS]
        assert (found.zone, found.standby_zone, found.reachable) == ("eu-central-1b", "eu-central-1a", True)

    async def test_the_least_lagging_reader_is_wished_for(self, aws_stage: AwsStage) -> None:
        target = await cluster(aws_stage)
        rds(aws_stage).instances["shop-2"].lag_s = 9.0
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
        await doing.apply(await doing.plan())
        wished = {"DBClusterIdentifier": SHOP, "TargetDBInstanceIdentifier": "shop-3"}
        assert sent(aws_stage) == [("FailoverDBCluster", wished)]

    async def test_for_mysql_nobody_is_wished_for(self, aws_stage: AwsStage) -> None:
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", await mysql_cluster(aws_stage))
        await doing.apply(await doing.plan())
        assert sent(aws_stage) == [("FailoverDBCluster", {"DBClusterIdentifier": SHOP})]

    async def test_lags_that_change_by_little_do_not_change_the_plan(self, aws_stage: AwsStage) -> None:
        """Else no yes would ever fit what is planned after it. The promotion tier decides between equals."""
        target = await cluster(aws_stage)
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
        first, second = rds(aws_stage).instances["shop-2"], rds(aws_stage).instances["shop-3"]
        second.tier = 0
        plan = await doing.plan()
        assert plan.changes[0].after == "shop-3"
        first.lag_s, second.lag_s = 0.005, 0.9
        assert (await doing.plan()).approval_hash == plan.approval_hash

    async def test_a_planned_reader_that_fell_behind_since_is_not_taken(self, aws_stage: AwsStage) -> None:
        """Though another one would be fit: that is another plan."""
        target = await cluster(aws_stage)
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
        plan = await doing.plan()
        rds(aws_stage).instances[str(plan.changes[0].after)].lag_s = 60.0
        with pytest.raises(OvertakenError, match="60 s behind"):
            await doing.apply(plan)
        assert sent(aws_stage) == []

    async def test_another_failover_since_the_plan_is_not_added_to(self, aws_stage: AwsStage) -> None:
        """RDS's own, a minute after the plan: ours would lead back into the broken zone."""
        target = await instance(aws_stage)
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
        plan = await doing.plan()
        rds(aws_stage).fail_over(ORDERS)
        aws_stage.pass_time(120)
        with pytest.raises(OvertakenError):
            await doing.apply(plan)
        assert rds(aws_stage).instances[ORDERS].failovers == 1

    async def test_before_rds_can_have_told_nobody_knows(self, aws_stage: AwsStage) -> None:
        """The call is answered while the instance still says available: that is no proof of nothing."""
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", await instance(aws_stage))
        plan = await doing.plan()
        begun_at = aws_stage.clock.now()
        assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
        aws_stage.pass_time(250)
        assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.NO

    async def test_an_old_failover_that_is_listed_no_more_is_no_new_one(self, aws_stage: AwsStage) -> None:
        target = await instance(aws_stage)
        rds(aws_stage).tell(ORDERS, "Multi-AZ instance failover completed", "failover")
        aws_stage.pass_time(timedelta(hours=23, minutes=59).total_seconds())
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
        plan = await doing.plan()
        begun_at = aws_stage.clock.now()
        aws_stage.pass_time(300)
        assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.NO

    async def test_an_instance_made_again_under_the_name_is_another(self, aws_stage: AwsStage) -> None:
        doing = await DoingAws.on(aws_stage, "aws.rds_failover", await instance(aws_stage))
        plan = await doing.plan()
        rds(aws_stage).put(ORDERS)
        with pytest.raises(OvertakenError):
            await doing.apply(plan)
        assert (await doing.landed(plan)).answer is Answer.UNKNOWN


class TestCopies:
    async def test_a_restored_one_is_as_the_old_one_is_and_that_is_left_alone(self, aws_stage: AwsStage) -> None:
        target = await with_backup(aws_stage)
        doing = await DoingAws.on(aws_stage, "aws.rds_restore", target, source="before", back="45m")
        await doing.apply(await doing.plan())
        ((_, asked),) = sent(aws_stage)
        back = aws_stage.clock.now() - asked.pop("RestoreTime")
        assert timedelta(minutes=45) <= back < timedelta(minutes=46)
        assert asked == {
            "SourceDBInstanceIdentifier": ORDERS,
            "TargetDBInstanceIdentifier": "orders-00000000000000000000000001",
            "DBInstanceClass": "db.r6g.large",
            "DBSubnetGroupName": "private",
            "VpcSecurityGroupIds": ["sg-0a1b2c3d"],
            "DBParameterGroupName": "default.postgres16",
            "MultiAZ": True,
            "PubliclyAccessible": False,
            "Tags": [{"Key": "remediator.dev/intent", "Value": FIRST}],
        }
        assert rds(aws_stage).instances[ORDERS].status == "available"

    async def test_a_name_that_somebody_took_meanwhile_is_not_ours(self, aws_stage: AwsStage) -> None:
        target = await with_backup(aws_stage)
        doing = await DoingAws.on(aws_stage, "aws.rds_restore", target, name="orders-restored")
        plan = await doing.plan()
        begun_at = aws_stage.clock.now()
        rds(aws_stage).put("orders-restored")
        with pytest.raises(Exception, match="DBInstanceAlreadyExists"):
            await doing.apply(plan)
        assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN

    async def test_a_snapshot_of_that_name_counts_as_done(self, aws_stage: AwsStage) -> None:
        """An attempt whose answer was lost made it."""
        doing = await DoingAws.on(aws_stage, "aws.rds_snapshot", await instance(aws_stage))
        plan = await doing.plan()
        await doing.apply(plan)
        aws_stage.pass_time(120)
        again = await doing.apply(plan)
        assert list(rds(aws_stage).snapshots) == [again.facts["snapshot"]]


class TestWhatCannotBeTakenBack:
    async def test_a_promotion_where_data_may_be_lost_must_be_told_to(self, aws_stage: AwsStage) -> None:
        target = await replica(aws_stage)
        rds(aws_stage).instances["orders-replica"].lag_s = None  # its source is gone
        doing = await DoingAws.on(aws_stage, "aws.rds_promote_replica", target, data_loss="accept")
        plan = await doing.plan()
        assert "unknown" in plan.summary and "lost" in plan.summary
        await doing.apply(plan)
        kept = {"DBInstanceIdentifier": "orders-replica", "BackupRetentionPeriod": 1}
        assert sent(aws_stage) == [("PromoteReadReplica", kept)]

    async def test_only_when_told_so_is_data_of_a_lost_region_given_up(self, aws_stage: AwsStage) -> None:
        target = await worldwide_in_trouble(aws_stage)
        switch = await DoingAws.on(aws_stage, "aws.aurora_global_failover", target)
        with pytest.raises(Exception, match="InvalidDBClusterStateFault"):
            await switch.apply(await switch.plan())
        failover = await DoingAws.on(aws_stage, "aws.aurora_global_failover", target, data_loss="accept")
        await failover.apply(await failover.plan())
        operations = [operation for operation, _ in sent(aws_stage)]
        assert operations == ["SwitchoverGlobalCluster", "FailoverGlobalCluster"]
        assert "AllowDataLoss" not in sent(aws_stage)[0][1] and sent(aws_stage)[1][1]["AllowDataLoss"] is True


@pytest.mark.parametrize(
    ("action", "prepare", "params", "arns"),
    [
        ("aws.rds_snapshot", instance, {}, ["db:orders", "snapshot:orders-*"]),
        (
            "aws.rds_restore",
            with_backup,
            {},
            ["db:orders-*", "subgrp:private", "pg:default.postgres16", "og:*"],
        ),
        (
            "aws.rds_restore",
            with_backup,
            {"source": "snapshot", "name": "spare"},
            ["db:spare", "subgrp:private", "pg:default.postgres16", "og:*", "snapshot:rds:orders-*"],
        ),
        ("aws.aurora_global_failover", worldwide_in_trouble, {"data_loss": "accept"}, []),
    ],
)
async def test_a_policy_as_narrow_as_what_is_planned_is_no_missing_permission(
    aws_stage: AwsStage, action: str, prepare: Any, params: dict[str, Any], arns: list[str]
) -> None:
    target = await prepare(aws_stage)
    begin = "arn:aws:rds:eu-central-1:111122223333:"
    may = [f"{begin}{one}" for one in arns] or [
        "arn:aws:rds::111122223333:global-cluster:worldwide",
        *(one.arn for one in rds(aws_stage).clusters.values()),
    ]
    doing = await DoingAws.on(aws_stage, action, target, **params)
    (key,) = [key for key in aws_stage.aws.principals if key.startswith("AKIALIVE")]
    rights = [one for one in doing.rights if isinstance(one, IamPermission)]
    aws_stage.aws.grant(
        key,
        [
            *SIMULATION,
            *(one.action for one in rights if not one.writes),
            *((one.action, arn) for one in rights if one.writes for arn in may),
        ],
    )
    assert (await doing.plan()).fidelity is Fidelity.SIMULATED


async def test_a_no_of_iam_for_want_of_tags_is_no_denial(aws_stage: AwsStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever allows it by the database's tags: the simulation is not told of them, IAM itself knows them."""

    async def by_tags(self: Iam, call: Call) -> dict[str, Any]:
        said = {"EvalActionName": call.params["ActionNames"][0], "EvalDecision": "implicitDeny"}
        return {"EvaluationResults": [{**said, "MissingContextValues": ["aws:ResourceTag/failover"]}]}

    target = await instance(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.rds_failover", target)
    monkeypatch.setattr(Iam, "SimulatePrincipalPolicy", by_tags)
    assert (await doing.plan()).fidelity is Fidelity.RECORDED
