"""Row 21 from end to end: a cache's node is down, the shipped playbook, a yes, another primary, and the story of it."""

from pathlib import Path

import pytest

from remediator.runs.cursor import Outcome
from remediator.sandbox.aws.elasticache import ReplicationGroup
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import LONG_S, approve, in_state, listen, paged, timeline
from tests.support.service import running

GROUP = "elasticache-group/sessions"
SHIPPED = Path("playbooks/cache-failover.yaml").read_text()


def drill(autonomy: str = "approve") -> str:
    """As shipped, with a yes in place of a proposal, and waits of a drill: minutes are seconds."""
    text = SHIPPED.replace("within: 20m", "within: 90s").replace("hold: 2m", "hold: 300ms")
    return text.replace("autonomy: propose", f"autonomy: {autonomy}")


def node_down(world: World, lag_s: float | None = 0.4) -> ReplicationGroup:
    """The primary does not answer; its replicas are so far behind. The alert ends when another node is the primary."""
    group: ReplicationGroup = world.aws.elasticache.put("sessions", replicas=2)
    shard = group.node_groups[0]
    for member in shard.members:
        member.lag_s = lag_s
    labels = {"replication_group": "Sessions", "severity": "critical"}
    world.alert_when(lambda: shard.primary.cluster == "sessions-001", "CacheNodeDown", labels)
    return group


async def test_the_best_replica_is_promoted_after_a_yes(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        group = node_down(world)
        group.node_groups[0].members[1].lag_s = 3.0
        async with running(tmp_path, drill(), world=world, **account_settings(world, tmp_path, GROUP)) as service:
            listen(world, service)
            await approve(service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert run.target == f"aws/111122223333/eu-central-1/{GROUP}"
            assert (group.failovers, group.status) == (1, "available")
            assert group.node_groups[0].primary.cluster == "sessions-003"
            assert [one.operation for one in world.aws.writes] == ["TestFailover"]
            await service.until(
                lambda: not world.pagerduty.open(), within_s=LONG_S, what="the page of the request is over"
            )
            told = await timeline(service)
    for word in (
        "CacheNodeDown",
        "alice approved",
        "fail sessions node group 0001 over from sessions-001 (now sessions-003 is 0.4 s behind)",
        "the primary was sessions-001 and is sessions-003",
        "verified",
    ):
        assert word in told, told


@pytest.mark.parametrize("lag_s", [60.0, None], ids=["behind", "unknown"])
async def test_without_a_replica_in_sync_nothing_is_done_and_somebody_is_paged(
    tmp_path: Path, lag_s: float | None
) -> None:
    """A lag that is not known is none that is small."""
    async with World(speed=4) as world:
        group = node_down(world, lag_s)
        quick = drill("act").replace("after: 5m", "after: 1s")
        async with running(tmp_path, quick, world=world, **account_settings(world, tmp_path, GROUP)) as service:
            listen(world, service)
            await paged(service)
            assert await service.runs() == []
            assert (group.failovers, world.aws.writes) == (0, [])
