"""What judging writes: pages in the transaction that caused them, once each, nothing sent in dry-run, resolves when it is over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from remediator.engine.escalator import Escalator, judge_incident
from remediator.engine.wakeup import Wakeup
from remediator.escalation import messages
from remediator.playbooks.model import Playbook
from remediator.settings import Settings
from remediator.store import incidents, outbox
from remediator.store.database import Connection, Store, Tx
from remediator.store.incidents import IncidentRow, Story
from remediator.store.schema import outbox as outbox_table
from remediator.store.schema import runs as runs_table
from tests.support import incidents as rows
from tests.support.clock import T0, ManualClock
from tests.support.playbooks import playbook

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with rows.opened(tmp_path) as opened:
        yield opened


async def judge(tx: Connection, incident_id: str, now: datetime, own: Playbook | None = None) -> None:
    named: Callable[[str], Playbook | None] = lambda _: own  # noqa: E731
    await judge_incident(tx, incident_id, now=now, settings=Settings(), playbook_named=named)


async def messages_of(store: Store, incident_id: str) -> list[tuple[str, str, str, str]]:
    async with store.read() as connection:
        query = select(outbox_table).where(outbox_table.c.incident_id == incident_id).order_by(outbox_table.c.id)
        return [(row.dedup_key, row.action, row.cause, row.state) for row in await connection.execute(query)]


async def row_of(store: Store, incident_id: str) -> IncidentRow:
    async with store.read() as connection:
        found = await incidents.incident(connection, incident_id)
    assert found is not None
    return found


async def story_of(store: Store, incident_id: str) -> Story:
    async with store.read() as connection:
        found = await incidents.story(connection, incident_id)
    assert found is not None
    return found


async def test_a_refusal_is_paged_once_however_often_it_is_judged(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        await rows.answer(tx, incident_id, episode_id, "deny", kind="refuse")
        await judge(tx, incident_id, T0)
        await judge(tx, incident_id, T0)
    async with store.begin(Tx.JUDGE_INCIDENT) as tx:
        await judge(tx, incident_id, T0 + MINUTE)
    assert await messages_of(store, incident_id) == [(f"{incident_id}/L1", "trigger", "refuse:restart-it", "waiting")]


async def test_a_page_exists_exactly_if_what_caused_it_does(store: Store) -> None:
    async def decide_and_fail() -> None:
        async with store.begin(Tx.DECIDE) as tx:
            incident_id = await rows.join(tx)
            await rows.fire(tx, incident_id)
            await judge(tx, incident_id, T0 + 10 * MINUTE)
            raise RuntimeError("the transaction that decided fails")

    with pytest.raises(RuntimeError):
        await decide_and_fail()
    async with store.read() as connection:
        assert (await outbox.count_unsent(connection))["waiting"] == 0


@pytest.mark.parametrize("mode", ["dry-run", "drill"])
async def test_outside_of_live_pages_are_recorded_and_withheld(store: Store, mode: str) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx, mode=mode)
        episode_id = await rows.fire(tx, incident_id)
        await rows.answer(tx, incident_id, episode_id, "propose", plan=rows.PLAN)
        await judge(tx, incident_id, T0)
        await rows.close(tx, episode_id, T0 + MINUTE)
        await judge(tx, incident_id, T0 + MINUTE)
    assert [state for _, _, _, state in await messages_of(store, incident_id)] == ["withheld", "withheld"]
    async with store.read() as connection:
        assert await outbox.due(connection, T0 + timedelta(days=1), 10) == []


async def test_fixed_and_closed_before_page_after_nobody_hears(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        run_id = await rows.admit(tx, incident_id, episode_id)
        await judge(tx, incident_id, T0)
        await rows.move(tx, run_id, "ended", T0 + 2 * MINUTE, outcome="verified")
        await judge(tx, incident_id, T0 + 2 * MINUTE)
    assert (await row_of(store, incident_id)).verified_at == T0 + 2 * MINUTE
    async with store.begin(Tx.DECIDE) as tx:
        await rows.close(tx, episode_id, T0 + 7 * MINUTE)
        await judge(tx, incident_id, T0 + 7 * MINUTE)
    assert await messages_of(store, incident_id) == []
    closed = await row_of(store, incident_id)
    assert closed.state == "closed" and closed.closed_at == T0 + 7 * MINUTE and closed.look_again_at is None


@pytest.mark.parametrize("outcome", ["refuted", "unknown", "failed", "cancelled"])
async def test_every_failed_ending_is_paged_and_stands_until_the_alerts_close(store: Store, outcome: str) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        run_id = await rows.admit(tx, incident_id, episode_id)
        await judge(tx, incident_id, T0)
        await rows.move(tx, run_id, "ended", T0 + MINUTE, outcome=outcome)
        await judge(tx, incident_id, T0 + MINUTE)
    key = f"{incident_id}/L1"
    assert await messages_of(store, incident_id) == [(key, "trigger", f"{outcome}:{run_id}", "waiting")]
    async with store.begin(Tx.DECIDE) as tx:
        await rows.close(tx, episode_id, T0 + 9 * MINUTE)
        await judge(tx, incident_id, T0 + 9 * MINUTE)
    assert [(key, action) for key, action, _, _ in await messages_of(store, incident_id)] == [
        (key, "trigger"),
        (key, "resolve"),
    ]


async def test_a_return_reopens_under_a_new_key_with_its_history(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        run_id = await rows.admit(tx, incident_id, episode_id)
        await rows.move(tx, run_id, "ended", T0 + MINUTE, outcome="refuted")
        await judge(tx, incident_id, T0 + MINUTE)
        await rows.close(tx, episode_id, T0 + 5 * MINUTE)
        await judge(tx, incident_id, T0 + 5 * MINUTE)
    async with store.begin(Tx.DECIDE) as tx:
        again = await rows.join(tx, at=T0 + 20 * MINUTE)
        await rows.fire(tx, again, at=T0 + 20 * MINUTE)
        await judge(tx, again, T0 + 20 * MINUTE)
    assert again == incident_id
    reopened = await row_of(store, incident_id)
    assert reopened.state == "open" and reopened.recurrences == 1 and reopened.opened_at == T0
    assert await messages_of(store, incident_id) == [
        (f"{incident_id}/L1", "trigger", f"refuted:{run_id}", "waiting"),
        (f"{incident_id}/L1", "resolve", "over+0", "waiting"),
        (f"{incident_id}/L1/1", "trigger", "unfixed", "waiting"),
    ]


async def test_a_later_return_is_a_new_incident(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        await rows.close(tx, episode_id, T0 + MINUTE)
        await judge(tx, incident_id, T0 + MINUTE)
        other = await rows.join(tx, at=T0 + 32 * MINUTE)
    assert other != incident_id
    assert (await row_of(store, other)).recurrences == 0


async def test_alerts_of_one_target_join_one_incident_with_the_highest_severity(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        one = await rows.join(tx, severity="high")
        two = await rows.join(tx, severity="critical", at=T0 - MINUTE)
        three = await rows.join(tx, severity="low")
    assert one == two == three
    joined = await row_of(store, one)
    assert joined.severity == "critical" and joined.opened_at == T0 - MINUTE


async def test_the_same_target_in_another_mode_is_another_incident(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        assert await rows.join(tx, mode="live") != await rows.join(tx, mode="dry-run")


async def test_an_incident_whose_alerts_moved_to_their_target_is_over(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        cause = await rows.join(tx, target=None)
        episode_id = await rows.fire(tx, cause)
        await rows.answer(tx, cause, episode_id, "deny", kind="refuse")
        await judge(tx, cause, T0)
        target = await rows.join(tx)
        await rows.close(tx, episode_id, T0)
        await rows.fire(tx, target)
        await judge(tx, cause, T0 + MINUTE)
        await judge(tx, target, T0 + MINUTE)
    assert [action for _, action, _, _ in await messages_of(store, cause)] == ["trigger", "resolve"]
    assert (await row_of(store, target)).state == "open"


async def test_an_approval_request_is_a_page_with_plan_and_command_and_is_withdrawn_when_answered(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        run_id = await rows.admit(tx, incident_id, episode_id, "approval")
        await rows.ask_approval(tx, run_id)
        await judge(tx, incident_id, T0)
    page = (await story_of(store, incident_id)).outbox[0]["message"]
    assert "waits for your yes until 13:00:00Z" in page["summary"]
    asked = f"Approve (until 13:00:00Z): remediator approve {run_id} --plan 0123456789abcdef"
    assert page["custom_details"]["do_next"][0].startswith(asked)
    async with store.begin(Tx.OPERATE) as tx:
        await rows.settle_approval(tx, run_id, "approved", T0 + MINUTE)
        await judge(tx, incident_id, T0 + MINUTE)
    assert [action for _, action, _, _ in await messages_of(store, incident_id)] == ["trigger", "resolve"]
    async with store.begin(Tx.JUDGE_INCIDENT) as tx:
        await judge(tx, incident_id, T0 + 5 * MINUTE)
    assert [action for _, action, _, _ in await messages_of(store, incident_id)] == ["trigger", "resolve", "trigger"]


async def test_a_request_withdrawn_by_ourselves_is_not_told_as_a_cancelled_run(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        run_id = await rows.admit(tx, incident_id, episode_id, "approval")
        await rows.ask_approval(tx, run_id)
        await judge(tx, incident_id, T0)
        await rows.settle_approval(tx, run_id, "withdrawn", T0 + MINUTE)
        await rows.move(tx, run_id, "ended", T0 + MINUTE, outcome="cancelled")
        await rows.answer(tx, incident_id, episode_id, "deny", kind="wait")
        await judge(tx, incident_id, T0 + MINUTE)
    assert [(action, cause) for _, action, cause, _ in await messages_of(store, incident_id)] == [
        ("trigger", f"approve:{run_id}"),
        ("resolve", "over+0"),
    ]


async def test_a_held_playbook_is_told_with_what_raises_it(store: Store) -> None:
    note = "held at propose by settings.autonomy.start; raise it with settings.autonomy.playbooks.restart-it"
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        reasons: list[dict[str, Any]] = [
            {"guard": "", "code": "note", "kind": None, "text": note, "earliest": None, "values": {}}
        ]
        await rows.answer(tx, incident_id, episode_id, "propose", plan=rows.PLAN, reasons=reasons)
        await judge(tx, incident_id, T0)
    page = (await story_of(store, incident_id)).outbox[0]["message"]
    assert note in page["custom_details"]["do_next"]
    assert "restart deployment shop/checkout" in page["summary"]


async def test_the_playbooks_escalation_is_followed(store: Store) -> None:
    own = playbook("restart-it", escalate=[{"on": ["unfixed"], "after": "2m", "policy": "shop"}])
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        await rows.answer(tx, incident_id, episode_id, "deny", kind="wait")
        await judge(tx, incident_id, T0, own)
    assert (await row_of(store, incident_id)).look_again_at == T0 + 2 * MINUTE


async def test_a_page_that_cannot_be_put_into_words_is_still_a_page(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise ValueError("no words")

    monkeypatch.setattr(messages, "page", broken)
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        await rows.fire(tx, incident_id)
        await judge(tx, incident_id, T0 + 5 * MINUTE)
    message = (await story_of(store, incident_id)).outbox[0]["message"]
    assert incident_id in message["summary"] and message["severity"] == "critical"


async def test_a_dead_letter_incident_is_paged_once_and_gives_way_after_its_hour(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await incidents.join(
            tx,
            key=incidents.dead_letter_key("live", "prod", T0),
            target=None,
            mode="live",
            severity="high",
            title="alerts from source prod that could not be understood",
            at=T0,
            now=T0,
            reopen_within=30 * MINUTE,
        )
        await judge(tx, incident_id, T0)
        await judge(tx, incident_id, T0 + 10 * MINUTE)
        await judge(tx, incident_id, T0 + 60 * MINUTE)
    assert [(action, cause) for _, action, cause, _ in await messages_of(store, incident_id)] == [("trigger", "notice")]
    assert (await row_of(store, incident_id)).state == "closed"


class Watch:
    """An escalator at work beside the test."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.paged = asyncio.Event()
        self.wakeup = Wakeup()
        self.escalator = Escalator(
            store=store,
            clock=clock,
            settings=Settings(),
            mode="live",
            playbook_named=lambda _: None,
            wakeup=self.wakeup,
            on_page=self.paged.set,
        )


