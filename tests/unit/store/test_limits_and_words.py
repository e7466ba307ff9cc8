"""Ledger, pauses, approvals, decisions, due episodes: what limits and orders are read from."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from remediator.alerts.severity import Severity
from remediator.decision.facts import ChangeFact, LedgerFacts, Limits, Used
from remediator.ids import intent_id
from remediator.playbooks.rules import Budget
from remediator.runs.cursor import Cursor, Outcome, Phase
from remediator.store import approvals, decisions, episodes, journal, ledger, meta, pauses, runs
from remediator.store.database import Store, Tx
from remediator.store.decisions import Answer
from remediator.store.schema import decisions as decisions_table
from remediator.targets import Target
from tests.support import incidents as rows
from tests.support import runs as made
from tests.support.clock import T0
from tests.support.facts import TARGET, plan

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ORDERS = Target.kubernetes("prod", "shop", "deployment", "orders")
FAILED = Cursor(Phase.ENDED, since=T0, outcome=Outcome.FAILED, note="refused")


class TestLedger:
    async def found(self, store: Store, now: datetime, **how: Any) -> LedgerFacts:
        asked: dict[str, Any] = {
            "mode": "live",
            "playbook": "restart-it",
            "target": str(TARGET),
            "budget": Budget(runs=1, per=HOUR),
            "limits": Limits(total=2, total_per_playbook=2, per=10 * MINUTE),
            "without": None,
        }
        async with store.read() as connection:
            return await ledger.facts(connection, now=now, **(asked | how))

    async def test_a_reservation_counts_at_once_but_is_no_change(self, store: Store) -> None:
        run_id = await made.admit(store, await made.episode(store))
        found = await self.found(store, T0)
        assert (found.last_change, found.runs_on_target, found.of_everything) == (None, Used(1, T0 + HOUR), Used(1))
        own = await self.found(store, T0, without=run_id)
        assert own == LedgerFacts(), "what the run itself reserved never counts against it (S10)"

    async def test_each_count_has_its_own_reach(self, store: Store) -> None:
        of = await made.episode(store)
        await made.admit(store, of, target=ORDERS)
        await made.admit(store, of, playbook="another")
        await made.admit(store, of, mode="dry-run")
        found = await self.found(store, T0)
        assert (found.runs_on_target, found.of_playbook) == (Used(0), Used(1))
        assert found.of_everything == Used(2, T0 + 10 * MINUTE)
        late = await self.found(store, T0 + 10 * MINUTE)
        assert late.of_everything == Used()

    async def test_more_runs_than_allowed_are_free_later_not_sooner(self, store: Store) -> None:
        of = await made.episode(store)
        for number, ago in enumerate((50, 30, 10)):
            target = Target.kubernetes("prod", "shop", "deployment", f"shop-{number}")
            await made.admit(store, of, target=target, at=T0 - ago * MINUTE)
        limits = Limits(total=2, total_per_playbook=2, per=HOUR)
        assert (await self.found(store, T0, limits=limits)).of_everything == Used(3, T0 + 30 * MINUTE)

    async def test_a_diagnosis_is_no_change_but_its_playbook_does_not_repeat_it_at_once(self, store: Store) -> None:
        await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        async with store.begin(Tx.BEGIN_STEP) as tx:
            await runs.move(tx, run, Cursor(Phase.APPLY, since=T0, attempts=1))
            await journal.begin(
                tx, intent_id=intent_id(run.id, 0, 0, "apply"), run_id=run.id, remedy="look", direction="apply",
                plan=plan(target=run.where), fence=run.fence, now=T0,
            )  # fmt: skip
        await made.end(store, run, Cursor(Phase.ENDED, since=T0, outcome=Outcome.INFORMED, note="seen"))
        assert (await self.found(store, T0)).last_change == ChangeFact(T0, "restart-it", "informed", only_looked=True)
        assert (await self.found(store, T0, playbook="another")).last_change is None
        assert (await self.found(store, T0)).runs_on_target.runs == 1, "it counts for the budget"

    async def test_a_late_change_counts_from_when_it_was_made(self, store: Store) -> None:
        await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        await made.begin(store, run, at=T0 + 50 * MINUTE)
        found = await self.found(store, T0 + 70 * MINUTE)
        assert found.runs_on_target == Used(1, T0 + 110 * MINUTE), "from when the change was made, not the admission"
        assert found.last_change is not None
        assert (found.last_change.at, found.last_change.outcome) == (T0 + 50 * MINUTE, None)

    async def test_the_cooldown_is_of_the_target_whoever_changed_it(self, store: Store) -> None:
        of = await made.episode(store)
        await made.admit(store, of, playbook="another")
        (run,) = await made.claim(store)
        await made.begin(store, run, at=T0)
        await made.end(store, run, FAILED)
        last = (await self.found(store, T0 + MINUTE)).last_change
        assert last is not None
        assert (last.at, last.playbook, last.outcome) == (T0, "another", "failed")
        assert (await self.found(store, T0, mode="dry-run")).last_change is None
        assert (await self.found(store, T0, target=str(ORDERS))).last_change is None


class TestPauses:
    @pytest.mark.parametrize(
        ("scope", "covers"),
        [
            ("all", True),
            ("playbook:restart-it", True),
            ("playbook:restart", False),
            ("namespace:prod/shop", True),
            ("namespace:prod/sho", False),
            ("namespace:staging/shop", False),
            (f"target:{TARGET}", True),
            (f"target:{ORDERS}", False),
        ],
    )
    async def test_a_scope_covers_what_it_names_both_before_and_after_an_effect(
        self, store: Store, scope: str, covers: bool
    ) -> None:
        await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        await made.begin(store, run)
        async with store.begin(Tx.OPERATE) as tx:
            await pauses.begin(tx, scope=scope, by="ada", reason="release", remind_at=None, now=T0)
            standing = await pauses.covering(tx, "restart-it", TARGET)
            begun = await pauses.effects_begun(tx, scope)
        assert bool(standing) is covers
        assert [one["run_id"] for one in begun] == ([run.id] if covers else [])

    async def test_it_ends_only_by_its_own_scope(self, store: Store) -> None:
        async with store.begin(Tx.OPERATE) as tx:
            for scope in ("all", "all", "playbook:restart-it"):
                await pauses.begin(tx, scope=scope, by="ada", reason="x", remind_at=None, now=T0)
            assert await pauses.end(tx, scope="all", by="bob", now=T0) == 2
            assert [fact.scope for fact in await pauses.standing(tx)] == ["playbook:restart-it"]
            assert await pauses.end(tx, scope="all", by="bob", now=T0) == 0

    @pytest.mark.parametrize(("state", "waits"), [("done", False), ("failed", False), ("unsettled", True)])
    async def test_only_what_is_not_settled_is_waited_for(self, store: Store, state: str, waits: bool) -> None:
        await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        cursor = await made.begin(store, run)
        async with store.begin(Tx.END_STEP) as tx:
            await journal.settle(tx, intent_id(run.id, 0, 0, "apply"), state=state, now=T0)
            assert bool(await pauses.effects_begun(tx, "all")) is waits
        ended = replace(cursor, phase=Phase.ENDED, outcome=Outcome.UNKNOWN, note="nobody knows")
        await made.end(store, run, ended)
        async with store.read() as connection:
            assert await pauses.effects_begun(connection, "all") == [], "a person has ended it"


async def test_a_later_attempt_at_a_step_keeps_its_first_begun_mark(store: Store) -> None:
    await made.admit(store, await made.episode(store))
    (run,) = await made.claim(store)
    for at in (T0, T0 + MINUTE):
        await made.begin(store, run, at=at)
    async with store.read() as connection:
        (step,) = await journal.of_run(connection, run.id)
    assert (step.attempts, step.first_begun_at, step.begun_at, step.state) == (2, T0, T0 + MINUTE, "begun")
    assert (await made.get(store, run.id)).changed_at == T0


class TestApprovals:
    async def ask(self, store: Store) -> str:
        run_id = await made.admit(store, await made.episode(store), state="approval", wake_at=T0 + HOUR)
        async with store.begin(Tx.DECIDE) as tx:
            await approvals.request(tx, run_id=run_id, plan_hash="h", plan={}, now=T0, expires_at=T0 + HOUR)
        return run_id

    async def say(self, store: Store, run_id: str, said: str, **how: Any) -> str | None:
        words: dict[str, Any] = {"plan_hash": "h", "by": "ada", "reason": "ok", "now": T0}
        async with store.begin(Tx.OPERATE) as tx:
            return await approvals.answer(tx, run_id=run_id, said=said, **(words | how))

    async def test_the_first_answer_wins_and_wakes_the_run(self, store: Store) -> None:
        run_id = await self.ask(store)
        assert await self.say(store, run_id, "rejected", plan_hash=None) is None
        assert await self.say(store, run_id, "approved") == "it was rejected at 12:00:00Z by ada"
        assert (await made.get(store, run_id)).wake_at == T0

    async def test_a_yes_is_bound_to_the_plan_that_was_shown(self, store: Store) -> None:
        run_id = await self.ask(store)
        for plan_hash in ("other", None):
            assert "look at it again" in str(await self.say(store, run_id, "approved", plan_hash=plan_hash))
        assert await self.say(store, run_id, "approved") is None

    async def test_a_late_or_misdirected_answer_does_nothing(self, store: Store) -> None:
        run_id = await self.ask(store)
        assert "expired" in str(await self.say(store, run_id, "approved", now=T0 + HOUR))
        assert await self.say(store, "run_none", "approved") == "this run waits for no approval"
        assert (await made.get(store, run_id)).wake_at == T0 + HOUR


class TestDecisions:
    DENIED = Answer(
        playbook="restart-it",
        revision="r1",
        verdict="deny",
        kind="wait",
        target=str(TARGET),
        reasons=({"guard": "one_run", "code": "target_busy", "kind": "wait", "text": "run_1"},),
        plan=None,
        decide_again_at=T0 + MINUTE,
    )

    async def record(self, store: Store, of: tuple[str, str], *answers: Answer, mode: str = "live") -> bool:
        async with store.begin(Tx.DECIDE) as tx:
            return await decisions.record(tx, episode_id=of[1], incident_id=of[0], mode=mode, answers=answers, now=T0)

    async def standing(self, store: Store) -> list[tuple[str | None, str, int, str]]:
        async with store.read() as connection:
            found = await connection.execute(select(decisions_table).where(decisions_table.c.current))
            return sorted((row.playbook, row.verdict, row.times, row.mode) for row in found)

    async def test_an_unchanged_answer_raises_its_counter_and_shows_its_newest_words(self, store: Store) -> None:
        of = await made.episode(store)
        assert await self.record(store, of, self.DENIED)
        reworded = replace(self.DENIED, reasons=({**self.DENIED.reasons[0], "text": "run_2"},))
        assert not await self.record(store, of, replace(reworded, decide_again_at=T0 + HOUR))
        assert await self.standing(store) == [("restart-it", "deny", 2, "live")]
        async with store.read() as connection:
            (row,) = await decisions.listing(connection, episode_id=of[1])
        assert (row["reasons"][0]["text"], row["decide_again_at"]) == ("run_2", T0 + HOUR)

    async def test_a_changed_answer_is_a_new_row_and_the_old_one_stays_in_the_story(self, store: Store) -> None:
        of = await made.episode(store)
        await self.record(store, of, self.DENIED)
        assert await self.record(store, of, replace(self.DENIED, verdict="run", kind=None, reasons=(), run_id="run_1"))
        assert await self.standing(store) == [("restart-it", "run", 1, "live")]
        async with store.read() as connection:
            assert len(await decisions.listing(connection)) == 2

    async def test_a_playbook_that_matches_no_more_stops_standing(self, store: Store) -> None:
        of = await made.episode(store)
        await self.record(store, of, self.DENIED, replace(self.DENIED, playbook="another"))
        nobody = replace(self.DENIED, playbook=None, verdict="no_playbook", kind=None, reasons=())
        assert await self.record(store, of, nobody)
        assert await self.standing(store) == [(None, "no_playbook", 1, "live")]
        assert not await self.record(store, of, nobody)

    async def test_an_answer_of_another_mode_is_a_row_of_its_own(self, store: Store) -> None:
        """S21: the mode of a row is fixed when it is made."""
        of = await made.episode(store)
        await self.record(store, of, self.DENIED, mode="dry-run")
        assert await self.record(store, of, self.DENIED, mode="live")
        assert await self.standing(store) == [("restart-it", "deny", 1, "live")]


async def test_the_most_urgent_episode_is_decided_first_and_waiting_lifts_the_others(store: Store) -> None:
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        fired = {
            name: await rows.fire(tx, incident_id, severity=severity, rank=severity.rank, decide_again_at=T0 - waited)
            for name, severity, waited in (
                ("critical", Severity.CRITICAL, timedelta(0)),
                ("high", Severity.HIGH, timedelta(seconds=30)),
                ("low, long", Severity.LOW, 4 * MINUTE),
                ("not due", Severity.CRITICAL, -MINUTE),
            )
        }
        due = [episode.id for episode in await episodes.due(tx, T0, limit=9)]
        assert due == [fired[name] for name in ("low, long", "critical", "high")]
        assert [episode.id for episode in await episodes.due(tx, T0, limit=1)] == [fired["low, long"]]
        assert await episodes.next_due_at(tx) == T0 - 4 * MINUTE


async def test_a_set_of_playbooks_is_made_active_once(store: Store) -> None:
    made_active = []
    for set_hash in ("a", "a", "b", "a"):
        async with store.begin(Tx.MARK) as tx:
            made_active.append(await meta.activate_set(tx, set_hash=set_hash, playbooks={"p": set_hash}, now=T0))
    assert made_active == [True, False, True, True]
