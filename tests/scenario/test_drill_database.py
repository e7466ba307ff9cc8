"""Rows 2 and 19 from end to end: a database that nobody gets through to, or whose backup is missing, and the shipped playbooks."""

import re
from pathlib import Path

from remediator.runs.cursor import Outcome
from remediator.sandbox.aws.rds import Rds
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import LONG_S, PLAYBOOKS, approve, in_state, listen, paged, timeline
from tests.support.service import Service, running

INSTANCE, CLUSTER = "rds-instance/orders", "rds-cluster/shop"
PLACE = "aws/111122223333/eu-central-1"


def drill(name: str, autonomy: str = "approve") -> str:
    """As shipped, with a yes in place of a proposal, and waits of a drill: minutes and hours are seconds."""
    text = re.sub(
        r"within: \d+[mh]\n      hold: \w+", "within: 90s\n      hold: 300ms", (PLAYBOOKS / f"{name}.yaml").read_text()
    )
    return text.replace("autonomy: propose", f"autonomy: {autonomy}").replace("after: 5m", "after: 1s")


def rds(world: World) -> Rds:
    return world.aws.of(Rds)


def instance_in_trouble(world: World) -> None:
    """Its host is in trouble: RDS calls it available, and no client gets through."""
    found = rds(world).put("orders")
    rds(world).break_host("orders")
    labels = {"dbinstance_identifier": "orders", "severity": "critical"}
    world.alert_when(lambda: not found.reachable, "DatabaseConnectionFailure", labels)


def cluster_in_trouble(world: World) -> None:
    found = rds(world).put_cluster("shop")
    rds(world).instances["shop-2"].lag_s = 0.9
    rds(world).instances["shop-2"].tier = 0
    rds(world).break_host("shop")
    labels = {"dbcluster_identifier": "shop", "severity": "critical"}
    world.alert_when(lambda: not found.reachable, "DatabaseConnectionFailure", labels)


async def over(service: Service) -> str:
    """The alert ends and the page of the request with it. Returns what the incident's timeline tells."""

    async def closed() -> bool:
        return [incident.state for incident in await service.incidents()] == ["closed"]

    await service.until(closed, within_s=LONG_S, what="the alert ends and the incident closes")
    await service.until(lambda: not service.world.pagerduty.open(), within_s=LONG_S, what="the page is over")
    told = await timeline(service)
    print(told)
    return told


async def test_the_standby_takes_over_after_a_yes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        instance_in_trouble(world)
        settings = account_settings(world, tmp_path, INSTANCE)
        async with running(tmp_path, drill("database-failover-rds"), world=world, **settings) as service:
            listen(world, service)
            await approve(service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert run.target == f"{PLACE}/{INSTANCE}"
            found = rds(world).instances["orders"]
            assert (found.zone, found.failovers, found.reachable) == ("eu-central-1b", 1, True)
            assert [one.operation for one in world.aws.writes] == ["RebootDBInstance"]
            told = await over(service)
    for word in (
        "DatabaseConnectionFailure",
        "fail rds-instance orders over from eu-central-1a to eu-central-1b",
        "alice approved",
        "eu-central-1a wrote before, eu-central-1b does now",
        "verified",
    ):
        assert word in told, told


async def test_the_least_lagging_reader_takes_over_after_a_yes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        cluster_in_trouble(world)
        settings = account_settings(world, tmp_path, CLUSTER)
        async with running(tmp_path, drill("database-failover-aurora"), world=world, **settings) as service:
            listen(world, service)
            await approve(service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            cluster = rds(world).clusters["shop"]
            assert (cluster.writer, cluster.failovers, cluster.reachable) == ("shop-2", 1, True)
            assert [one.operation for one in world.aws.writes] == ["FailoverDBCluster"]
            told = await over(service)
    for word in (
        "fail rds-cluster shop over from shop-1 to shop-2",
        "alice approved",
        "shop-1 wrote before, shop-2 does now",
    ):
        assert word in told, told


async def test_after_a_failover_of_somebody_else_nothing_is_done_and_somebody_is_paged(tmp_path: Path) -> None:
    """Ours would lead back to where it was broken."""
    async with World(speed=4) as world:
        instance_in_trouble(world)
        rds(world).tell("orders", "Multi-AZ instance failover completed", "failover")
        settings = account_settings(world, tmp_path, INSTANCE)
        async with running(tmp_path, drill("database-failover-rds", "act"), world=world, **settings) as service:
            listen(world, service)
            await paged(service)
            assert await service.runs() == []
            assert world.aws.writes == []


async def test_the_missing_backup_is_made_after_a_yes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        rds(world).put("orders")
        labels = {"dbinstance_identifier": "orders", "severity": "medium"}
        made = rds(world).snapshots
        world.alert_when(
            lambda: not any(one.status == "available" for one in made.values()), "RdsBackupMissing", labels
        )
        settings = account_settings(world, tmp_path, INSTANCE)
        async with running(tmp_path, drill("rds-snapshot"), world=world, **settings) as service:
            listen(world, service)
            await approve(service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            [snapshot] = made.values()
            assert snapshot.name.startswith("orders-") and snapshot.tags.keys() == {"remediator.dev/intent"}
            assert [one.operation for one in world.aws.writes] == ["CreateDBSnapshot"]
            told = await over(service)
    for word in ("RdsBackupMissing", "make a snapshot of rds-instance orders", "alice approved", "available, 100%"):
        assert word in told, told


PROMOTE = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: promote-replica}
match: [['alertname="DatabaseLost"']]
target: {rds_instance: {name: "{{ labels.replica }}"}}
autonomy: act
guards: {cooldown: 15m}
remedies:
  - name: promote
    steps: [{aws.rds_promote_replica: {data_loss: accept}}]
    verify: {within: 90s, hold: 300ms, all: [{rds_available: {}}, {not: {replica_lag: {at_most: 1y}}}]}
"""


async def test_what_nobody_can_take_back_asks_though_everything_may_act(tmp_path: Path) -> None:
    """The source is gone, so what the replica lacks is unknown and lost: the page says so, and the yes is to that."""
    async with World(speed=4) as world:
        rds(world).put("orders")
        found = rds(world).put("orders-replica", multi_az=False, source="orders", lag_s=None)
        labels = {"replica": "orders-replica", "severity": "critical"}
        world.alert_when(lambda: bool(found.source), "DatabaseLost", labels)
        settings = account_settings(world, tmp_path, "rds-instance/orders-replica")
        async with running(tmp_path, PROMOTE, world=world, **settings) as service:
            listen(world, service)
            await in_state(service, "approval")
            [page] = await service.until(world.pagerduty.open, within_s=LONG_S, what="somebody is asked")
            assert "what it does not have is lost" in str(page.payload)
            assert world.aws.writes == [] and found.source == "orders"
            await approve(service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert (found.source, found.status) == ("", "available")
            assert [one.operation for one in world.aws.writes] == ["PromoteReadReplica"]
