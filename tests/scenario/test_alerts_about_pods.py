"""Alerts that name a pod: the workload behind it is the target, also when our own change has replaced the pod (S26)."""

from pathlib import Path

from remediator.sandbox.world import World
from tests.scenario.test_pods_and_nodes import pods as standing
from tests.scenario.test_runs_go_wrong import replicas
from tests.scenario.test_the_way_of_an_alert import crashing, restarts
from tests.support.service import Service, firing, running

OF_POD = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: restart-and-grow}
match: [['alertname="ServiceDown"']]
target: {workload_of_pod: {namespace: "{{ labels.namespace }}", pod: "{{ labels.pod }}"}}
autonomy: act
remedies:
  - name: both
    steps: [{kubernetes.rollout_restart: {}}, {kubernetes.scale: {by: 1, max_replicas: 6}}]
    verify: {within: 8s, hold: 100ms, all: [{rollout_complete: {}}, {replicas_ready: {}}]}
"""


def pods(world: World) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in standing(world))


async def denials(service: Service) -> list[str]:
    """What was said of every alert."""
    [incident] = await service.incidents()
    story = await service.story(incident.id)
    return [reason["text"] for one in story.decisions if one["verdict"] == "deny" for reason in one["reasons"]]


async def test_the_run_keeps_its_target_when_its_own_restart_replaced_the_pod(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        sick = pods(world)[0]
        async with running(tmp_path, OF_POD, world=world) as service:
            await service.alert(firing(namespace="shop", pod=sick))
            [run] = await service.ended()
            assert (run.outcome, run.target) == ("verified", "kubernetes/sandbox/shop/deployment/checkout"), run.reason
            assert sick not in pods(world)
            assert (restarts(service), replicas(service)) == (1, 4)


async def test_an_alert_about_a_pod_that_is_gone_is_refused_and_paged(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        async with running(tmp_path, OF_POD, world=world) as service:
            await service.alert(firing(namespace="shop", pod="checkout-7d9c5bf6f8-x2k4d"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "is gone, so its workload cannot be told" in str(page.payload)
            assert restarts(service) == 0


async def test_the_exporters_own_labels_are_refused_by_name(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        exporter, sick = pods(world)[:2]
        async with running(tmp_path, OF_POD, world=world) as service:
            await service.alert(firing(namespace="shop", pod=exporter, exported_pod=sick))
            await service.until(world.pagerduty.open, what="somebody is paged")
            assert "its label pod names the exporter that saw it" in (await denials(service))[0]
            assert (restarts(service), replicas(service)) == (0, 3)
