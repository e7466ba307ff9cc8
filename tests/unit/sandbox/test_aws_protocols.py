"""AWS's wire protocols: what botocore sends is understood, and what is answered arrives as it was meant."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from remediator.sandbox.aws.cloud import Cloud
from remediator.sandbox.aws.service import Call, Refused, Service
from tests.unit.sandbox.aws_client import client

AT = datetime(2026, 11, 30, 12, 0, 5, tzinfo=UTC)


class Played(Service):
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.answer: dict[str, Any] | Exception = {}
        self.asked: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        if not name[0].isupper() or name == "DescribeEvents":
            raise AttributeError(name)
        return self._play

    async def _play(self, call: Call) -> dict[str, Any]:
        self.asked.append(call)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud()
    await made.start()
    yield made
    await made.stop()


def play(cloud: Cloud, service: str, answer: dict[str, Any] | Exception) -> Played:
    kind = type("PlayedService", (Played,), {"name": service})
    played: Played = kind(cloud)
    played.answer = answer
    cloud._services[service] = played
    return played


async def ask(cloud: Cloud, asked: str, operation: str, /, key: str = "AKIASANDBOX", **params: Any) -> dict[str, Any]:
    async with client(cloud.url, asked, key=key) as opened:
        answer: dict[str, Any] = await getattr(opened, operation)(**params)
    answer.pop("ResponseMetadata", None)
    return answer


CASES: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "rds",
        "describe_events",
        "DescribeEvents",
        {"SourceType": "db-instance", "EventCategories": ["failover", "failure"], "StartTime": AT, "Duration": 5},
        {"Events": [{"SourceIdentifier": "orders", "Date": AT, "EventCategories": ["failover"]}], "Marker": "a<b&c"},
    ),
    (
        "rds",
        "create_db_snapshot",
        "CreateDBSnapshot",
        {
            "DBSnapshotIdentifier": "s",
            "DBInstanceIdentifier": "orders",
            "Tags": [{"Key": "a", "Value": "b"}, {"Key": "c"}],
        },
        {"DBSnapshot": {"DBSnapshotIdentifier": "s", "Port": 5432, "Encrypted": True, "TagList": []}},
    ),
    (
        "autoscaling",
        "set_desired_capacity",
        "SetDesiredCapacity",
        {"AutoScalingGroupName": "web", "DesiredCapacity": 3},
        {},
    ),
    (
        "elasticache",
        "test_failover",
        "TestFailover",
        {"ReplicationGroupId": "cache", "NodeGroupId": "0001"},
        {
            "ReplicationGroup": {
                "ReplicationGroupId": "cache",
                "NodeGroups": [{"NodeGroupMembers": [{"CurrentRole": "primary"}]}],
            }
        },
    ),
    (
        "ec2",
        "describe_instances",
        "DescribeInstances",
        {"InstanceIds": ["i-1", "i-2"], "Filters": [{"Name": "tag:a", "Values": ["b", "c"]}], "MaxResults": 5},
        {
            "Reservations": [
                {"Instances": [{"InstanceId": "i-1", "State": {"Code": 16, "Name": "running"}, "LaunchTime": AT}]}
            ]
        },
    ),
    (
        "ecs",
        "update_service",
        "UpdateService",
        {"cluster": "c", "service": "s", "desiredCount": 3, "forceNewDeployment": True},
        {
            "service": {
                "serviceName": "s",
                "desiredCount": 3,
                "createdAt": AT,
                "deployments": [{"id": "d", "runningCount": 2}],
            }
        },
    ),
    (
        "eks",
        "update_nodegroup_config",
        "UpdateNodegroupConfig",
        {
            "clusterName": "c",
            "nodegroupName": "n",
            "scalingConfig": {"minSize": 1, "maxSize": 5},
            "clientRequestToken": "t",
        },
        {"update": {"id": "u", "status": "InProgress", "createdAt": AT, "params": [{"type": "MaxSize", "value": "5"}]}},
    ),
    (
        "arc-zonal-shift",
        "get_managed_resource",
        "GetManagedResource",
        {"resourceIdentifier": "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/shop/1"},
        {"name": "shop", "appliedWeights": {"euc1-az1": 1.0}, "zonalShifts": []},
    ),
    (
        "route53",
        "change_resource_record_sets",
        "ChangeResourceRecordSets",
        {
            "HostedZoneId": "Z1",
            "ChangeBatch": {
                "Comment": "c",
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": "a.example.net.",
                            "Type": "CNAME",
                            "TTL": 60,
                            "ResourceRecords": [{"Value": "b.example.net"}],
                        },
                    }
                ],
            },
        },
        {"ChangeInfo": {"Id": "/change/C1", "Status": "PENDING", "SubmittedAt": AT}},
    ),
    (
        "s3",
        "list_objects_v2",
        "ListObjectsV2",
        {"Bucket": "backups", "Prefix": "db/", "MaxKeys": 2, "EncodingType": "url"},
        {
            "Contents": [{"Key": "db/1", "Size": 5, "LastModified": AT}],
            "KeyCount": 1,
            "IsTruncated": False,
            "Name": "backups",
        },
    ),
    (
        "s3",
        "head_object",
        "HeadObject",
        {"Bucket": "backups", "Key": "db/a b/ü"},
        {"LastModified": AT, "ContentLength": 5, "ETag": '"x"', "Metadata": {"intent": "1"}},
    ),
    (
        "ssm",
        "list_commands",
        "ListCommands",
        {"MaxResults": 5},
        {"Commands": [{"CommandId": "c", "Parameters": {"commands": ["ls"]}}]},
    ),
    (
        "cloudwatch",
        "get_metric_statistics",
        "GetMetricStatistics",
        {
            "Namespace": "AWS/RDS",
            "MetricName": "ReplicaLag",
            "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "x"}],
            "StartTime": AT,
            "EndTime": AT,
            "Period": 60,
        },
        {"Label": "l", "Datapoints": [{"Timestamp": AT, "Average": 0.5}]},
    ),
]


@pytest.mark.parametrize(("service", "method", "operation", "params", "answer"), CASES, ids=[case[2] for case in CASES])
async def test_both_ways(
    cloud: Cloud, service: str, method: str, operation: str, params: dict[str, Any], answer: dict[str, Any]
) -> None:
    played = play(cloud, service, answer)
    if operation == "DescribeEvents":
        vars(played)[operation] = played._play
    assert await ask(cloud, service, method, **params) == answer
    (call,) = played.asked
    assert (call.operation, call.params, call.region) == (operation, params, "eu-central-1")


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "rds": ("describe_db_instances", {}),
    "ec2": ("describe_instances", {}),
    "ecs": ("list_clusters", {}),
    "eks": ("list_clusters", {}),
    "route53": ("list_hosted_zones", {}),
    "s3": ("list_buckets", {}),
}
CODES = {
    "throttled": {"Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"},
    "denied": {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"},
    "expired": {"ExpiredToken", "ExpiredTokenException", "RequestExpired"},
    "status 503": {"ServiceUnavailable"},
}


@pytest.mark.parametrize("service", ASKED)
async def test_errors_in_every_protocol(cloud: Cloud, service: str) -> None:
    method, params = ASKED[service]
    async with client(cloud.url, service) as opened:
        for kind, codes in CODES.items():
            fault = cloud.fault(service, "*", kind)
            with pytest.raises(ClientError) as caught:
                await getattr(opened, method)(**params)
            assert caught.value.response["Error"]["Code"] in codes
            assert fault.hits == 1
    assert cloud.done == []


async def test_the_status_of_an_error_is_the_models(cloud: Cloud) -> None:
    play(cloud, "rds", Refused("DBInstanceNotFound", "DBInstance orders not found."))
    with pytest.raises(ClientError) as caught:
        await ask(cloud, "rds", "reboot_db_instance", DBInstanceIdentifier="orders")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["Error"]["Message"] == "DBInstance orders not found."


async def test_an_operation_that_nobody_plays_is_unknown(cloud: Cloud) -> None:
    play(cloud, "rds", {})
    with pytest.raises(ClientError, match="InvalidAction"):
        await ask(cloud, "rds", "describe_events")


async def test_a_service_that_answers_nonsense_is_a_mistake_of_the_sandbox() -> None:
    cloud = Cloud()
    await cloud.start()
    play(cloud, "ecs", {"unheardOf": 1})
    with pytest.raises(ClientError, match="InternalFailure"):
        await ask(cloud, "ecs", "list_clusters")
    with pytest.raises(TypeError, match="has no unheardOf"):
        await cloud.stop()


async def test_a_dry_run_of_ec2_is_accepted_and_not_done(cloud: Cloud) -> None:
    played = play(cloud, "ec2", {})
    with pytest.raises(ClientError, match="DryRunOperation"):
        await ask(cloud, "ec2", "reboot_instances", InstanceIds=["i-1"], DryRun=True)
    assert played.asked == [] and cloud.writes == []
    (asked,) = cloud.asked
    assert asked.dry_run and asked.writes and asked.action == "ec2:RebootInstances"


async def test_who_may_do_what(cloud: Cloud) -> None:
    play(cloud, "rds", {})
    cloud.grant("AKIAREADER", ["rds:Describe*"])
    await ask(cloud, "rds", "describe_db_instances", key="AKIAREADER")
    with pytest.raises(ClientError, match="AccessDenied"):
        await ask(cloud, "rds", "reboot_db_instance", key="AKIAREADER", DBInstanceIdentifier="orders")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        await ask(cloud, "rds", "describe_db_instances")
    identity = await ask(cloud, "sts", "get_caller_identity", key="AKIAREADER")
    cloud.know("AKIAADMIN")
    simulated = await ask(
        cloud,
        "iam",
        "simulate_principal_policy",
        key="AKIAADMIN",
        PolicySourceArn=identity["Arn"],
        ActionNames=["rds:DescribeDBInstances", "rds:RebootDBInstance"],
    )
    assert [one["EvalDecision"] for one in simulated["EvaluationResults"]] == ["allowed", "implicitDeny"]


async def test_a_role_is_taken_on_in_another_account(cloud: Cloud) -> None:
    role = "arn:aws:iam::444455556666:role/remediator"
    cloud.sts.roles[role] = ["rds:DescribeDBInstances"]
    taken = await ask(cloud, "sts", "assume_role", RoleArn=role, RoleSessionName="run")
    key = taken["Credentials"]["AccessKeyId"]
    identity = await ask(cloud, "sts", "get_caller_identity", key=key)
    assert (identity["Account"], identity["Arn"]) == (
        "444455556666",
        "arn:aws:sts::444455556666:assumed-role/remediator/run",
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        await ask(cloud, "rds", "reboot_db_instance", key=key, DBInstanceIdentifier="x")
    with pytest.raises(ClientError, match="AccessDenied"):
        await ask(cloud, "sts", "assume_role", RoleArn=role + "2", RoleSessionName="run")


async def test_lost_answers_and_lost_requests(cloud: Cloud) -> None:
    played = play(cloud, "rds", {})
    for kind, done in (("drop", 0), ("lose_answer", 1)):
        cloud.fault("rds", "RebootDBInstance", kind)
        with pytest.raises(HTTPClientError):
            await ask(cloud, "rds", "reboot_db_instance", DBInstanceIdentifier="orders")
        assert len(played.asked) == done
    assert [one.operation for one in cloud.writes] == ["RebootDBInstance"] * 2


async def test_metrics(cloud: Cloud) -> None:
    dimensions = {"DBInstanceIdentifier": "orders"}
    cloud.cloudwatch.put("AWS/RDS", "ReplicaLag", dimensions, 0.5)
    now = datetime.now(UTC)
    metric = {
        "Namespace": "AWS/RDS",
        "MetricName": "ReplicaLag",
        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": "orders"}],
    }
    other = {**metric, "MetricName": "DatabaseConnections"}
    found = await ask(
        cloud,
        "cloudwatch",
        "get_metric_data",
        StartTime=now - timedelta(minutes=5),
        EndTime=now,
        MetricDataQueries=[
            {"Id": name, "MetricStat": {"Metric": one, "Period": 60, "Stat": "Maximum"}}
            for name, one in (("lag", metric), ("connections", other))
        ],
    )
    lag, connections = found["MetricDataResults"]
    assert set(lag["Values"]) == {0.5} and 4 <= len(lag["Values"]) <= 5
    assert lag["Timestamps"] == sorted(lag["Timestamps"], reverse=True)
    assert connections["Values"] == []


async def test_time_stands_still_until_it_is_advanced(cloud: Cloud) -> None:
    seen: list[str] = []
    cloud.hold()
    cloud.after(60, lambda: seen.append("rebooted"))

    def down() -> None:
        seen.append("down")
        cloud.after(20, lambda: seen.append("half"))

    cloud.after(30, down)
    cloud.advance(29)
    assert seen == []
    cloud.advance(31)
    assert seen == ["down", "half", "rebooted"]
    cloud.after(60, lambda: seen.append("by itself"))
    cloud.release()
    await cloud.until(lambda: "by itself" in seen)


async def test_what_fails_later_is_not_lost() -> None:
    cloud = Cloud()
    await cloud.start()
    nothing: dict[str, None] = {}
    cloud.after(1, lambda: nothing["at all"])
    await cloud.until(lambda: cloud.later.failure is not None)
    with pytest.raises(KeyError):
        await cloud.stop()
