"""From an alert about a pod or a node to a verified end: the whole program on the simulated world."""

from pathlib import Path
from typing import Any

import pytest

from remediator.sandbox.kubernetes.resources import PODS
from remediator.sandbox.world import World
from tests.support.service import firing, running

EVICT = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: leaking-pod}
match: [['alertname="HighMemoryUsage"']]
target: {pod: {namespace: "{{ labels.namespace }}", pod: "{{ labels.pod }}"}}
autonomy: act
remedies:
  - name: evict
    when: [{disruption_allowed: {}}]
    steps: [{kubernetes.evict_pod: {}}]
    verify: {within: 10s, hold: 200ms, all: [{pod_replaced: {}}]}
"""
DRAIN = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: sick-node}
match: [['alertname="NodeDiskPressure"']]
target: {node: {name: "{{ labels.node }}"}}
autonomy: act
remedies:
  - name: drain
    when: [{nodes_unready: {at_most: 1}}, {room_elsewhere: {}}]
    steps: [{kubernetes.cordon: {}}, {kubernetes.drain: {}}]
    verify: {within: WITHIN, hold: 200ms, all: [{node_empty: {}}, {pods_ready_elsewhere: {}}]}
    if_refuted: undo
"""


async def up(world: World) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")


def pods(world: World) -> list[dict[str, Any]]:
    found = world.kubernetes.store.all(PODS, "shop")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def node(world: World, name: str) -> dict[str, Any]:
    found: dict[str, Any] = world.kubernetes.get("nodes", "", name)
    return found


async def test_a_leaking_pod_is_evicted_and_its_replacement_awaited(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await up(world)
        leaking = pods(world)[0]["metadata"]
        async with running(tmp_path, EVICT, world=world) as service:
            await service.alert(firing("HighMemoryUsage", namespace="shop", pod=leaking["name"]))
            (run,) = await service.ended()
            assert run.outcome == "verified", run.reason
            assert run.target == f"kubernetes/sandbox/shop/deployment/checkout/pod/{leaking['name']}"
            assert leaking["uid"] not in {pod["metadata"]["uid"] for pod in pods(world)}
            assert len(pods(world)) == 3


async def test_a_sick_node_is_closed_and_emptied(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await up(world)
        sick = pods(world)[0]["spec"]["nodeName"]
        async with running(
            tmp_path, DRAIN.replace("WITHIN", "10s"), world=world, clusters__sandbox__nodes=True
        ) as service:
            await service.alert(firing("NodeDiskPressure", node=sick))
            (run,) = await service.ended()
            assert run.outcome == "verified", run.reason
            assert node(world, sick)["spec"]["unschedulable"] is True
            assert sick not in {pod["spec"].get("nodeName") for pod in pods(world)}
            assert len(pods(world)) == 3


async def test_a_drain_that_did_not_help_opens_the_node_again(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await up(world)
        world.prometheus.script("error_rate", 1.0)
        unfixed = '{promql: {query: "error_rate", below: 0.01}}'
        playbook = DRAIN.replace("WITHIN", "2s").replace("{node_empty: {}}", unfixed)
        sick = pods(world)[0]["spec"]["nodeName"]
        async with running(tmp_path, playbook, world=world, clusters__sandbox__nodes=True) as service:
            await service.alert(firing("NodeDiskPressure", node=sick))
            (run,) = await service.ended()
            assert run.outcome == "refuted", run.reason
            assert "undone" in str(run.reason)
            assert not node(world, sick)["spec"].get("unschedulable")


async def test_nodes_are_left_alone_where_settings_do_not_name_them(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await up(world)
        sick = pods(world)[0]["spec"]["nodeName"]
        async with running(tmp_path, DRAIN.replace("WITHIN", "2s"), world=world) as service:
            await service.alert(firing("NodeDiskPressure", node=sick))
            await service.until(lambda: world.pagerduty.open(), what="somebody is paged")
            assert await service.runs() == []
            assert not node(world, sick).get("spec", {}).get("unschedulable")


async def test_a_rehearsal_goes_through_both_steps_and_changes_nothing(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await up(world)
        before = sorted(pod["metadata"]["uid"] for pod in pods(world))
        sick = pods(world)[0]["spec"]["nodeName"]
        playbook = DRAIN.replace("WITHIN", "2s")
        async with running(tmp_path, playbook, world=world, clusters__sandbox__nodes=True, mode="dry-run") as service:
            await service.alert(firing("NodeDiskPressure", node=sick))
            (run,) = await service.ended()
            assert run.outcome == "rehearsed", run.reason
            assert sorted(pod["metadata"]["uid"] for pod in pods(world)) == before
            assert not node(world, sick).get("spec", {}).get("unschedulable")
            assert all(one.dry_run for one in world.kubernetes.requests if one.writes)


@pytest.mark.parametrize("ground", ["shop", "shop/checkout", "kubernetes/sandbox/shop/deployment/checkout"])
async def test_a_node_with_pods_that_remediator_stands_on_is_not_drained(tmp_path: Path, ground: str) -> None:
    """S12: its store, its Prometheus: settings list them, wherever they run."""
    async with World(speed=4) as world:
        await up(world)
        sick = pods(world)[0]["spec"]["nodeName"]
        changes: dict[str, Any] = {"clusters__sandbox__nodes": True, "own_ground": [ground]}
        async with running(tmp_path, DRAIN.replace("WITHIN", "2s"), world=world, **changes) as service:
            await service.alert(firing("NodeDiskPressure", node=sick))
            paged = await service.until(lambda: world.pagerduty.open(), what="somebody is paged")
            assert "whose pods it would move" in str(paged)
            assert await service.runs() == []
            assert not node(world, sick).get("spec", {}).get("unschedulable")
