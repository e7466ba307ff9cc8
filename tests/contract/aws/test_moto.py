"""Our readers see the same in the sandbox's AWS and in moto's, where moto is right; and both refuse alike.

What moto gets wrong, and so is not compared: phases (everything is available at once), failovers and their events, sizes out of bounds,
Route 53's test of an answer.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediator.clients.aws import (
    acm,
    autoscaling,
    ec2,
    ecs,
    eks,
    elasticache,
    health_checks,
    load_balancers,
    rds,
    rds_snapshots,
    route53,
    s3,
    validation_records,
    waf,
)
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.connect import AwsAccounts
from remediator.clients.aws.errors import AwsNotFoundError, AwsRefusedError
from remediator.clients.transport import WritePermit, permit
from remediator.clock import SystemClock
from remediator.errors import RemediatorError, TargetNotFoundError
from remediator.sandbox.aws.cloud import REGION, Cloud
from remediator.settings import AwsAccount
from remediator.targets import Target
from tests.support.aws_stage import AwsStage
from tests.support.key_pairs import KeyPair, key_pair
from tests.support.moto_server import MOTO_ACCOUNT, emptied, moto_server, plain

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@dataclass
class Twins:
    """Both clouds, and our client of each."""

    url: str
    moto: AwsApi
    cloud: Cloud
    sandbox: AwsApi

    def make(self, service: str) -> Any:
        """A plain client of moto."""
        return plain(self.url, service, REGION)

    def target(self, api: AwsApi, kind: str, name: str, within: str = "") -> Target:
        return Target.aws(api.account, REGION, kind, name, within)

    async def same(self, read: Callable[[AwsApi], Awaitable[Any]], *but: str) -> Any:
        """What is read is the same in both, but for these fields (ids, stamps)."""
        ours, theirs = _seen(await read(self.sandbox), but), _seen(await read(self.moto), but)
        assert ours == theirs
        return ours

    async def both_refuse(self, ask: Callable[[AwsApi], Awaitable[Any]]) -> tuple[type, str]:
        """With the same error and the same code on the wire."""
        ours, theirs = await _refusal(ask, self.sandbox), await _refusal(ask, self.moto)
        assert ours == theirs
        return ours


def _seen(value: Any, but: tuple[str, ...]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_seen(one, but) for one in value]
    if hasattr(value, "__dataclass_fields__"):
        return {one.name: _seen(getattr(value, one.name), but) for one in fields(value) if one.name not in but}
    return value


async def _refusal(ask: Callable[[AwsApi], Awaitable[Any]], api: AwsApi) -> tuple[type, str]:
    with pytest.raises(RemediatorError) as caught, permit(WritePermit(SystemClock().boottime() + 300)):
        await ask(api)
    return type(caught.value), str(getattr(caught.value, "code", ""))


@pytest.fixture
async def twins(aws_stage: AwsStage, moto_url: str, tmp_path: Path) -> AsyncIterator[Twins]:
    await emptied(moto_url)
    file = tmp_path / "moto.credentials"
    file.write_text("[moto]\naws_access_key_id = AKIAMOTO\naws_secret_access_key = sandbox\n")
    account = AwsAccount.model_validate(
        {
            "id": MOTO_ACCOUNT,
            "regions": [REGION],
            "profile": "moto",
            "credentials_file": file,
            "endpoint_url": moto_url,
            "loopback_only": True,
        }
    )
    accounts = AwsAccounts({"moto": account}, dry_run=False, clock=SystemClock(), timeout_s=60.0)
    yield Twins(moto_url, accounts.places[f"{MOTO_ACCOUNT}/{REGION}"], aws_stage.aws, aws_stage.client())
    await accounts.close()


async def test_db_instances_and_their_snapshots(twins: Twins) -> None:
    twins.cloud.rds.put("orders", multi_az=False)
    async with twins.make("rds") as made:
        await made.create_db_instance(
            DBInstanceIdentifier="orders", DBInstanceClass="db.r6g.large", Engine="postgres", AllocatedStorage=100
        )
    # moto has neither zones of its own nor what can be restored.
    seen = await twins.same(
        lambda api: rds.read_instance(api, "orders"),
        *("arn", "resource_id", "zone", "address", "restorable_until", "keeps_backups_days", "shape", "tier", "tags"),
    )
    assert (seen["status"], seen["multi_az"], seen["source"], seen["cluster"]) == ("available", False, "", "")
    code = await twins.both_refuse(lambda api: rds.read_instance(api, "nothing"))
    assert code == (AwsNotFoundError, "DBInstanceNotFound")

    def snapshot(api: AwsApi, of: str = "orders") -> Awaitable[Any]:
        return rds_snapshots.make_snapshot(api, twins.target(api, "rds-instance", of), "before", {"a": "b"})

    for api in (twins.moto, twins.sandbox):
        with permit(WritePermit(SystemClock().boottime() + 300)):
            assert await snapshot(api) is not None
    assert (await twins.both_refuse(snapshot))[1] == "DBSnapshotAlreadyExists"
    assert (await twins.both_refuse(lambda api: snapshot(api, "nothing")))[1] == "DBInstanceNotFound"


async def test_db_clusters(twins: Twins) -> None:
    twins.cloud.rds.put_cluster("shop", readers=1)
    async with twins.make("rds") as made:
        await made.create_db_cluster(
            DBClusterIdentifier="shop",
            Engine="aurora-postgresql",
            MasterUsername="root",
            MasterUserPassword="hunter2-0",
        )
        for number in (1, 2):
            await made.create_db_instance(
                DBInstanceIdentifier=f"shop-{number}",
                DBInstanceClass="db.r6g.large",
                Engine="aurora-postgresql",
                DBClusterIdentifier="shop",
            )

    async def outline(api: AwsApi) -> Any:
        found = await rds.read_cluster(api, "shop")
        return found.name, found.status, found.engine, found.writer, [one.name for one in found.readers]

    seen = await twins.same(outline)
    assert seen == ["shop", "available", "aurora-postgresql", "shop-1", ["shop-2"]]
    assert (await twins.both_refuse(lambda api: rds.read_cluster(api, "nothing")))[1] == "DBClusterNotFoundFault"


async def test_caches(twins: Twins) -> None:
    twins.cloud.elasticache.put("sessions", replicas=1)
    async with twins.make("elasticache") as made:
        await made.create_replication_group(
            ReplicationGroupId="sessions",
            ReplicationGroupDescription="sessions",
            Engine="redis",
            NumCacheClusters=2,
            AutomaticFailoverEnabled=True,
        )

    async def outline(api: AwsApi) -> Any:
        found = await elasticache.replication_group(api, twins.target(api, "elasticache-group", "sessions"))
        return (
            found.name,
            found.status,
            found.automatic_failover,
            found.clustered,
            [one.id for one in found.node_groups],
        )

    assert await twins.same(outline) == ["sessions", "available", "enabled", False, ["0001"]]
    code = await twins.both_refuse(
        lambda api: elasticache.replication_group(api, twins.target(api, "elasticache-group", "nothing"))
    )
    assert code == (AwsNotFoundError, "ReplicationGroupNotFoundFault")


async def test_scaling_groups_and_instances(twins: Twins) -> None:
    ours = twins.cloud.autoscaling.add("web", minimum=1, maximum=4, desired=2, tags={"team": "shop"})
    async with twins.make("ec2") as made, twins.make("autoscaling") as scaling:
        image = (await made.register_image(Name="web"))["ImageId"]
        await scaling.create_launch_configuration(LaunchConfigurationName="web", ImageId=image, InstanceType="t3.micro")
        await scaling.create_auto_scaling_group(
            AutoScalingGroupName="web",
            LaunchConfigurationName="web",
            MinSize=1,
            MaxSize=4,
            DesiredCapacity=2,
            AvailabilityZones=[f"{REGION}a"],
            Tags=[{"Key": "team", "Value": "shop", "PropagateAtLaunch": False}],
        )
        theirs = (await scaling.describe_auto_scaling_instances())["AutoScalingInstances"][0]["InstanceId"]
    seen = await twins.same(lambda api: autoscaling.read_group(api, "web"), "arn", "id")
    assert (seen["minimum"], seen["maximum"], seen["desired"], seen["suspended"]) == (1, 4, 2, frozenset())
    assert [one["state"] for one in seen["members"]] == ["InService", "InService"]
    member = {twins.moto: theirs, twins.sandbox: ours.members[0].id}
    await twins.same(lambda api: ec2.read_instance(api, member[api]), "id", "tags")
    await twins.same(lambda api: autoscaling.group_of(api, member[api]))
    code = await twins.both_refuse(lambda api: ec2.read_instance(api, "i-0123456789abcdef0"))
    assert code == (AwsNotFoundError, "InvalidInstanceID.NotFound")
    assert (await twins.both_refuse(lambda api: autoscaling.read_group(api, "nothing")))[0] is TargetNotFoundError


async def test_a_dry_run_of_ec2(twins: Twins) -> None:
    """The one dry-run that AWS has, asked for by our dry client."""

    def reboot(api: AwsApi) -> Awaitable[Any]:
        return api.write("ec2", "reboot_instances", InstanceIds=["i-0123456789abcdef0"], DryRun=True)

    assert await twins.both_refuse(reboot) == (AwsRefusedError, "DryRunOperation")


async def test_node_groups(twins: Twins) -> None:
    twins.cloud.eks.add("main", "workers", minimum=1, maximum=4, desired=2)
    async with twins.make("eks") as made:
        await made.create_cluster(
            name="main",
            roleArn=f"arn:aws:iam::{MOTO_ACCOUNT}:role/eks",
            resourcesVpcConfig={"subnetIds": ["subnet-1"]},
        )
        await made.create_nodegroup(
            clusterName="main",
            nodegroupName="workers",
            subnets=["subnet-1"],
            nodeRole=f"arn:aws:iam::{MOTO_ACCOUNT}:role/nodes",
            scalingConfig={"minSize": 1, "maxSize": 4, "desiredSize": 2},
        )
    await twins.same(lambda api: eks.read_nodegroup(api, "main", "workers"), "arn", "tags")
    for cluster, name in (("main", "nothing"), ("nothing", "workers")):
        code = await twins.both_refuse(lambda api, c=cluster, n=name: eks.read_nodegroup(api, c, n))  # type: ignore[misc]
        assert code == (AwsNotFoundError, "ResourceNotFoundException")

    def resize(api: AwsApi) -> Awaitable[Any]:
        sizes = {"minSize": 5, "maxSize": 4, "desiredSize": 2}
        return api.write(
            "eks", "update_nodegroup_config", clusterName="main", nodegroupName="nothing", scalingConfig=sizes
        )

    assert (await twins.both_refuse(resize))[1] == "ResourceNotFoundException"


async def test_services_on_ecs(twins: Twins) -> None:
    twins.cloud.ecs.add("main", "checkout", desired=0)
    async with twins.make("ecs") as made:
        await made.create_cluster(clusterName="main")
        definition = await made.register_task_definition(
            family="checkout", containerDefinitions=[{"name": "app", "image": "app:1", "memory": 64}]
        )
        await made.create_service(
            cluster="main",
            serviceName="checkout",
            taskDefinition=definition["taskDefinition"]["taskDefinitionArn"],
            desiredCount=0,
        )

    async def outline(api: AwsApi) -> Any:
        found = await ecs.read_service(api, "main", "checkout")
        return found.name, found.status, found.desired, found.controller, [one.status for one in found.deployments]

    assert await twins.same(outline) == ["checkout", "ACTIVE", 0, "ECS", ["PRIMARY"]]
    assert (await twins.both_refuse(lambda api: ecs.read_service(api, "main", "nothing")))[0] is TargetNotFoundError
    code = await twins.both_refuse(lambda api: ecs.read_service(api, "nothing", "checkout"))
    assert code == (AwsNotFoundError, "ClusterNotFoundException")


async def test_zones_records_and_health_checks(twins: Twins) -> None:
    record = {
        "Name": "www.example.net.",
        "Type": "A",
        "SetIdentifier": "blue",
        "Weight": 10,
        "TTL": 60,
        "ResourceRecords": [{"Value": "192.0.2.1"}],
    }
    zone = twins.cloud.route53.zone("example.net")
    twins.cloud.route53.put(zone, record)
    twins.cloud.route53.put(zone, {**record, "SetIdentifier": "green", "Weight": 0})
    async with twins.make("route53") as made:
        theirs = (await made.create_hosted_zone(Name="example.net", CallerReference="1"))["HostedZone"]["Id"]
        changes = [
            {"Action": "CREATE", "ResourceRecordSet": {**record, "SetIdentifier": name, "Weight": weight}}
            for name, weight in (("blue", 10), ("green", 0))
        ]
        await made.change_resource_record_sets(HostedZoneId=theirs, ChangeBatch={"Changes": changes})

    def records(api: AwsApi, name: str = "www.example.net:A", within: str = "example.net") -> Awaitable[Any]:
        return route53.records(api, twins.target(api, "route53-record", name, within))

    seen = await twins.same(records, "zone")
    assert [(one["identifier"], one["weight"]) for one in seen["sets"]] == [("blue", 10), ("green", 0)]
    assert (await twins.both_refuse(lambda api: records(api, "api.example.net:A")))[0] is TargetNotFoundError
    assert (await twins.both_refuse(lambda api: records(api, within="example.org")))[0] is TargetNotFoundError
    code = await twins.both_refuse(lambda api: records(api, within="Z0123456789ABCDEFGHIJ"))
    assert code == (AwsNotFoundError, "NoSuchHostedZone")

    async def create_again(api: AwsApi) -> None:
        found = await route53.records(api, twins.target(api, "route53-record", "www.example.net:A", "example.net"))
        await route53.change(api, found.zone, [{"Action": "CREATE", "ResourceRecordSet": record}], "again")

    assert await twins.both_refuse(create_again) == (AwsRefusedError, "InvalidChangeBatch")
    check = "01234567-89ab-cdef-0123-456789abcdef"
    assert (await twins.both_refuse(lambda api: health_checks.health_check(api, check)))[1] == "NoSuchHealthCheck"


async def test_buckets(twins: Twins) -> None:
    for key, size in (("db/1", 3), ("db/2 ü", 8), ("other", 1)):
        twins.cloud.s3.bucket("backups")
        twins.cloud.s3.put("backups", key, size)
    async with twins.make("s3") as made:
        await made.create_bucket(Bucket="backups", CreateBucketConfiguration={"LocationConstraint": REGION})
        for key, size in (("db/1", 3), ("db/2 ü", 8), ("other", 1)):
            await made.put_object(Bucket="backups", Key=key, Body=b"x" * size)
    seen = await twins.same(lambda api: s3.under(api, "backups", "db/", at_least=5), "modified_at", "newest_of_all")
    assert seen["newest"] == {"key": "db/2 ü", "size": 8} and seen["objects"] == 2
    assert (await twins.same(lambda api: s3.under(api, "backups", "none/", at_least=5)))["objects"] == 0
    code = await twins.both_refuse(lambda api: s3.under(api, "nothing", "", at_least=5))
    assert code == (AwsNotFoundError, "NoSuchBucket")


async def test_address_sets(twins: Twins) -> None:
    twins.cloud.wafv2.put("blocked", "192.0.2.1/32", description="by hand")
    async with twins.make("wafv2") as made:
        await made.create_ip_set(
            Name="blocked",
            Scope="REGIONAL",
            IPAddressVersion="IPV4",
            Addresses=["192.0.2.1/32"],
            Description="by hand",
        )

    def read(api: AwsApi, name: str = "blocked") -> Awaitable[Any]:
        return waf.ip_set(api, twins.target(api, "waf-address", "192.0.2.9", f"regional:{name}"))

    seen = await twins.same(read, "id", "uid", "lock_token")
    assert seen["addresses"] == ["192.0.2.1/32"]
    assert (await twins.both_refuse(lambda api: read(api, "nothing")))[0] is TargetNotFoundError

    def stale(api: AwsApi) -> Awaitable[Any]:
        async def write() -> Any:
            found = await read(api)
            return await api.write(
                "wafv2",
                "update_ip_set",
                Name="blocked",
                Scope="REGIONAL",
                Id=found.id,
                Addresses=["192.0.2.2/32"],
                LockToken="00000000-0000-0000-0000-000000000000",
            )

        return write()

    assert await twins.both_refuse(stale) == (AwsRefusedError, "WAFOptimisticLockException")


async def test_load_balancers_that_are_not_there(twins: Twins) -> None:
    def read(api: AwsApi) -> Awaitable[Any]:
        return load_balancers.load_balancer(api, twins.target(api, "load-balancer", "nothing"))

    assert (await twins.both_refuse(read))[1] == "LoadBalancerNotFound"


async def test_certificates_that_are_imported_anew(twins: Twins) -> None:
    """moto writes serial numbers as decimals."""
    now = datetime.now(UTC).replace(microsecond=0)
    soon, later = (
        key_pair("shop.example", "www.shop.example", until=now + timedelta(days=left), days=left + 30, use_rsa=True)
        for left in (10, 60)
    )
    ids: dict[str, str] = {}
    for api in (twins.moto, twins.sandbox):
        made = await _import(api, soon)
        ids[api.account] = made.rpartition("/")[2]

    def target(api: AwsApi) -> Target:
        return twins.target(api, "acm-certificate", ids[api.account])

    but = ("arn", "imported_at", "methods", "unvalidated", "key", "serial")
    before = await twins.same(lambda api: acm.read_certificate(api, target(api)), *but)
    assert (before["type"], before["names"]) == ("IMPORTED", ["shop.example", "www.shop.example"])
    for api in (twins.moto, twins.sandbox):
        with permit(WritePermit(SystemClock().boottime() + 300)):
            new = acm.Import(later.chain, later.key)
            assert await acm.import_certificate(api, target(api), new) is not None
    after = await twins.same(lambda api: acm.read_certificate(api, target(api)), *but)
    assert after["not_after"] == now + timedelta(days=60)
    nothing = "00000000-0000-4000-8000-000000000000"
    code = await twins.both_refuse(lambda api: acm.read_certificate(api, twins.target(api, "acm-certificate", nothing)))
    assert code == (AwsNotFoundError, "ResourceNotFoundException")


async def _import(api: AwsApi, pair: KeyPair) -> str:
    with permit(WritePermit(SystemClock().boottime() + 300)):
        answer = await api.write("acm", "import_certificate", Certificate=pair.chain, PrivateKey=pair.key)
    assert answer is not None
    return str(answer["CertificateArn"])


async def test_validation_records(twins: Twins) -> None:
    twins.cloud.route53.zone("shop.example", id="ZSHOP")
    async with twins.make("route53") as made:
        created = await made.create_hosted_zone(Name="shop.example", CallerReference="1")
    wanted = acm.ValidationRecord("_1.shop.example.", "CNAME", "_2.acm-validations.aws.")
    zones = {api.account: (await validation_records.public_zones(api))[0] for api in (twins.moto, twins.sandbox)}
    assert zones[MOTO_ACCOUNT].id == created["HostedZone"]["Id"].rpartition("/")[2]
    assert {one.name for one in zones.values()} == {"shop.example."}
    assert await twins.same(lambda api: validation_records.records_at(api, zones[api.account], wanted.name)) == []

    def change(api: AwsApi, action: str, ttl: int = 401) -> Awaitable[Any]:
        changes = validation_records.changes_of(action, (wanted,), ttl)
        return validation_records.change_records(api, zones[api.account].id, changes, "a test")

    for api in (twins.moto, twins.sandbox):
        with permit(WritePermit(SystemClock().boottime() + 300)):
            made_change = validation_records.change_of(await change(api, "CREATE") or {})["change"]
        assert await validation_records.in_sync(api, made_change) in (True, False)
    [seen] = await twins.same(lambda api: validation_records.records_at(api, zones[api.account], wanted.name))
    assert (seen["type"], seen["values"], seen["ttl"]) == ("CNAME", ["_2.acm-validations.aws."], 401)
    code = await twins.both_refuse(lambda api: change(api, "CREATE"))
    assert code == (AwsRefusedError, "InvalidChangeBatch")
