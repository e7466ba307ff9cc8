"""Row 13 from end to end: pods that find no node, the shipped playbook, a yes, another node, and the pods on it."""

import re
from pathlib import Path
from typing import Any

import pytest

from remediator.runs.cursor import Outcome
from remediator.sandbox.kubernetes.resources import NODES, PODS
from remediator.sandbox.node_groups import add_node_group
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import LONG_S, PLAYBOOKS, approve, in_state, listen, paged, timeline
from tests.support.service import running

SHIPPED = (PLAYBOOKS / "nodegroup-scale-out.yaml").read_text()
ROOM = {"cpu": "2", "memory": "8Gi", "pods": "20"}
GROUP = "eks-nodegroup/prod/standard-workers"


def drill(autonomy: str = "approve") -> str:
    """As shipped, with a yes in place of a proposal, and waits of a drill: minutes are seconds."""
    text = re.sub(r"within: (\d+)m", r"within: \1s", SHIPPED).replace("within: 20s", "within: 90s")
    return text.replace("hold: 2m", "hold: 300ms").replace("autonomy: propose", f"autonomy: {autonomy}")


def world_with_a_full_cluster() -> World:
    """Speed of the cluster; AWS is another hundred times faster."""
    return World(speed=4, nodes=0)


async def full(world: World, replicas: int = 3) -> Any:
    """Two nodes with room for one pod each, and one pod more than that."""
    group = add_node_group(
        world.kubernetes, world.aws, "prod", "standard-workers", minimum=1, maximum=4, desired=2, allocatable=ROOM
    )
    container = {
        "name": "checkout",
        "image": "registry.example.net/shop/checkout:1.0",
        "resources": {"requests": {"cpu": "1500m"}},
    }
    template = {"metadata": {"labels": {"app": "checkout"}}, "spec": {"containers": [container]}}
    world.deploy("shop", "checkout", replicas=replicas, spec={"template": template})
    await world.kubernetes.until(
        lambda: len(placed(world)) == 2 and len(pending(world)) == replicas - 2, timeout_s=LONG_S
    )
    world.alert_when(lambda: bool(pending(world)), "PodsPending", {"namespace": "shop", "severity": "high"})
    return group


def pods(world: World) -> list[dict[str, Any]]:
    return [pod for pod in world.kubernetes.store.all(PODS, "shop") if "deletionTimestamp" not in pod["metadata"]]


def placed(world: World) -> list[dict[str, Any]]:
    return [pod for pod in pods(world) if pod["spec"].get("nodeName")]


def pending(world: World) -> list[dict[str, Any]]:
    return [pod for pod in pods(world) if not pod["spec"].get("nodeName")]


async def test_pods_that_find_no_node_get_one_after_a_yes(tmp_path: Path) -> None:
    async with world_with_a_full_cluster() as world:
        group = await full(world)
        settings = account_settings(world, tmp_path, GROUP)
        async with running(tmp_path, drill(), world=world, **settings) as service:
            listen(world, service)
            await approve(service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert run.target == f"aws/111122223333/eu-central-1/{GROUP}"
            assert (group.group.desired, group.group.sized) == (3, 1)
            assert len(list(world.kubernetes.store.all(NODES))) == 3
            assert len(placed(world)) == 3 and pending(world) == []
            assert [one.operation for one in world.aws.writes] == ["UpdateNodegroupConfig"]
            await service.until(
                lambda: not world.pagerduty.open(), within_s=LONG_S, what="the page of the request is over"
            )
            told = await timeline(service)
    print(told)
    for word in (
        "PodsPending",
        "alice approved",
        "from 2 nodes (at least 1) to 3 nodes",
        "pods have a node",
        "verified",
    ):
        assert word in told, told


async def test_a_node_that_does_not_help_is_kept_and_somebody_is_paged(tmp_path: Path) -> None:
    """Two pods wait and one node comes; by then the group is at its maximum."""
    async with world_with_a_full_cluster() as world:
        group = await full(world, replicas=5)
        group.group.maximum = 3
        settings = account_settings(world, tmp_path, GROUP)
        quick = drill("act").replace("within: 90s", "within: 3s")
        async with running(tmp_path, quick, world=world, **settings) as service:
            listen(world, service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.REFUTED, run.reason
            await paged(service)
            assert group.group.desired == 3
            assert [one.operation for one in world.aws.writes] == ["UpdateNodegroupConfig"]


async def test_as_shipped_it_only_says_what_it_would_do(tmp_path: Path) -> None:
    async with world_with_a_full_cluster() as world:
        await full(world)
        settings = account_settings(world, tmp_path, GROUP)
        async with running(tmp_path, SHIPPED, world=world, **settings) as service:
            listen(world, service)
            await paged(service)
            [page] = world.pagerduty.open()
            assert "from 2 nodes (at least 1) to 3 nodes" in str(page.payload), page.payload
            assert await service.runs() == []
            assert world.aws.writes == []


async def test_a_rehearsal_asks_aws_for_nothing_but_what_is_there(tmp_path: Path) -> None:
    async with world_with_a_full_cluster() as world:
        group = await full(world)
        settings = account_settings(world, tmp_path, GROUP)
        async with running(tmp_path, drill("act"), world=world, mode="dry-run", **settings) as service:
            listen(world, service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.REHEARSED, run.reason
            assert (group.group.desired, world.aws.writes) == (2, [])
            assert world.pagerduty.open() == []


@pytest.mark.parametrize("targets", [(), ("eks-nodegroup/prod/other",)], ids=["none", "another"])
async def test_a_node_group_that_settings_do_not_list_is_left_alone(tmp_path: Path, targets: tuple[str, ...]) -> None:
    async with world_with_a_full_cluster() as world:
        await full(world)
        settings = account_settings(world, tmp_path, *targets)
        async with running(tmp_path, drill("act"), world=world, **settings) as service:
            listen(world, service)
            await paged(service)
            assert await service.runs() == []
            assert world.aws.writes == []
