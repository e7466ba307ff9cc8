"""Orders of people: each counts once, says who and why, and says why when it comes too late (S18, S19, S23, S34)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from remediator.engine.refused import InvalidOrderError, NoEffectError, UnknownIdError
from remediator.store import episodes, pauses, runs
from remediator.store.database import Tx
from tests.support import incidents as rows
from tests.support.clock import T0, ManualClock
from tests.support.operators import PLAN_HASH, Desk, desk

ASKED = {"landed": ("yes", "no", "unknown"), "paused": ("continue", "undo", "abandon")}


@pytest.fixture
async def sat(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Desk]:
    async with desk(tmp_path, clock) as made:
        yield made


async def needs_person(sat: Desk, kind: str) -> str:
    return await sat.run("needs_person", question={"kind": kind, "text": "?"}, changed_at=T0)


async def test_a_yes_to_the_shown_plan_wakes_the_run_and_stands_in_the_timeline(sat: Desk) -> None:
    run_id = await sat.run()
    ordered = await sat.operations.approve(run_id, PLAN_HASH, "ann", "seen it")
    record = await sat.operations.records.run(run_id)
    assert record.approval is not None
    assert (record.approval["answer"], record.approval["answered_by"]) == ("approved", "ann")
    assert record.run.wake_at == sat.clock.now()
    assert ordered.said.startswith("approved")
    assert f"approved: ann approved plan {PLAN_HASH}: seen it" in await sat.told(run_id)
    assert "runner" in sat.woken


async def test_a_yes_to_another_plan_does_nothing_and_names_both(sat: Desk) -> None:
    run_id = await sat.run()
    with pytest.raises(NoEffectError, match=f"the plan is {PLAN_HASH}, not feedfeed"):
        await sat.operations.approve(run_id, "feedfeed", "ann", "seen it")
    record = await sat.operations.records.run(run_id)
    assert record.approval is not None and record.approval["answer"] is None
    assert sat.woken == []


async def test_a_second_yes_does_nothing_and_names_the_first(sat: Desk) -> None:
    run_id = await sat.run()
    await sat.operations.approve(run_id, PLAN_HASH, "ann", "seen it")
    with pytest.raises(NoEffectError, match=r"it was approved at 12:00:00Z by ann \(seen it\)"):
        await sat.operations.approve(run_id, PLAN_HASH, "bob", "me too")
    assert sum(line.startswith("approved:") for line in await sat.told(run_id)) == 1


async def test_a_no_after_a_yes_does_nothing(sat: Desk) -> None:
    run_id = await sat.run()
    await sat.operations.approve(run_id, PLAN_HASH, "ann", "seen it")
    with pytest.raises(NoEffectError, match="it was approved"):
        await sat.operations.reject(run_id, "bob", "no")


async def test_a_yes_after_the_end_of_the_request_says_when_it_expired(sat: Desk) -> None:
    run_id = await sat.run()
    await sat.clock.advance(3601)
    with pytest.raises(NoEffectError, match="the request expired at 13:00:00Z"):
        await sat.operations.approve(run_id, PLAN_HASH, "ann", "late")


async def test_a_yes_to_a_run_that_asks_nothing_says_so(sat: Desk) -> None:
    run_id = await sat.run("running")
    with pytest.raises(NoEffectError, match="waits for no approval"):
        await sat.operations.approve(run_id, PLAN_HASH, "ann", "go")


async def test_a_yes_after_a_cancel_does_nothing(sat: Desk) -> None:
    run_id = await sat.run()
    await sat.operations.cancel(run_id, "bob", "by hand")
    with pytest.raises(NoEffectError, match=r"cancel was asked at 12:00:00Z by bob \(by hand\)"):
        await sat.operations.approve(run_id, PLAN_HASH, "ann", "go")


async def test_a_no_is_recorded_with_its_reason(sat: Desk) -> None:
    run_id = await sat.run()
    await sat.operations.reject(run_id, "ann", "we roll back")
    record = await sat.operations.records.run(run_id)
    assert record.approval is not None
    assert (record.approval["answer"], record.approval["reason"]) == ("rejected", "we roll back")
    assert "rejected: ann rejected: we roll back" in await sat.told(run_id)


@pytest.mark.parametrize("state", ["approval", "ready", "running", "waiting", "needs_person"])
async def test_a_cancel_reaches_a_run_in_every_state_but_ended(sat: Desk, state: str) -> None:
    run_id = await sat.run(state)
    await sat.operations.cancel(run_id, "ann", "wrong service")
    record = await sat.operations.records.run(run_id)
    assert (record.run.cancel_at, record.run.cancel_by) == (sat.clock.now(), "ann (wrong service)")
    assert record.run.wake_at == sat.clock.now()
    assert "cancel_asked: ann asked to cancel: wrong service" in await sat.told(run_id)


async def test_a_second_cancel_is_answered_with_the_first(sat: Desk) -> None:
    run_id = await sat.run("running")
    await sat.operations.cancel(run_id, "ann", "wrong service")
    again = await sat.operations.cancel(run_id, "bob", "me too")
    assert "ann (wrong service)" in again.said
    assert (await sat.operations.records.run(run_id)).run.cancel_by == "ann (wrong service)"
    assert sum(line.startswith("cancel_asked:") for line in await sat.told(run_id)) == 1


async def test_a_run_that_has_ended_cannot_be_cancelled(sat: Desk) -> None:
    run_id = await sat.run("ended", outcome="verified", ended_at=T0)
    with pytest.raises(NoEffectError, match="ended verified at 12:00:00Z"):
        await sat.operations.cancel(run_id, "ann", "late")
    assert not any(line.startswith("cancel_asked:") for line in await sat.told(run_id))


@pytest.mark.parametrize(("kind", "said"), [(kind, said) for kind, all_said in ASKED.items() for said in all_said])
async def test_every_answer_that_a_question_takes_reaches_the_run(sat: Desk, kind: str, said: str) -> None:
    run_id = await needs_person(sat, kind)
    await sat.operations.answer(run_id, said, "ann", "looked")
    run = (await sat.operations.records.run(run_id)).run
    assert run.answer == {"said": said, "by": "ann", "reason": "looked"}
    assert run.wake_at == sat.clock.now()


@pytest.mark.parametrize(
    ("kind", "said"), [("landed", "undo"), ("paused", "yes"), ("undo_failed", "undo"), ("landed", "")]
)
async def test_an_answer_of_the_wrong_kind_is_refused_with_those_that_are_accepted(
    sat: Desk, kind: str, said: str
) -> None:
    run_id = await needs_person(sat, kind)
    with pytest.raises(InvalidOrderError, match="accepted: ") as refused:
        await sat.operations.answer(run_id, said, "ann", "looked")
    assert refused.value.field == "said"
    assert (await sat.operations.records.run(run_id)).run.answer is None


async def test_the_first_answer_stands(sat: Desk) -> None:
    run_id = await needs_person(sat, "landed")
    await sat.operations.answer(run_id, "yes", "ann", "saw the pods")
    with pytest.raises(NoEffectError, match="ann has answered yes: saw the pods"):
        await sat.operations.answer(run_id, "no", "bob", "did not")
    run = (await sat.operations.records.run(run_id)).run
    assert run.answer is not None and run.answer["said"] == "yes"


async def test_a_run_that_asks_nothing_takes_no_answer(sat: Desk) -> None:
    run_id = await sat.run("waiting")
    with pytest.raises(NoEffectError, match="asks nothing: it is waiting"):
        await sat.operations.answer(run_id, "yes", "ann", "looked")


async def test_an_order_to_a_run_that_there_is_not_says_so(sat: Desk) -> None:
    for order in (
        sat.operations.approve("run_x", PLAN_HASH, "ann", "go"),
        sat.operations.reject("run_x", "ann", "no"),
        sat.operations.cancel("run_x", "ann", "no"),
        sat.operations.answer("run_x", "yes", "ann", "no"),
    ):
        with pytest.raises(UnknownIdError, match="run_x"):
            await order


async def test_a_pause_stands_and_names_the_effects_that_it_cannot_stop(sat: Desk) -> None:
    run_id = await sat.run("running", changed_at=T0)
    async with sat.store.begin(Tx.OPERATE) as tx:
        await rows.step(tx, run_id, state="begun")
    paused = await sat.operations.pause("namespace:shop", "ann", "migration", timedelta(hours=2))
    assert paused.scope == "namespace:prod/shop"
    assert [effect["run_id"] for effect in paused.effects_begun] == [run_id]
    [row] = await sat.operations.records.pauses()
    assert (row["by"], row["reason"], row["remind_at"]) == ("ann", "migration", T0 + timedelta(hours=2))
    assert "paused: ann paused namespace:prod/shop: migration" in await sat.told(run_id)


async def test_a_pause_covers_what_guards_look_for(sat: Desk) -> None:
    run = (await sat.operations.records.run(await sat.run("ready"))).run
    for scope in ("all", "playbook:restart-it", "namespace:production/shop", f"target:{run.target}"):
        await sat.operations.pause(scope, "ann", "migration")
    async with sat.store.read() as connection:
        standing = await pauses.covering(connection, run.playbook, run.where)
    assert len(standing) == 4


async def test_the_same_pause_again_is_the_pause_that_stands(sat: Desk) -> None:
    run_id = await sat.run("ready")
    first = await sat.operations.pause("all", "ann", "migration")
    again = await sat.operations.pause("all", "ann", "migration")
    assert again.pause_id == first.pause_id
    assert len(await sat.operations.records.pauses()) == 1
    assert sum(line.startswith("paused:") for line in await sat.told(run_id)) == 1


async def test_a_resume_ends_the_pause_and_has_every_open_alert_decided_anew(sat: Desk) -> None:
    run_id = await sat.run("ready")
    episode_id = (await sat.operations.records.run(run_id)).run.episode_id
    await sat.operations.pause("all", "ann", "migration")
    await sat.operations.pause("playbook:restart-it", "bob", "broken")
    resumed = await sat.operations.resume("all", "ann")
    assert (resumed.ended, resumed.still_paused) == (1, ["playbook:restart-it"])
    async with sat.store.read() as connection:
        episode = await episodes.episode(connection, episode_id)
    assert episode is not None and episode.decide_again_at == sat.clock.now()
    assert {"decider", "runner"} <= set(sat.woken)
    assert "resumed: ann resumed all" in await sat.told(run_id)


async def test_a_resume_of_what_is_not_paused_names_what_is(sat: Desk) -> None:
    with pytest.raises(NoEffectError, match="no pause of all stands; standing: none"):
        await sat.operations.resume("all", "ann")
    await sat.operations.pause("namespace:shop", "ann", "migration")
    with pytest.raises(NoEffectError, match="standing: namespace:prod/shop"):
        await sat.operations.resume("all", "ann")


async def test_a_pause_of_a_playbook_that_is_gone_can_still_be_ended(sat: Desk) -> None:
    async with sat.store.begin(Tx.OPERATE) as tx:
        await pauses.begin(tx, scope="playbook:gone", by="ann", reason="broken", remind_at=None, now=T0)
    assert (await sat.operations.resume("playbook:gone", "ann")).ended == 1


async def test_the_pause_file_wins_over_a_resume(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "pause"
    file.touch()
    async with desk(tmp_path, clock, pause_file=str(file)) as sat:
        await sat.operations.pause("all", "ann", "migration")
        resumed = await sat.operations.resume("all", "ann")
        assert any(str(file) in still for still in resumed.still_paused)
        assert [pause.by for pause in (await sat.operations.records.status()).paused] == ["pause file"]


async def test_a_read_changes_nothing_and_shows_what_is_in_hand(sat: Desk) -> None:
    run_id = await sat.run()
    status = await sat.operations.records.status()
    assert (status.mode, status.in_hand["approval"], status.open_incidents, status.set_hash) == ("live", 1, 1, "set1")
    [shown] = await sat.operations.records.playbooks()
    assert (shown.in_force.level, shown.file) == ("act", "playbooks/restart-it.yaml")
    async with sat.store.read() as connection:
        run = await runs.get(connection, run_id)
    assert run is not None and run.state == "approval"
