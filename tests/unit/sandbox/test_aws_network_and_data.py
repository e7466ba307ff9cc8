"""The simulated ElastiCache, Route 53, WAF, S3 and zonal shift, asked by botocore's own clients."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from remediator.sandbox.aws.cloud import Cloud
from remediator.sandbox.aws.route53 import Zone
from tests.unit.sandbox.aws_client import client


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud()
    await made.start()
    made.hold()
    yield made
    await made.stop()


async def refused(asked: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await asked
    return str(caught.value.response["Error"]["Code"])


async def test_a_replication_group_fails_over_in_phases(cloud: Cloud) -> None:
    cloud.elasticache.put("sessions", replicas=2)
    async with client(cloud.url, "elasticache") as asked:

        async def shown() -> Any:
            [group] = (await asked.describe_replication_groups(ReplicationGroupId="sessions"))["ReplicationGroups"]
            [primary] = [
                one["CacheClusterId"]
                for one in group["NodeGroups"][0]["NodeGroupMembers"]
                if one["CurrentRole"] == "primary"
            ]
            return group["Status"], primary

        assert await shown() == ("available", "sessions-001")
        await asked.test_failover(ReplicationGroupId="sessions", NodeGroupId="0001")
        assert await shown() == ("modifying", "sessions-001")
        again = asked.test_failover(ReplicationGroupId="sessions", NodeGroupId="0001")
        assert await refused(again) == "InvalidReplicationGroupState"
        cloud.advance(30)
        assert await shown() == ("modifying", "sessions-002")
        cloud.advance(120)
        assert await shown() == ("available", "sessions-002")
        events = (await asked.describe_events(SourceType="replication-group", SourceIdentifier="sessions"))["Events"]
        assert [one["Message"] for one in events] == [
            "Test Failover API called for node group 0001",
            "Failover from primary node sessions-001 to replica node sessions-002 completed",
        ]
        cloud.elasticache.groups["sessions"].automatic_failover = "disabled"
        assert await refused(asked.test_failover(ReplicationGroupId="sessions", NodeGroupId="0001"))
        assert await refused(asked.test_failover(ReplicationGroupId="x", NodeGroupId="1")) == (
            "ReplicationGroupNotFoundFault"
        )


async def test_the_account_may_call_only_so_many_failovers_a_day(cloud: Cloud) -> None:
    cloud.elasticache.put("sessions")
    for _ in range(15):
        cloud.elasticache.call_failover("sessions")
        cloud.advance(300)
    async with client(cloud.url, "elasticache") as asked:
        code = await refused(asked.test_failover(ReplicationGroupId="sessions", NodeGroupId="0001"))
    assert code == "APICallRateForCustomerExceeded"


def weighted(identifier: str, value: str, weight: int, **more: Any) -> dict[str, Any]:
    return {
        "Name": "www.example.org",
        "Type": "A",
        "SetIdentifier": identifier,
        "Weight": weight,
        "TTL": 60,
        "ResourceRecords": [{"Value": value}],
        **more,
    }


@pytest.fixture
def zone(cloud: Cloud) -> Zone:
    made: Zone = cloud.route53.zone("example.org")
    for one in (weighted("home", "192.0.2.1", 100), weighted("recovery", "192.0.2.2", 0)):
        cloud.route53.put(made, one)
    return made


async def test_a_batch_is_done_whole_or_not_at_all_and_served_later(cloud: Cloud, zone: Zone) -> None:
    async with client(cloud.url, "route53") as asked:

        async def answered() -> Any:
            found = await asked.test_dns_answer(HostedZoneId=zone.id, RecordName="www.example.org", RecordType="A")
            return found["RecordData"]

        def batch(*changes: tuple[str, dict[str, Any]]) -> Any:
            listed = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
            return asked.change_resource_record_sets(HostedZoneId=zone.id, ChangeBatch={"Changes": listed})

        assert await answered() == ["192.0.2.1"]
        bad = batch(("UPSERT", weighted("home", "192.0.2.1", 0)), ("DELETE", weighted("recovery", "192.0.2.99", 0)))
        assert await refused(bad) == "InvalidChangeBatch"
        mixed = {"Name": "www.example.org", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.3"}]}
        assert await refused(batch(("CREATE", mixed))) == "InvalidChangeBatch"
        made = await batch(
            ("UPSERT", weighted("home", "192.0.2.1", 0)), ("UPSERT", weighted("recovery", "192.0.2.2", 100))
        )
        change = made["ChangeInfo"]["Id"]
        assert (await asked.get_change(Id=change))["ChangeInfo"]["Status"] == "PENDING"
        assert await answered() == ["192.0.2.1"]
        cloud.advance(60)
        assert (await asked.get_change(Id=change))["ChangeInfo"]["Status"] == "INSYNC"
        assert await answered() == ["192.0.2.2"]


async def test_records_are_listed_by_reversed_labels_and_in_pages(cloud: Cloud, zone: Zone) -> None:
    for name in ("*.example.org", "a.www.example.org", "example.org", "z.example.org"):
        cloud.route53.put(zone, {"Name": name, "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"x"'}]})
    async with client(cloud.url, "route53") as asked:
        found: list[str] = []
        start: dict[str, Any] = {}
        while True:
            page = await asked.list_resource_record_sets(HostedZoneId=zone.id, MaxItems="2", **start)
            found += [one["Name"] for one in page["ResourceRecordSets"]]
            if not page["IsTruncated"]:
                break
            start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
            if "NextRecordIdentifier" in page:
                start["StartRecordIdentifier"] = page["NextRecordIdentifier"]
    assert found == [
        "example.org.",
        "\\052.example.org.",
        "www.example.org.",
        "www.example.org.",
        "a.www.example.org.",
        "z.example.org.",
    ]


async def test_a_health_check_that_is_disabled_and_inverted_is_unhealthy_whatever_it_sees(cloud: Cloud) -> None:
    check = cloud.route53.health_check("check-1", sees=False)

    def healthy() -> bool:
        return check.healthy

    assert not healthy()
    async with client(cloud.url, "route53") as asked:
        await asked.update_health_check(HealthCheckId="check-1", HealthCheckVersion=1, Inverted=True)
        assert healthy(), "inverted alone turns a failing check into a healthy one"
        stale = asked.update_health_check(HealthCheckId="check-1", HealthCheckVersion=1, Disabled=True)
        assert await refused(stale) == "HealthCheckVersionMismatch"
        await asked.update_health_check(HealthCheckId="check-1", HealthCheckVersion=2, Disabled=True)
        assert not healthy()
        check.sees = True
        assert not healthy()
        seen = await asked.get_health_check_status(HealthCheckId="check-1")
        assert {one["StatusReport"]["Status"] for one in seen["HealthCheckObservations"]} == {
            "Success: HTTP Status Code 200, OK"
        }


async def test_a_set_is_written_against_the_token_of_its_last_read(cloud: Cloud) -> None:
    kept = cloud.wafv2.put("blocked", "192.0.2.1/32", description="by hand")
    async with client(cloud.url, "wafv2") as asked:
        named = {"Name": "blocked", "Scope": "REGIONAL", "Id": kept.id}
        token = (await asked.get_ip_set(**named))["LockToken"]
        await asked.update_ip_set(**named, Addresses=["192.0.2.2/32"], LockToken=token)
        assert (kept.addresses, kept.description) == (["192.0.2.2/32"], "")
        stale = asked.update_ip_set(**named, Addresses=[], LockToken=token)
        assert await refused(stale) == "WAFOptimisticLockException"
        for wrong in ("192.0.2.2", "2001:db8::/64", "0.0.0.0/0", "192.0.2.1/24"):
            again = asked.update_ip_set(**named, Addresses=[wrong], LockToken=kept.token)
            assert await refused(again) == "WAFInvalidParameterException"
        assert (await asked.list_ip_sets(Scope="CLOUDFRONT"))["IPSets"] == []


async def test_objects_are_listed_by_name_and_in_pages(cloud: Cloud) -> None:
    for number in range(1500):
        cloud.s3.put("backups", f"db/{number:05d}", number)
    cloud.s3.bucket("empty")
    async with client(cloud.url, "s3") as asked:
        pages = [page async for page in asked.get_paginator("list_objects_v2").paginate(Bucket="backups", Prefix="db/")]
        assert [len(page["Contents"]) for page in pages] == [1000, 500]
        assert "Contents" not in await asked.list_objects_v2(Bucket="empty")
        assert await refused(asked.list_objects_v2(Bucket="none")) == "NoSuchBucket"


async def test_one_zonal_shift_at_a_time_and_only_away_from_its_zones(cloud: Cloud) -> None:
    balancer = cloud.elbv2.put("front")
    async with client(cloud.url, "arc-zonal-shift") as asked:

        def start(zone: str, lasts: str = "30m") -> Any:
            return asked.start_zonal_shift(
                resourceIdentifier=balancer.arn, awayFrom=zone, expiresIn=lasts, comment="test"
            )

        assert await refused(start("use1-az1")) == "ValidationException"
        assert await refused(start("euc1-az1", "73h")) == "ValidationException"
        made = await start("euc1-az1")
        assert await refused(start("euc1-az2")) == "ConflictException"
        weights = (await asked.get_managed_resource(resourceIdentifier=balancer.arn))["appliedWeights"]
        assert weights == {"euc1-az1": 0.0, "euc1-az2": 1.0, "euc1-az3": 1.0}
        await asked.cancel_zonal_shift(zonalShiftId=made["zonalShiftId"])
        assert await refused(asked.cancel_zonal_shift(zonalShiftId=made["zonalShiftId"])) == "ConflictException"
        [kept] = (await asked.list_zonal_shifts(resourceIdentifier=balancer.arn))["items"]
        assert kept["status"] == "CANCELED"
    async with client(cloud.url, "elbv2") as asked:
        [found] = (await asked.describe_load_balancers(Names=["front"]))["LoadBalancers"]
        assert found["LoadBalancerArn"] == balancer.arn
        assert await refused(asked.describe_load_balancers(Names=["none"])) == "LoadBalancerNotFound"
