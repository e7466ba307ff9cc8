"""The stage's own promises: what it would catch, it catches."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from remediator.clients.permissions import IamPermission
from remediator.clients.transport import WritePermit, permit
from remediator.errors import NotSentError
from tests.support.aws_stage import AwsStage, assert_no_dry_client_wrote
from tests.unit.sandbox.aws_client import client


async def test_a_write_of_a_dry_client_would_be_seen(aws_stage: AwsStage) -> None:
    """Sent past our own client with its key, since ours does not send it."""
    aws_stage.aws.rds.put("orders")
    aws_stage.client(dry_run=True)
    [key] = aws_stage.aws.principals
    async with client(aws_stage.aws.url, "rds", key=key) as raw:
        await raw.describe_db_instances()
        assert_no_dry_client_wrote(aws_stage.aws)
        await raw.reboot_db_instance(DBInstanceIdentifier="orders", ForceFailover=True)
    with pytest.raises(AssertionError, match="RebootDBInstance"):
        assert_no_dry_client_wrote(aws_stage.aws)
    aws_stage.aws.requests.clear()  # or the stage itself fails at its end


async def test_a_dry_client_that_forgot_it_is_stopped_by_the_transport(aws_stage: AwsStage) -> None:
    aws_stage.aws.rds.put("orders")
    dry = aws_stage.client(dry_run=True)
    dry.dry_run = False
    with permit(WritePermit(aws_stage.clock.boottime() + 300)), pytest.raises(NotSentError, match="S21"):
        await dry.write("rds", "reboot_db_instance", DBInstanceIdentifier="orders", ForceFailover=True)
    assert aws_stage.aws.writes == []


async def test_nothing_is_written_without_a_permit(aws_stage: AwsStage) -> None:
    aws_stage.aws.rds.put("orders")
    live = aws_stage.client()
    with pytest.raises(NotSentError, match="S20"):
        await live.write("rds", "reboot_db_instance", DBInstanceIdentifier="orders", ForceFailover=True)
    assert aws_stage.aws.writes == []


async def test_a_client_may_do_what_was_said_and_no_more(aws_stage: AwsStage) -> None:
    may = [IamPermission("rds:DescribeDBInstances")]
    aws_stage.client(may, simulation=False)
    [key] = aws_stage.aws.principals
    async with client(aws_stage.aws.url, "rds", key=key) as raw:
        await raw.describe_db_instances()
        with pytest.raises(ClientError, match="AccessDenied"):
            await raw.describe_db_clusters()


async def test_waiting_lets_time_pass_for_aws_and_for_us_alike(aws_stage: AwsStage) -> None:
    seen: list[str] = []
    aws_stage.aws.after(60, lambda: seen.append("done"))
    before, boot_s = aws_stage.clock.now(), aws_stage.clock.boottime()
    await aws_stage.clock.sleep(59)
    assert seen == []
    await aws_stage.clock.sleep(1)
    assert seen == ["done"]
    assert timedelta(seconds=60) <= aws_stage.clock.now() - before < timedelta(seconds=120)
    assert aws_stage.clock.boottime() >= boot_s + 60
    assert aws_stage.aws.now() >= before + timedelta(seconds=60)
