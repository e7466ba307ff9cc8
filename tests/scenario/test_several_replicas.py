"""Two replicas on one PostgreSQL: one decides, both take alerts in and run, and what one leaves the other takes over once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import update

from remediator.clients.kubernetes.api import KubernetesApi
from remediator.engine import decider, reach, unclaimed
from remediator.errors import ConfigError, NotSentError, StoreUnavailableError
from remediator.sandbox.kubernetes.resources import PODS
from remediator.sandbox.world import World
from remediator.store import duties
from remediator.store.database import Store, Tx
from remediator.store.schema import runs as run_rows
from tests.support.service import RESTART, Service, firing, running

DUTIES = {"courier", "decider", "escalator", "reconciler"}
LEASE_S = 3.0

CORDON = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: sick-node}
match: [['alertname="NodeDiskPressure"']]
target: {node: {name: "{{ labels.node }}"}}
autonomy: act
remedies:
  - name: close
    steps: [{kubernetes.cordon: {}}]
    verify: {within: 10s, hold: 200ms, all: [{nodes_unready: {at_most: 1}}]}
"""

Start = Callable[..., Awaitable[Service]]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(speed=4) as made:
        made.deploy("shop", "checkout")
        await made.rolled_out("shop", "checkout")
        made.sicken("shop", "checkout", "crash-until-restart")
        yield made


