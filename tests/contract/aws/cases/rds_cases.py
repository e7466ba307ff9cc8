"""Databases of RDS and Aurora: failed over, copied, restored, promoted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from remediator.sandbox.aws.rds import Rds
from remediator.sandbox.aws.rds_state import Cluster, Instance
from remediator.targets import Target
from tests.contract.aws.case import AwsCase, Refusal, Spoil
from tests.support.aws_stage import AwsStage

ORDERS, SHOP, WORLD = "orders", "shop", "worldwide"


def rds(stage: AwsStage) -> Rds:
    return stage.aws.of(Rds)


async def instance(stage: AwsStage) -> Target:
    """Multi-AZ, with a host in trouble that RDS has not noticed."""
    rds(stage).put(ORDERS)
    rds(stage).break_host(ORDERS)
    return stage.target("rds-instance", ORDERS)


async def cluster(stage: AwsStage) -> Target:
    rds(stage).put_cluster(SHOP)
    rds(stage).break_host(SHOP)
    return stage.target("rds-cluster", SHOP)


async def mysql_cluster(stage: AwsStage) -> Target:
    """A Multi-AZ DB cluster of RDS for MySQL, where one cannot say which reader."""
    rds(stage).put_cluster(SHOP, engine="mysql")
    return stage.target("rds-cluster", SHOP)


async def replica(stage: AwsStage) -> Target:
    rds(stage).put(ORDERS)
    rds(stage).put("orders-replica", multi_az=False, source=ORDERS, retention_days=0)
    return stage.target("rds-instance", "orders-replica")


async def with_backup(stage: AwsStage) -> Target:
    found = rds(stage).put(ORDERS)
    rds(stage).back_up(found, at=stage.clock.now() - timedelta(hours=5))
    return stage.target("rds-instance", ORDERS)


async def worldwide(stage: AwsStage) -> Target:
    """It writes in the stage's region."""
    here = rds(stage).put_cluster(SHOP)
    there = rds(stage).put_cluster("shop-west", region="eu-west-1")
    rds(stage).put_global(WORLD, here, there)
    return stage.target("rds-global-cluster", WORLD)


async def worldwide_in_trouble(stage: AwsStage) -> Target:
    """It writes in a region that is lost; the stage's own is to take over."""
    there = rds(stage).put_cluster("shop-west", region="eu-west-1")
    here = rds(stage).put_cluster(SHOP)
    rds(stage).put_global(WORLD, there, here)
    there.status = "inaccessible-region"
    return stage.target("rds-global-cluster", WORLD)


def _instance(name: str = ORDERS, **state: Any) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        for key, value in state.items():
            setattr(rds(stage).instances[name], key, value)

    return spoil


def _of_cluster(change: Callable[[Cluster], None]) -> Spoil:
    return lambda stage: change(rds(stage).clusters[SHOP])


def _readers(**state: Any) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        for reader in rds(stage).clusters[SHOP].readers:
            for key, value in state.items():
                setattr(reader, key, value)

    return spoil


def _status(status: str) -> Spoil:
    return _of_cluster(lambda found: setattr(found, "status", status))


def _failed_over_before(stage: AwsStage) -> None:
    rds(stage).fail_over(ORDERS)
    stage.pass_time(300)


def _fails_over_now(stage: AwsStage) -> None:
    """RDS has told of its beginning, and shows the instance as available for a while yet."""
    rds(stage).tell(ORDERS, "Multi-AZ instance failover started.", "failover")


def _cluster_failed_over_before(stage: AwsStage) -> None:
    rds(stage).fail_cluster_over(SHOP)
    stage.pass_time(300)


def _snapshot_under_way(stage: AwsStage) -> None:
    made = rds(stage).back_up(rds(stage).instances[ORDERS], at=stage.clock.now(), name="by-hand")
    made.status = "creating"


def _name_taken(stage: AwsStage) -> None:
    rds(stage).put("orders-restored")


def _moving(stage: AwsStage) -> None:
    to = rds(stage).clusters["shop-west"]
    rds(stage).globals[WORLD].failover = {"Status": "pending", "ToDbClusterArn": to.arn}


def _third_region(stage: AwsStage) -> None:
    found = rds(stage).globals[WORLD]
    found.clusters.append(rds(stage).put_cluster("shop-south", region="eu-south-1"))


def _out_of_step(stage: AwsStage) -> None:
    rds(stage).globals[WORLD].connected = False


def _alone(stage: AwsStage) -> None:
    rds(stage).globals[WORLD].clusters.pop()


def _restored(stage: AwsStage) -> int:
    made = [one for one in rds(stage).instances.values() if one.restored_from]
    assert all(one.status in ("creating", "available") for one in made)
    return len(made)


def _manual(stage: AwsStage) -> int:
    return len([one for one in rds(stage).snapshots.values() if not one.automated])


def _promoted(found: Instance) -> int:
    return int(not found.source)


MEMBER = Refusal("member-of-a-cluster", _instance(cluster=SHOP), "member_of_cluster")

