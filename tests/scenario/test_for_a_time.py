"""``for:`` (S39): what was made for a time is put back when the time is over, unless somebody wrote since (S25)."""

from datetime import UTC, datetime
from pathlib import Path

from remediator.sandbox.world import World
from remediator.store.runs import RunRow
from tests.scenario.test_runs_go_wrong import replicas, somebody_writes
from tests.support.service import Service, firing, running

FOR_A_TIME = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: more-for-a-while}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: scale-out
    steps: [{kubernetes.scale: {by: 1, max_replicas: 6}, for: 2s}]
    verify: {within: 1s, hold: 100ms, all: [{promql: {query: "error_rate", below: 0.01}}]}
"""


async def scheduled(service: Service) -> RunRow:
    async def found() -> RunRow | None:
        return next((run for run in await service.runs() if run.due_at is not None), None)

    run: RunRow = await service.until(found, what="the reverse is scheduled")
    return run


async def ended(service: Service, run_id: str) -> RunRow:
    async def found() -> RunRow | None:
        return next((run for run in await service.runs() if run.id == run_id and run.state == "ended"), None)

    run: RunRow = await service.until(found, what=f"{run_id} has ended")
    return run


async def scaled(world: World, error_rate: float = 0.0) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.prometheus.script("error_rate", error_rate)


async def test_it_is_put_back_when_the_time_is_over_and_pages_nobody(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await scaled(world)
        async with running(tmp_path, FOR_A_TIME, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            reverse = await scheduled(service)
            assert replicas(service) == 4
            _, shown = await service.api("GET", f"runs/{reverse.id}")
            assert shown["run"]["state"] == "scheduled"
            assert shown["run"]["due_at"] is not None
            back = await ended(service, reverse.id)
            assert (back.outcome, replicas(service)) == ("verified", 3)
            [made] = [run for run in await service.runs() if run.id != reverse.id]
            assert made.outcome == "verified"
            assert back.ended_at is not None
            assert made.changed_at is not None
            assert (back.ended_at - made.changed_at).total_seconds() >= 2
            assert world.pagerduty.open() == []


async def test_it_survives_a_restart(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await scaled(world)
        async with running(tmp_path, FOR_A_TIME, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            reverse = await scheduled(service)
            await service.ended(1)
        assert replicas(service) == 4
        async with running(tmp_path, FOR_A_TIME, world=world) as service:
            assert (await ended(service, reverse.id)).outcome == "verified"
            assert replicas(service) == 3


async def test_what_somebody_wrote_since_stays(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await scaled(world)
        async with running(tmp_path, FOR_A_TIME, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            reverse = await scheduled(service)
            await somebody_writes(service, {"spec": {"replicas": 5}})
            back = await ended(service, reverse.id)
            assert (back.outcome, replicas(service)) == ("overtaken", 5)
            assert "left as it is" in (back.reason or "")


async def test_a_refuted_run_that_undoes_the_step_needs_no_reverse(tmp_path: Path) -> None:
    undoes = FOR_A_TIME.replace("for: 2s", "for: 1h") + "    if_refuted: undo\n"
    async with World(speed=4) as world:
        await scaled(world, error_rate=0.5)
        async with running(tmp_path, undoes, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            reverse = await scheduled(service)
            withdrawn = await ended(service, reverse.id)
            assert withdrawn.outcome == "cancelled"
            assert "has put it back itself" in (withdrawn.reason or "")
            assert replicas(service) == 3


async def test_cancelled_by_a_person_the_change_stays(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await scaled(world)
        async with running(tmp_path, FOR_A_TIME.replace("for: 2s", "for: 1h"), world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            reverse = await scheduled(service)
            status, said = await service.api("POST", f"runs/{reverse.id}/cancel", reason="it shall stay")
            assert status == 200, said
            assert "what was made for a time stays" in said["said"]
            back = await ended(service, reverse.id)
            assert (back.outcome, replicas(service)) == ("cancelled", 4)


async def test_one_that_fails_pages_a_person_though_the_alert_is_long_over(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await scaled(world)
        async with running(tmp_path, FOR_A_TIME.replace("for: 2s", "for: 4s"), world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            reverse = await scheduled(service)
            await service.ended(1)
            await service.alert(firing(namespace="shop", deployment="checkout", ends_at=datetime.now(UTC)))

            async def over() -> bool:
                return (await service.incidents())[0].state == "closed"

            await service.until(over, what="its incident is closed")
            world.kubernetes.faults.add(match="PATCH /apis/apps/v1/*/scale*", kind="status 403", times=100)

            async def asks() -> bool:
                return any(run.state == "needs_person" for run in await service.runs())

            await service.until(asks, what="the reverse asks a person")
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            assert reverse.id in str(page.payload)
            assert replicas(service) == 4


async def test_a_second_change_for_a_time_waits_until_the_first_is_put_back(tmp_path: Path) -> None:
    """Else neither would unwind: each later one would look like somebody having written since."""
    longer = FOR_A_TIME.replace("for: 2s", "for: 1h").replace("autonomy: act", "autonomy: act\nguards: {cooldown: 0s}")
    async with World(speed=4) as world:
        await scaled(world)
        async with running(tmp_path, longer, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            reverse = await scheduled(service)
            await service.ended(1)
            await service.alert(firing(namespace="shop", deployment="checkout", pod="another"), group_key="another")

            async def denied() -> bool:
                _, found = await service.api("GET", "decisions")
                return any(reverse.id in str(one) and "target_busy" in str(one) for one in found["decisions"])

            await service.until(denied, what="the second is denied")
            assert replicas(service) == 4