@pytest.fixture
async def start(world: World, database_url: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Start a replica of this name; all are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def started(name: str, *playbooks: str, **changes: Any) -> Service:
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            told = {"store__url": database_url, "replica": name, "timings__takeover": "500ms"} | changes
            return await stack.enter_async_context(running(folder, *playbooks, world=world, **told))

        yield started


@asynccontextmanager
async def cut_off(store: Store) -> AsyncIterator[None]:
    """As far as this replica can tell its database is gone; for the others it is as if it had been killed."""

    def refused(*_args: object) -> NoReturn:
        raise StoreUnavailableError("cut off")

    doors = ("begin", "begin_lean", "read")
    for door in doors:
        setattr(store, door, refused)
    yield
    for door in doors:
        delattr(store, door)


def down(*, ends_at: datetime | None = None) -> dict[str, Any]:
    return firing(namespace="shop", deployment="checkout", ends_at=ends_at)


def restarts(world: World) -> int:
    return len(world.kubernetes.changes("deployments", "shop", "checkout", "spec.template"))


async def holders(service: Service) -> dict[str, str | None]:
    async with service.store.read() as connection:
        return dict(await duties.holders(connection))


async def verdict(service: Service) -> str | None:
    [run] = await service.ended()
    return run.outcome


async def test_an_alert_is_decided_run_and_verified_once_whichever_replica_it_comes_to(
    world: World, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decider, "_POLL_S", 600.0)  # so that only the hint can have come over
    first = await start("a")
    second = await start("b")
    assert (set(first.app.duties) >= DUTIES, second.app.duties) == (True, ())
    assert (await second.alert(down()))["new"] == 1

    async def decided() -> bool:
        return bool(await first.runs())

    await first.until(decided, what="a decision after the webhook at the other replica")
    assert await verdict(second) == "verified"
    assert restarts(world) == 1
    await first.alert(down(ends_at=datetime.now(UTC)))
    await first.until(lambda: closed(first), what="the incident closes")
    assert world.pagerduty.incidents() == []


async def beats(service: Service) -> bool:
    async with service.session.get(f"{service.app.url}/-/ready") as answer:
        return bool((await answer.json())["dependencies"]["heartbeat"]["ok"])


async def closed(service: Service) -> bool:
    found = await service.incidents()
    return bool(found) and all(incident.state == "closed" for incident in found)


async def test_both_copies_of_a_pair_of_alertmanagers_are_one_episode_and_one_run(world: World, start: Start) -> None:
    first, second = await start("a"), await start("b")
    alert = down()
    counts = await asyncio.gather(first.alert(alert), second.alert(alert))
    assert sorted((one["new"], one["repeats"]) for one in counts) == [(0, 1), (1, 0)]
    assert await verdict(first) == "verified"
    assert len(await first.runs()) == 1
    assert restarts(world) == 1


async def test_the_duties_of_a_replica_that_is_cut_off_are_taken_over_within_its_lease(
    world: World, start: Start
) -> None:
    first, second = await start("a"), await start("b")
    async with cut_off(first.store):
        await second.until(lambda: set(second.app.duties) >= DUTIES, what="the other has the duties")
        assert first.app.duties == (), "it stopped before anybody took over"
        await second.alert(down())
        assert await verdict(second) == "verified"
    # Back again it has nothing, and takes nothing from who has it.
    await first.until(lambda: beats(first), what="it beats again")
    assert set(second.app.duties) >= DUTIES
    assert first.app.duties == ()
    assert restarts(world) == 1


async def test_a_clean_stop_hands_over_at_once(world: World, start: Start, tmp_path: Path, database_url: str) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    async with running(folder, world=world, replica="a", store__url=database_url, timings__lease="60s") as first:
        second = await start("b", timings__lease="60s")
        assert set(first.app.duties) >= DUTIES
    await second.until(
        lambda: set(second.app.duties) >= DUTIES, what="the other has the duties, long before the lease is over"
    )


async def test_a_run_whose_holder_is_gone_is_taken_over_and_looked_at_not_done_again(
    world: World, start: Start
) -> None:
    first = await start("a")
    world.kubernetes.faults.add(match="PATCH /apis/*", kind="late_answer 0.5", times=1)
    await first.alert(down())
    await first.until(lambda: restarts(world) == 1, what="the write is done, its answer on the way")
    async with cut_off(first.store):
        second = await start("b")
        assert await verdict(second) == "verified"
        [run] = await second.runs()
        story = await second.story(run.incident_id)
        assert any("did kubernetes.rollout_restart happen? yes" in event["text"] for event in story.timeline)
        assert run.fence >= 2
    assert restarts(world) == 1


async def test_a_holder_that_comes_back_after_its_lease_sends_nothing(
    world: World, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had marked its step as begun and had not sent the first byte: who takes over does it, and it must not do it as well."""
    reached, thawed, refused = asyncio.Event(), asyncio.Event(), asyncio.Event()
    write = KubernetesApi._write

    async def held(api: KubernetesApi, method: Any, *given: Any) -> dict[str, Any]:
        if method != "PATCH" or reached.is_set():
            return await write(api, method, *given)
        reached.set()
        await thawed.wait()
        try:
            return await write(api, method, *given)
        except NotSentError:
            refused.set()
            raise

    monkeypatch.setattr(KubernetesApi, "_write", held)
    first = await start("a")
    await first.alert(down())
    await reached.wait()
    async with cut_off(first.store):
        second = await start("b")
        assert await verdict(second) == "verified"
        assert restarts(world) == 1
        thawed.set()
        await second.until(refused.is_set, what="the late write is held back")
    assert restarts(world) == 1


async def test_a_replica_that_reaches_the_store_and_not_pagerduty_lets_another_one_page(
    world: World, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "_TRIED_S", 1.0)
    first = await start("a", pagerduty__url="http://127.0.0.1:1/v2/enqueue")  # nobody listens there
    second = await start("b")
    assert "courier" in first.app.duties
    await first.alert(firing("NobodyKnowsThis"))
    [page] = await second.until(world.pagerduty.open, what="somebody is paged")
    assert "NobodyKnowsThis" in page.summary
    assert "courier" in second.app.duties


async def test_a_pause_at_one_replica_stops_a_run_in_anothers_hand(world: World, start: Start) -> None:
    first, second = await start("a", timings__settle="1s"), await start("b")
    await first.alert(down())
    await second.until(second.runs, what="a run")
    assert (await second.api("POST", "pause", scope="all", reason="drill"))[0] == 200

    async def held() -> bool:
        [run] = await second.runs()
        return run.state == "ended" and "pause" in (run.reason or "")

    await second.until(held, what="the run is not begun")
    assert restarts(world) == 0


async def test_a_cancel_at_one_replica_ends_a_run_that_another_works_on(world: World, start: Start) -> None:
    slow = RESTART.replace("within: 8s, hold: 300ms", "within: 8s, hold: 1m")
    first, second = await start("a", slow), await start("b", slow)
    await first.alert(down())
    await first.until(lambda: restarts(world) == 1, what="the change is made")
    [run] = await first.runs()
    assert (await second.api("POST", f"runs/{run.id}/cancel", reason="it is another problem"))[0] == 200
    [run] = await second.ended()
    assert run.outcome == "cancelled"
    assert restarts(world) == 1


async def test_a_run_in_a_format_that_no_living_replica_knows_is_left_alone_and_people_hear_of_it(
    world: World, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unclaimed, "_FOR", timedelta(seconds=1))
    first = await start("a", timings__settle="2s")
    await first.alert(down())
    [run] = await first.until(first.runs, what="a run")
    async with first.store.begin(Tx.MARK) as tx:
        newer = {"needs": "snapshot/1 kubernetes.rollout_restart/2"}
        await tx.execute(update(run_rows).where(run_rows.c.id == run.id).values(**newer))
    [page] = await first.until(world.pagerduty.open, what="somebody is paged")
    assert "no living replica knows" in page.summary
    assert restarts(world) == 0
    [run] = await first.runs()
    assert (run.state, run.owner) == ("ready", None)


async def test_the_node_of_one_replica_is_worked_on_by_the_other_and_by_nobody_when_it_is_alone(
    world: World, start: Start
) -> None:
    """S12: each knows its own node; who decides and who acts need not be the same."""
    first_node, second_node = sorted(pod["spec"]["nodeName"] for pod in world.kubernetes.store.all(PODS, "shop"))[::2]
    assert first_node != second_node
    first = await start("a", CORDON, clusters__sandbox__nodes=True, own_node=first_node)
    await first.alert(firing("NodeDiskPressure", node=first_node))
    [page] = await first.until(world.pagerduty.open, what="somebody is paged")
    assert "remediator stands on its own node" in str(page.payload)
    assert await first.runs() == []
    second = await start("b", CORDON, clusters__sandbox__nodes=True, own_node=second_node)
    await second.alert(firing("NodeDiskPressure", node=first_node, again="yes"))
    [run] = await second.ended()
    assert (run.target, run.outcome) == (f"kubernetes/sandbox/node/{first_node}", "verified"), run.reason
    assert world.kubernetes.get("nodes", "", first_node)["spec"]["unschedulable"]


async def test_a_replica_of_another_mode_is_refused_while_one_lives_and_disturbs_nothing(
    world: World, start: Start
) -> None:
    first = await start("a")
    before = await holders(first)
    with pytest.raises(ConfigError, match="replica a uses this store in mode live, and is alive"):
        await start("b", mode="dry-run")
    assert await holders(first) == before


async def test_new_playbooks_are_in_force_with_the_first_replica_that_has_them_and_the_other_decides_nothing(
    world: World, start: Start, tmp_path: Path
) -> None:
    first, second = await start("a"), await start("b")
    edited = RESTART.replace("cooldown: 15m", "cooldown: 16m")
    (tmp_path / "b" / "playbooks" / "p0.yaml").write_text(edited)
    await second.until(lambda: "decider" in second.app.duties, what="whoever has the playbooks in force decides")
    assert first.app.duties and "decider" not in first.app.duties
    assert first.app.playbooks.differs
    await first.alert(down())
    [run] = await second.ended()
    assert run.outcome == "verified"
    assert run.owner is None
    (tmp_path / "a" / "playbooks" / "p0.yaml").write_text(edited)
    await first.until(lambda: not first.app.playbooks.differs, what="the first has them too")


async def test_a_replica_that_starts_with_other_playbooks_waits_until_nobody_has_those_in_force(
    world: World, start: Start, tmp_path: Path, database_url: str
) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    async with running(folder, world=world, store__url=database_url, replica="a") as first:
        second = await start("b", RESTART.replace("cooldown: 15m", "cooldown: 16m"))
        assert second.app.playbooks.differs
        assert not first.app.playbooks.differs
        assert "decider" not in second.app.duties
    await second.until(lambda: "decider" in second.app.duties, what="now its own are in force")
    assert not second.app.playbooks.differs
