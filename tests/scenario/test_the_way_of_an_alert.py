"""The whole path on a simulated world: what comes in, what changes, what people see."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from remediator.sandbox.world import World
from remediator.store import decisions
from tests.support.service import RESTART, Service, firing, running


async def crashing(world: World, name: str = "checkout", behaviour: str = "crash-until-restart") -> None:
    world.deploy("shop", name)
    await world.rolled_out("shop", name)
    world.sicken("shop", name, behaviour)


def restarts(service: Service, name: str = "checkout", plural: str = "deployments") -> int:
    return len(service.world.kubernetes.changes(plural, "shop", name, "spec.template"))


async def closed(service: Service) -> bool:
    found = await service.incidents()
    return bool(found) and all(incident.state == "closed" for incident in found)


async def verdicts(service: Service, incident_id: str) -> list[str]:
    """Those that no longer stand too: once its run has ended, an alert that still fires is decided anew."""
    async with service.store.read() as connection:
        found = await decisions.listing(connection, incident_id=incident_id)
    return [f"{decision['verdict']}:{decision['kind'] or ''}" for decision in found]


async def test_a_crashing_service_is_restarted_once_verified_and_nobody_is_paged(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            alert = firing(namespace="shop", deployment="checkout")
            assert (await service.alert(alert))["new"] == 1
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert restarts(service) == 1
            resolved = firing(namespace="shop", deployment="checkout", ends_at=datetime.now(UTC))
            assert (await service.alert(resolved))["resolved"] == 1
            await service.until(lambda: closed(service), what="the incident closes")
            assert world.pagerduty.incidents() == []


async def test_the_same_webhook_again_changes_nothing(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            alert = firing(namespace="shop", deployment="checkout")
            await service.alert(alert)
            await service.ended()
            counts = await service.alert(alert)
            assert (counts["new"], counts["repeats"]) == (0, 1)
            assert len(await service.runs()) == 1
            assert restarts(service) == 1


async def test_a_second_alert_inside_the_cooldown_waits_and_says_until_when(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            await service.alert(firing(namespace="shop", deployment="checkout", pod="checkout-2"))

            async def denied() -> bool:
                story = await service.story(run.incident_id)
                reasons = [r["text"] for d in story.decisions if d["kind"] == "wait" for r in d["reasons"]]
                return any("cooldown 15m, free at" in reason for reason in reasons)

            await service.until(denied, what="a denial that names the cooldown")
            assert restarts(service) == 1
            assert world.pagerduty.open() == []


async def test_what_a_restart_does_not_cure_is_paged_with_everything_tried_and_resolved_when_it_is_over(
    tmp_path: Path,
) -> None:
    quick = RESTART.replace("within: 8s", "within: 1s")
    async with World(speed=4) as world:
        await crashing(world, behaviour="never-ready")
        async with running(tmp_path, quick, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "refuted"
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert page.status == "triggered"
            told = str(page.payload)
            for word in ("ServiceDown", "checkout", "restart", "rollout_complete"):
                assert word in told, told
            await service.alert(firing(namespace="shop", deployment="checkout", ends_at=datetime.now(UTC)))
            await service.until(lambda: not world.pagerduty.open(), what="the page is resolved")
            assert restarts(service) == 1


async def test_in_dry_run_everything_is_decided_and_planned_and_nothing_changes_and_nobody_is_told(
    tmp_path: Path,
) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        async with running(tmp_path, world=world, mode="dry-run") as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "rehearsed"
            assert restarts(service) == 0
            writes = world.kubernetes.requests.writes
            assert writes
            assert all("dryRun" in str(r.query) for r in writes)
            assert world.pagerduty.incidents() == []


async def test_a_lost_answer_is_looked_at_and_never_sent_again(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        world.kubernetes.faults.add(match="PATCH /apis/*", kind="lose_answer", times=1)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert restarts(service) == 1


async def test_a_write_that_did_not_land_is_begun_again_after_the_look(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        fault = world.kubernetes.faults.add(match="PATCH /apis/*", kind="status 500", times=1)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert fault.hits == 1
            assert run.outcome == "verified"
            assert restarts(service) == 1


async def test_a_target_that_does_not_exist_is_refused_and_paged(tmp_path: Path) -> None:
    async with World(speed=4) as world, running(tmp_path, world=world) as service:
        await service.alert(firing(namespace="shop", deployment="nothing-here"))
        [page] = await service.until(world.pagerduty.open, what="somebody is paged")
        assert "nothing-here" in str(page.payload)
        assert await service.runs() == []


async def test_a_name_that_two_workloads_have_is_ambiguous_and_refused(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "checkout")
        world.deploy("shop", "checkout", plural="statefulsets")
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "name the kind" in str(page.payload)
            assert restarts(service) == 0


async def test_outside_the_allowed_namespaces_nothing_is_done(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("kube-system", "coredns")
        async with running(tmp_path, world=world, clusters__sandbox__namespaces=["shop", "kube-system"]) as service:
            await service.alert(firing(namespace="kube-system", deployment="coredns"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "remediator stands on" in str(page.payload)
            assert world.kubernetes.changes("deployments", "kube-system", "coredns", "spec.template") == []


async def test_an_alert_that_no_playbook_matches_passes_through_to_people_if_it_pages(tmp_path: Path) -> None:
    async with World(speed=4) as world, running(tmp_path, world=world) as service:
        await service.alert(firing("Unheard", severity="warning", namespace="shop"), group_key="{}:quiet")
        await service.until(service.incidents, what="it is recorded")
        assert world.pagerduty.incidents() == []
        await service.alert(firing("Unheard", severity="critical", namespace="shop"), group_key="{}:loud")
        [page] = await service.until(world.pagerduty.open, what="somebody is paged")
        assert "Unheard" in page.summary


async def test_two_playbooks_of_one_priority_deny_each_other_by_name(tmp_path: Path) -> None:
    twin = RESTART.replace("name: service-down", "name: service-down-too")
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, RESTART, twin, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert "service-down-too" in str(page.payload)
            assert restarts(service) == 0


async def test_the_playbook_of_higher_priority_takes_the_alert(tmp_path: Path) -> None:
    first = RESTART.replace("name: service-down", "name: urgent").replace("autonomy: act", "autonomy: act\npriority: 5")
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, RESTART, first, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.playbook == "urgent"
            assert "superseded:" in await verdicts(service, run.incident_id)


async def test_held_at_propose_the_page_shows_the_plan_and_names_the_setting(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world, autonomy__start="propose") as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            told = str(page.payload)
            assert "settings.autonomy.playbooks.service-down" in told
            assert "restart the 3 pods" in told
            assert restarts(service) == 0
            assert await service.runs() == []


async def test_an_old_alert_is_acted_upon_only_when_something_shows_it_firing(tmp_path: Path) -> None:
    aged = RESTART.replace("cooldown: 15m", "cooldown: 15m, max_alert_age: 1ms")
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, aged, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()  # delivered a moment ago: that is the confirmation
            assert run.outcome == "verified"


async def test_a_late_copy_of_a_closed_alert_is_dropped_when_alertmanager_does_not_know_it(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            begun = datetime.now(UTC) - timedelta(minutes=10)
            alert = firing(namespace="shop", deployment="checkout", starts_at=begun)
            ended = firing(
                namespace="shop",
                deployment="checkout",
                starts_at=begun,
                ends_at=datetime.now(UTC) - timedelta(minutes=1),
            )
            assert (await service.alert(ended))["late"] == 1
            assert (await service.alert(alert))["doubtful"] == 1

            async def settled() -> bool:
                return (await service.alert(ended))["late"] == 1 and not await service.incidents()

            await service.until(settled, what="the late copy is dropped")
            assert restarts(service) == 0


async def test_an_alert_that_cannot_be_understood_harms_only_itself_and_people_hear_of_it(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await crashing(world)
        async with running(tmp_path, world=world) as service:
            broken = {**firing(namespace="shop", deployment="checkout"), "labels": {"alertname": 7}}
            counts = await service.alert(broken, firing(namespace="shop", deployment="checkout"))
            assert (counts["rejected"], counts["new"]) == (1, 1)
            [run] = await service.ended()
            assert run.outcome == "verified"
            [page] = await service.until(world.pagerduty.open, what="somebody hears of the dead letter")
            assert "could not be understood" in page.summary