async def test_time_alone_pages_an_unfixed_incident(store: Store, clock: ManualClock) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        await rows.admit(tx, incident_id, episode_id)
        await judge(tx, incident_id, T0)
    watch = Watch(store, clock)
    assert await watch.escalator.judge_due() == 0
    await clock.advance(300)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch.escalator.run())
        await watch.paged.wait()
        task.cancel()
    assert [cause for _, _, cause, _ in await messages_of(store, incident_id)] == ["unfixed"]


async def test_a_person_is_reminded_every_remind(store: Store, clock: ManualClock) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        episode_id = await rows.fire(tx, incident_id)
        run_id = await rows.admit(tx, incident_id, episode_id)
        question = {"kind": "landed", "text": "did the restart happen?"}
        await rows.move(tx, run_id, "needs_person", T0, question=question)
        await judge(tx, incident_id, T0)
    watch = Watch(store, clock)
    for _ in range(2):
        await clock.advance(30 * 60)
        assert await watch.escalator.judge_due() == 1
        assert await watch.escalator.judge_due() == 0
    told = await messages_of(store, incident_id)
    assert [cause for _, _, cause, _ in told] == [f"needs_person:{run_id}{suffix}" for suffix in ("", "#1", "#2")]
    assert {key for key, _, _, _ in told} == {f"{incident_id}/L1"}
    async with store.read() as connection:
        assert await connection.scalar(select(runs_table.c.reminders).where(runs_table.c.id == run_id)) == 2
    outbox_rows = (await story_of(store, incident_id)).outbox
    assert "needs your answer (reminder 2): did the restart happen?" in outbox_rows[2]["message"]["summary"]
    asked = outbox_rows[0]["message"]["custom_details"]["do_next"][0]
    assert f"remediator runs answer {run_id} --landed yes|no|unknown" in asked


async def test_one_incident_that_cannot_be_judged_does_not_silence_the_others(
    store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        broken = await rows.join(tx, target="kubernetes/prod/shop/deployment/broken")
        whole = await rows.join(tx)
        for incident_id in (broken, whole):
            await rows.fire(tx, incident_id)
    story = incidents.story

    async def fails(connection: Connection, incident_id: str, **more: Any) -> Story | None:
        if incident_id == broken:
            raise ValueError("a defect")
        return await story(connection, incident_id, **more)

    monkeypatch.setattr(incidents, "story", fails)
    await clock.advance(300)
    watch = Watch(store, clock)
    assert await watch.escalator.judge_due() == 2
    assert await messages_of(store, broken) == []
    assert len(await messages_of(store, whole)) == 1
    assert (await row_of(store, broken)).look_again_at == clock.now() + timedelta(seconds=30)
