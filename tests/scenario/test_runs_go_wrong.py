"""Runs that do not go as hoped: undone, tried otherwise, unknown, paused, cancelled, overtaken, or waiting for a person."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediator.errors import ConfigError
from remediator.runs import machine
from remediator.sandbox.world import World
from tests.scenario.test_the_way_of_an_alert import closed, crashing, restarts
from tests.support.service import RESTART, Service, firing, running

SCALE_OUT_AND_BACK = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: scale-out}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: scale-out
    steps: [{kubernetes.scale: {by: 1, max_replicas: 6}}]
    verify: {within: 1s, hold: 100ms, all: [{promql: {query: "error_rate", below: 0.01}}]}
    if_refuted: undo
"""

SCALE_THEN_RESTART = (
    SCALE_OUT_AND_BACK.replace("if_refuted: undo", "if_refuted: keep")
    + """
  - name: restart
    steps: [{kubernetes.rollout_restart: {}}]
    verify: {within: 8s, hold: 100ms, all: [{rollout_complete: {}}, {replicas_ready: {}}]}
"""
)

ASKS_FIRST = RESTART.replace("autonomy: act", "autonomy: approve")


def replicas(service: Service, name: str = "checkout") -> int:
    return int(service.world.kubernetes.get("deployments", "shop", name)["spec"]["replicas"])


async def somebody_writes(service: Service, patch: dict[str, Any], name: str = "checkout") -> None:
    """As ``kubectl`` would, behind our back."""
    async with service.session.patch(
        f"{service.world.kubernetes_url}/apis/apps/v1/namespaces/shop/deployments/{name}?fieldManager=kubectl",
        data=json.dumps(patch),
        headers={"Content-Type": "application/merge-patch+json"},
    ) as answer:
        assert answer.status == 200, await answer.text()


async def only_run(service: Service, state: str) -> str:
    async def found() -> str | None:
        return next((run.id for run in await service.runs() if run.state == state), None)

    return str(await service.until(found, what=f"a run in state {state}"))


