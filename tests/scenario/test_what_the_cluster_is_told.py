"""A run's story on its target, as Kubernetes Events; and a run that only looks, as people are told of it."""

from pathlib import Path
from typing import Any

from remediator.sandbox.world import World
from tests.scenario.test_the_way_of_an_alert import crashing, restarts
from tests.support.service import Service, firing, running

LOOK = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: look-first}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: look
    steps: [{evidence.kubernetes_events: {}}]
escalate:
  - {on: [informed], policy: default}
"""


async def events(service: Service) -> list[dict[str, Any]]:
    """Ours, in order."""
    url = f"{service.world.kubernetes_url}/apis/events.k8s.io/v1/namespaces/shop/events"
    async with service.session.get(url) as answer:
        items: list[dict[str, Any]] = (await answer.json())["items"]
    ours = [one for one in items if one["reportingController"] == "remediator.dev/remediator"]
    return sorted(ours, key=lambda one: str(one["eventTime"]))


async def test_a_run_tells_its_story_on_its_target(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout", note="password=hunter2"))
            [run] = await service.ended()

            async def all_told() -> list[dict[str, Any]] | None:
                found = await events(service)
                return found if found and found[-1]["reason"] == "RunVerified" else None

            told = await service.until(all_told, what="the end is told")
    assert [one["reason"] for one in told] == ["StepBegun", "StepDone", "RunVerified"]
    deployment = world.kubernetes.get("deployments", "shop", "checkout")
    for one in told:
        assert one["regarding"]["uid"] == deployment["metadata"]["uid"]
        assert run.id in one["note"]
        assert "hunter2" not in str(one), "no label text"


async def test_whatever_becomes_of_events_a_run_is_not_troubled(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        world.kubernetes.faults.add(match="POST /apis/events.k8s.io/*", kind="status 500", times=100)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == ("verified", 1)
            assert await events(service) == []


async def test_what_a_look_has_seen_is_paged_and_it_is_not_made_again_at_once(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, LOOK, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "informed"
            [page] = await service.until(world.pagerduty.open, what="somebody is told")
            assert "informed" in page.payload["summary"]
            assert f"read what was seen: remediator incidents {run.incident_id}" in str(page.payload)

            async def waits() -> bool:
                story = await service.story(run.incident_id)
                return any("last looked at" in reason["text"] for one in story.decisions for reason in one["reasons"])

            await service.until(waits, what="the same look waits for its cooldown")
            assert len(await service.runs()) == 1
            assert restarts(service) == 0