CASES: tuple[AwsCase, ...] = (
    AwsCase(
        action="aws.rds_failover",
        prepare=instance,
        changes=lambda stage: rds(stage).instances[ORDERS].failovers,
        write=("rds", "RebootDBInstance"),
        refusals=(
            MEMBER,
            Refusal("single-az", _instance(multi_az=False, standby_zone=""), "no_standby"),
            Refusal("standby-not-ready", _instance(standby_zone=""), "standby_not_ready"),
            Refusal("backing-up", _instance(status="backing-up"), "busy"),
            Refusal("storage-full", _instance(status="storage-full"), "storage_full"),
            Refusal("stopped", _instance(status="stopped"), "not_available"),
            Refusal("failed-over-before", _failed_over_before, "failover_lately"),
            Refusal("fails-over-now", _fails_over_now, "failover_under_way"),
            Refusal("class-would-change", _instance(pending={"DBInstanceClass": "db.t3.micro"}), "changes_pending"),
            Refusal("parameters-would-change", _instance(parameters="pending-reboot"), "changes_pending"),
        ),
    ),
    AwsCase(
        action="aws.rds_failover",
        name="aurora",
        prepare=cluster,
        changes=lambda stage: rds(stage).clusters[SHOP].failovers,
        write=("rds", "FailoverDBCluster"),
        refusals=(
            Refusal("no-reader", _readers(status="rebooting"), "no_reader"),
            Refusal("lag-unknown", _readers(lag_s=None), "lag_unknown"),
            Refusal("lag-too-large", _readers(lag_s=11.0), "lag_too_large"),
            Refusal("failing-over", _status("failing-over"), "busy"),
            Refusal("stopped", _status("stopped"), "not_available"),
            Refusal("failed-over-before", _cluster_failed_over_before, "failover_lately"),
        ),
    ),
    AwsCase(
        action="aws.aurora_global_failover",
        prepare=worldwide,
        changes=lambda stage: rds(stage).globals[WORLD].moves,
        write=("rds", "SwitchoverGlobalCluster"),
        refusals=(
            Refusal("moving", _moving, "failover_under_way"),
            Refusal("several-regions", _third_region, "which_region"),
            Refusal("out-of-step", _out_of_step, "not_in_step"),
            Refusal("alone", _alone, "no_other_region"),
        ),
    ),
    AwsCase(
        action="aws.rds_snapshot",
        prepare=instance,
        changes=_manual,
        write=("rds", "CreateDBSnapshot"),
        extra=frozenset({"rds:AddTagsToResource"}),
        refusals=(
            MEMBER,
            Refusal("modifying", _instance(status="modifying"), "not_available"),
            Refusal("snapshot-under-way", _snapshot_under_way, "snapshot_under_way"),
        ),
    ),
    AwsCase(
        action="aws.rds_restore",
        prepare=with_backup,
        changes=_restored,
        write=("rds", "RestoreDBInstanceToPointInTime"),
        extra=frozenset({"rds:AddTagsToResource"}),
        refusals=(MEMBER, Refusal("no-backups", _instance(retention_days=0), "no_backups")),
    ),
    AwsCase(
        action="aws.rds_promote_replica",
        prepare=replica,
        changes=lambda stage: _promoted(rds(stage).instances["orders-replica"]),
        write=("rds", "PromoteReadReplica"),
        refusals=(
            Refusal("no-replica", _instance("orders-replica", source=""), "no_replica"),
            Refusal("backing-up", _instance("orders-replica", status="backing-up"), "not_available"),
            Refusal("lag-unknown", _instance("orders-replica", lag_s=None), "lag_unknown"),
            Refusal("lag-too-large", _instance("orders-replica", lag_s=300.0), "lag_too_large"),
            Refusal("replication-broken", _instance("orders-replica", replicating=False), "not_replicating"),
        ),
    ),
)

VARIANTS: tuple[AwsCase, ...] = (
    AwsCase(
        action="aws.rds_failover",
        name="mysql",
        prepare=mysql_cluster,
        changes=lambda stage: rds(stage).clusters[SHOP].failovers,
        write=("rds", "FailoverDBCluster"),
        refusals=(Refusal("one-reader-lags", _instance("shop-3", lag_s=60.0), "lag_too_large"),),
    ),
    AwsCase(
        action="aws.aurora_global_failover",
        name="lost-region",
        prepare=worldwide_in_trouble,
        changes=lambda stage: rds(stage).globals[WORLD].moves,
        write=("rds", "FailoverGlobalCluster"),
        params={"data_loss": "accept", "to_region": "eu-central-1"},
    ),
    AwsCase(
        action="aws.rds_snapshot",
        name="cluster",
        prepare=cluster,
        changes=_manual,
        write=("rds", "CreateDBClusterSnapshot"),
        extra=frozenset({"rds:AddTagsToResource"}),
        refusals=(Refusal("upgrading", _status("upgrading"), "not_available"),),
    ),
    AwsCase(
        action="aws.rds_restore",
        name="before",
        prepare=with_backup,
        changes=_restored,
        write=("rds", "RestoreDBInstanceToPointInTime"),
        params={"source": "before", "back": "45m", "name": "orders-restored"},
        extra=frozenset({"rds:AddTagsToResource"}),
        refusals=(Refusal("name-taken", _name_taken, "name_taken"),),
    ),
    AwsCase(
        action="aws.rds_restore",
        name="snapshot",
        prepare=with_backup,
        changes=_restored,
        write=("rds", "RestoreDBInstanceFromDBSnapshot"),
        params={"source": "snapshot"},
        extra=frozenset({"rds:AddTagsToResource"}),
        refusals=(Refusal("no-snapshot", lambda stage: rds(stage).snapshots.clear(), "no_snapshot"),),
    ),
)
"""Other calls of the same actions, asked less: `tests/contract/aws/test_rds.py`."""