async def test_a_refuted_scale_out_is_put_back_and_paged(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.prometheus.script("error_rate", 0.5)
        async with running(tmp_path, SCALE_OUT_AND_BACK, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "refuted"
            assert replicas(service) == 3
            assert len(world.kubernetes.changes("deployments", "shop", "checkout", "spec.replicas")) == 2
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "undo" in str(page.payload)


async def test_an_undo_leaves_alone_what_somebody_wrote_since(tmp_path: Path) -> None:
    slow = SCALE_OUT_AND_BACK.replace("within: 1s", "within: 3s")
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.prometheus.script("error_rate", 0.5)
        async with running(tmp_path, slow, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: replicas(service) == 4, what="scaled out")
            await somebody_writes(service, {"spec": {"replicas": 5}})
            [run] = await service.ended()
            assert run.outcome == "refuted"
            assert replicas(service) == 5
            assert "left as it is" in (run.reason or "")


async def test_the_next_remedy_is_tried_when_one_is_refuted(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        world.prometheus.script("error_rate", 0.5)
        async with running(tmp_path, SCALE_THEN_RESTART, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert replicas(service) == 4
            assert restarts(service) == 1


async def test_unknown_is_paged_nothing_more_is_changed_and_it_closes_when_the_facts_return(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.prometheus.script("error_rate", 0.0)
        fault = world.prometheus.faults.add(match="* /api/v1/query*", kind="status 503", times=10_000)
        async with running(tmp_path, SCALE_OUT_AND_BACK, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "unknown" in str(page.payload)
            assert replicas(service) == 4
            world.prometheus.faults.remove(fault)
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert replicas(service) == 4


async def test_an_approved_plan_is_carried_out_and_a_wrong_hash_is_not(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS_FIRST, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            [page] = await service.until(world.pagerduty.open, what="the request is a page")
            _, shown = await service.api("GET", f"runs/{run_id}")
            plan_hash = shown["approval"]["plan_hash"]
            assert plan_hash in str(page.payload)
            status, said = await service.api("POST", f"runs/{run_id}/approve", plan="0" * 16, reason="blind")
            assert status == 409, said
            assert restarts(service) == 0
            status, said = await service.api("POST", f"runs/{run_id}/approve", plan=plan_hash, reason="seen")
            assert status == 200, said
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert restarts(service) == 1


async def test_a_plan_that_changed_after_the_yes_is_not_carried_out(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS_FIRST, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            _, shown = await service.api("GET", f"runs/{run_id}")
            release = {"metadata": {"annotations": {"release": "new"}}}
            await somebody_writes(service, {"spec": {"template": release}})
            await world.rolled_out("shop", "checkout")
            before = restarts(service)
            await service.api("POST", f"runs/{run_id}/approve", plan=shown["approval"]["plan_hash"], reason="seen")
            [run] = await service.ended()
            assert run.outcome in ("overtaken", "cancelled")
            assert restarts(service) == before


async def test_a_request_is_withdrawn_when_its_alert_closes_and_a_later_yes_says_why(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, ASKS_FIRST, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "approval")
            _, shown = await service.api("GET", f"runs/{run_id}")
            await service.until(world.pagerduty.open, what="the request is a page")
            await service.alert(firing(namespace="shop", deployment="checkout", ends_at=datetime.now(UTC)))
            await service.until(lambda: not world.pagerduty.open(), what="the page is resolved")
            status, said = await service.api(
                "POST", f"runs/{run_id}/approve", plan=shown["approval"]["plan_hash"], reason="late"
            )
            assert status == 409
            assert "withdrawn" in said["error"]
            assert restarts(service) == 0


async def test_under_pause_nothing_begins_and_after_the_resume_it_is_decided_anew(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            status, _ = await service.api("POST", "pause", scope="all", reason="release under way")
            assert status == 200
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="people hear that it was not done")
            assert "release under way" in str(page.payload)
            assert restarts(service) == 0
            status, _ = await service.api("POST", "resume", scope="all")
            assert status == 200
            [run] = await service.ended()
            assert run.outcome == "verified"


async def test_a_pause_reminds_its_owner_once_and_goes_on_standing(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            await service.api("POST", "pause", scope="all", reason="migration", remind="1s")
            [page] = await service.until(world.pagerduty.open, what="the owner is reminded")
            assert "still paused (all)" in page.summary
            assert "migration" in page.summary
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: len(world.pagerduty.open()) == 2, what="nothing is done, and people hear it")
            assert restarts(service) == 0


async def test_the_pause_file_wins_over_the_api(tmp_path: Path) -> None:
    file = tmp_path / "PAUSED"
    file.touch()
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, pause_file=str(file)) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(world.pagerduty.open, what="people hear of it")
            await service.api("POST", "resume", scope="all")
            assert await service.runs() == []
            assert restarts(service) == 0


async def test_cancelled_before_its_first_change_it_changes_nothing(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, timings__settle="1s") as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            run_id = await only_run(service, "ready")
            status, _ = await service.api("POST", f"runs/{run_id}/cancel", reason="I am on it")
            assert status == 200
            [run] = await service.ended()
            assert run.outcome == "cancelled"
            assert restarts(service) == 0
            [page] = await service.until(world.pagerduty.open, what="people hear of it")
            assert "I am on it" in str(page.payload) or "cancelled" in str(page.payload)


async def test_cancelled_after_its_change_it_looks_once_and_says_what_was_left(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world, behaviour="never-ready")
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: restarts(service) == 1, what="the restart")
            run_id = await only_run(service, "waiting")
            await service.api("POST", f"runs/{run_id}/cancel", reason="I am on it")
            [run] = await service.ended()
            assert run.outcome == "cancelled"
            assert "at the last look" in (run.reason or "")


async def test_a_write_that_lands_after_it_was_given_up_is_waited_for_before_a_cancel_ends_the_run(
    tmp_path: Path,
) -> None:
    """The look counts its time from when the answer was lost; from the begun mark on it would come too early, and find nothing."""
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            late = world.kubernetes.faults.add(
                match="PATCH /apis/*", kind="delay 1.6"
            )  # the request is given up after 1 s
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(lambda: late.hits == 1, what="the write is on its way")
            [run] = await service.runs()
            status, _ = await service.api("POST", f"runs/{run.id}/cancel", reason="the release is fine")
            assert status == 200
            [run] = await service.ended()
            assert (run.outcome, restarts(service)) == ("cancelled", 1)
            assert "at the last look" in (run.reason or ""), "it knows that something was changed"


async def test_when_nobody_can_say_whether_it_happened_a_person_is_asked_and_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "LAND_WITHIN", timedelta(seconds=1))
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            world.kubernetes.faults.add(match="PATCH /apis/*", kind="lose_answer", times=1)
            blind = asyncio.Event()

            def unreadable() -> bool:
                if restarts(service) == 1 and not blind.is_set():
                    world.kubernetes.faults.add(match="GET /apis/*", kind="status 500", times=10_000)
                    blind.set()
                return blind.is_set()

            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(unreadable, what="the write went through and nothing can be read")
            run_id = await only_run(service, "needs_person")
            [page] = await service.until(world.pagerduty.open, what="a person is paged")
            assert f"remediator runs answer {run_id}" in str(page.payload)
            world.kubernetes.faults.clear()
            status, said = await service.api("POST", f"runs/{run_id}/answer", said="continue", reason="?")
            assert status == 400, said
            status, said = await service.api("POST", f"runs/{run_id}/answer", said="yes", reason="I see new pods")
            assert status == 200, said
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert restarts(service) == 1


async def test_a_workload_that_an_autoscaler_owns_is_not_scaled_and_the_way_out_is_named(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        world.kubernetes.put(
            "horizontalpodautoscalers",
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "checkout", "namespace": "shop"},
                "spec": {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
                    "minReplicas": 1,
                    "maxReplicas": 5,
                },
            },
        )
        async with running(tmp_path, SCALE_OUT_AND_BACK, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "minReplicas" in str(page.payload)
            assert replicas(service) == 3


async def test_after_a_first_live_start_it_only_watches_for_a_while(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, timings__start_hold="1h") as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))

            async def held() -> bool:
                found = await service.incidents()
                if not found:
                    return False
                story = await service.story(found[0].id)
                return any(reason["code"] == "start_hold" for d in story.decisions for reason in d["reasons"])

            await service.until(held, what="a denial of kind wait: start_hold")
            assert await service.runs() == []


async def test_a_store_of_another_mode_is_refused(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        async with running(tmp_path, world=world):
            pass
        with pytest.raises(ConfigError, match="--change-mode"):
            async with running(tmp_path, world=world, mode="dry-run"):
                pass


async def test_a_playbook_written_later_is_loaded_and_the_waiting_alert_is_decided_again(tmp_path: Path) -> None:
    other = RESTART.replace("ServiceDown", "SomethingElse").replace("service-down", "other")
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, other, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.until(service.incidents, what="it is recorded")
            (tmp_path / "playbooks" / "late.yaml").write_text(RESTART)
            [run] = await service.ended()
            assert run.outcome == "verified"


async def test_a_bad_playbook_keeps_the_old_set_and_says_where(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            (tmp_path / "playbooks" / "bad.yaml").write_text(RESTART.replace("cooldown", "cooldwon"))
            service.app.playbooks.reload_soon()
            await service.until(lambda: service.app.playbooks.problems, what="it is refused")
            assert "bad.yaml:8" in service.app.playbooks.problems[0]
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "verified"
            await service.alert(firing(namespace="shop", deployment="checkout", ends_at=datetime.now(UTC)))
            await service.until(lambda: closed(service), what="the incident closes")
