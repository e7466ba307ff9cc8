"""Runs, locks and ledger in a real store, in any order of admissions, claims by several processes, crashes, late writes, waits,
cancels, answers, reverses and restarts: after every step the store says what a model in plain Python says."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from remediator.ids import intent_id
from remediator.runs import undo
from remediator.runs.cursor import Phase
from remediator.store import approvals, claims, journal, pauses, reverses, runs
from remediator.store.database import Tx
from remediator.store.runs import LostClaimError, RunRow
from remediator.store.schema import ledger, locks
from remediator.store.schema import runs as runs_table
from remediator.targets import Target
from tests.support import runs as made
from tests.support.clock import T0
from tests.support.new_store import NewStore
from tests.support.runs_model import BUSY, GRACE, LEASE, Model, Run

HOUR = timedelta(hours=1)
CHECKOUT = Target.kubernetes("prod", "shop", "deployment", "checkout")
TARGETS = (
    CHECKOUT,
    Target.kubernetes("prod", "shop", "pod", "checkout-7f9c-x2k4d", CHECKOUT),
    Target.kubernetes("prod", "shop", "deployment", "orders"),
    Target.kubernetes("prod", "", "namespace", "shop"),
    Target.kubernetes("prod", "", "node", "worker-1"),
    Target.kubernetes("prod", "", "node", "worker-2"),
)
OWNERS = ("one", "two", "three")


class StoreMachine(RuleBasedStateMachine):
    """Claims are kept after they are lost: a frozen process writes late."""

    ids = Bundle("ids")
    held = Bundle("held")

    def __init__(self, make_store: NewStore) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.store = self.loop.run(self.stack.enter_async_context(make_store()))
        self.of = self.loop.run(made.episode(self.store))
        self.model = Model()
        self.now = T0
        self.in_hand: dict[str, set[str]] = {owner: set() for owner in OWNERS}

    def teardown(self) -> None:
        self.loop.run(self.stack.aclose())
        self.loop.close()

    def do(self, tx: Tx, work: Any, **how: Any) -> Any:
        """One transaction of it."""

        async def done() -> Any:
            async with self.store.begin(tx) as connection:
                return await work(connection, **how)

        return self.loop.run(done())

    @rule(target=ids, where=st.sampled_from(TARGETS))
    def a_decision_admits(self, where: Target) -> Any:
        stands_in_the_way = self.model.active_on(where)
        try:
            run_id = self.loop.run(made.admit(self.store, self.of, target=where, at=self.now))
        except IntegrityError:
            assert stands_in_the_way
            return multiple()
        assert not stands_in_the_way, "two active runs on one target"
        self.model.runs[run_id] = Run(run_id, where, "ready", self.now)
        return run_id

    @rule(target=ids, where=st.sampled_from(TARGETS))
    def a_decision_asks_for_approval(self, where: Target) -> str:
        until = self.now + HOUR
        run_id = self.loop.run(
            made.admit(self.store, self.of, target=where, state="approval", at=self.now, wake_at=until)
        )
        self.do(Tx.DECIDE, approvals.request, run_id=run_id, plan_hash="h", plan={}, now=self.now, expires_at=until)
        self.model.runs[run_id] = Run(run_id, where, "approval", until, expires_at=until)
        return run_id

    @rule(run_id=ids, said=st.sampled_from(["approved", "rejected"]))
    def somebody_answers_a_request(self, run_id: str, said: str) -> None:
        run = self.model.runs[run_id]
        how = {"plan_hash": "h", "by": "ada", "reason": "", "now": self.now}
        why_not = self.do(Tx.OPERATE, approvals.answer, run_id=run_id, said=said, **how)
        counts = run.expires_at is not None and not run.answered and self.now < run.expires_at
        assert (why_not is None) is counts
        if counts:
            run.answered = said
            run.wake_at = self.now if run.state == "approval" else run.wake_at

    @rule(target=held, owner=st.sampled_from(OWNERS))
    def a_process_claims_one(self, owner: str) -> Any:
        return multiple(*self.claim(owner, limit=1))

    @rule(target=held, owner=st.sampled_from(OWNERS))
    def a_process_claims_all_and_begins(self, owner: str) -> Any:
        got = self.claim(owner, limit=99)
        for one in got:
            self.a_step_is_begun(one)
        return multiple(*got)

    @rule(target=held, frozen=st.sampled_from(OWNERS), other=st.sampled_from(OWNERS))
    def a_process_freezes_and_another_takes_over(self, frozen: str, other: str) -> Any:
        first = self.claim(frozen, limit=99)
        self.now += LEASE + GRACE + timedelta(seconds=1)
        second = self.claim(other, limit=99)
        self.now += timedelta(seconds=1)
        self.a_process_beats(frozen)
        return multiple(*first, *second)

    @rule(target=ids, where=st.sampled_from(TARGETS))
    def a_yes_comes_before_another_decision(self, where: Target) -> Any:
        """Its run is due first, and finds one that is admitted and has taken no lock yet."""
        asked = self.a_decision_asks_for_approval(where)
        self.somebody_answers_a_request(asked, "approved")
        self.now += timedelta(seconds=1)
        admitted = self.a_decision_admits(where)
        self.claim(OWNERS[0], limit=1)
        return multiple(asked, *([admitted] if isinstance(admitted, str) else []))

    def claim(self, owner: str, limit: int) -> list[RunRow]:
        due = {run.id: run for run in self.model.runs.values() if run.due(self.now)}
        how = {"now": self.now, "lease_until": self.now + LEASE, "grace": GRACE}
        got: list[RunRow] = self.do(Tx.CLAIM_RUNS, claims.claim_due, mode="live", owner=owner, limit=limit, **how)
        for row in got:
            run = due.pop(row.id)
            assert row.fence == run.fence + 1, "every claim raises the fence"
            run.owner, run.fence, run.lease_until = owner, row.fence, self.now + LEASE
            if run.takes_locks:
                assert not self.model.in_the_way(run)
                run.state, run.locked = "running", True
            assert (row.state, row.owner) == (run.state, owner)
        self.in_hand[owner] |= {row.id for row in got}
        put_off = 0
        for run in due.values():
            row = self.loop.run(made.get(self.store, run.id))
            if limit > 1 or row.wake_at != run.wake_at:
                assert run.takes_locks, "nothing keeps it from being ended"
                assert self.model.in_the_way(run), "left although its target was free"
                run.wake_at = self.now + BUSY
                put_off += 1
        assert limit > 1 or not due or len(got) + put_off == 1
        return got

    @rule(owner=st.sampled_from(OWNERS))
    def a_process_beats(self, owner: str) -> None:
        mine = sorted(self.in_hand[owner])
        until = self.now + LEASE
        found = self.do(Tx.HEARTBEAT, claims.heartbeat, owner=owner, run_ids=mine, lease_until=until)
        for run in map(self.model.runs.__getitem__, mine):
            assert found[run.id] == (run.owner, run.fence)
            if run.owner == owner:
                run.lease_until = until

    @rule(owner=st.sampled_from(OWNERS))
    def a_process_dies(self, owner: str) -> None:
        self.in_hand[owner].clear()

    @rule(claim=held)
    def a_step_is_begun(self, claim: RunRow) -> None:
        if claim.state == "running" and self.writes(claim, made.begin(self.store, claim, at=self.now)):
            run = self.model.runs[claim.id]
            run.begun = run.applying = run.unsettled = True

    @rule(target=ids, claim=held, for_a_time=st.booleans())
    def a_step_is_done(self, claim: RunRow, for_a_time: bool) -> Any:
        if not (run := self.model.runs[claim.id]).applying:
            return multiple()
        due_at = self.now + HOUR

        async def settle() -> str:
            async with self.store.begin(Tx.END_STEP) as tx:
                await runs.move(tx, claim, run.cursor(Phase.VERIFY, self.now))
                await journal.settle(tx, intent_id(claim.id, 0, 0, "apply"), state="done", now=self.now)
                if run.reverses is not None or not for_a_time:
                    return ""
                back = undo.reverse(claim.id, 0, 0, due_at)
                how = {"due_at": due_at, "deadline_at": due_at + HOUR, "now": self.now}
                return await reverses.schedule_reverse(tx, claim, back, **how)

        if not (made_id := self.writes(claim, settle())):
            return multiple()
        run.applying = run.unsettled = False
        if made_id is True or made_id in self.model.runs:
            return multiple()
        self.model.runs[made_id] = Run(made_id, run.target, "scheduled", due_at, reverses=claim.id)
        return made_id

    @rule(claim=held, seconds=st.integers(0, 40))
    def a_run_waits(self, claim: RunRow, seconds: int) -> None:
        run, wake_at = self.model.runs[claim.id], self.now + timedelta(seconds=seconds)
        cursor = run.cursor(Phase.VERIFY if run.begun else Phase.CHECK, self.now)
        if self.writes(claim, made.park(self.store, claim, cursor, wake_at=wake_at)):
            run.freed(run.cancel_at or wake_at, "waiting")

    @rule(claim=held)
    def a_run_needs_a_person(self, claim: RunRow) -> None:
        if not (run := self.model.runs[claim.id]).begun:
            return
        if self.writes(
            claim, made.park(self.store, claim, run.cursor(Phase.PERSON, self.now), wake_at=None, state="needs_person")
        ):
            run.freed(run.cancel_at, "needs_person")

    @rule(claim=held)
    def a_run_ends(self, claim: RunRow) -> None:
        run = self.model.runs[claim.id]
        if self.writes(claim, made.end(self.store, claim, run.cursor(Phase.ENDED, self.now), at=self.now)):
            run.ended()

    def writes(self, claim: RunRow, writing: Any) -> Any:
        """Only the newest claim of a run may write; every other is told so, and nothing of it is written."""
        allowed = self.model.current(claim)
        try:
            said = self.loop.run(writing)
        except LostClaimError:
            assert not allowed
            return False
        assert allowed, "a process that lost its claim has written"
        return said or True

    @rule(run_id=ids)
    def somebody_cancels(self, run_id: str) -> None:
        run = self.model.runs[run_id]
        asked = self.do(Tx.OPERATE, runs.ask_cancel, run_id=run_id, by="ada", now=self.now)
        assert asked is (run.state != "ended")
        if asked:
            run.cancel_at, run.wake_at = run.cancel_at or self.now, self.now

    @rule(run_id=ids)
    def somebody_answers_a_run(self, run_id: str) -> None:
        run = self.model.runs[run_id]
        given = self.do(Tx.OPERATE, runs.give_answer, run_id=run_id, said="yes", by="ada", reason="", now=self.now)
        assert given is (run.state == "needs_person")
        if given:
            run.wake_at = self.now

    @rule(run_id=ids)
    def a_run_is_withdrawn(self, run_id: str) -> None:
        run = self.model.runs[run_id]
        how = {"outcome": "cancelled", "reason": "gone", "now": self.now}
        gone = self.do(Tx.DECIDE, runs.end_unclaimed, run_id=run_id, **how)
        assert gone is (run.state != "ended" and run.owner is None and not run.begun)
        if gone:
            run.ended()

    @rule()
    def every_process_is_gone_and_one_starts(self) -> None:
        taken = self.do(Tx.RECOVER, claims.recover, now=self.now)
        assert set(taken) == {run.id for run in self.model.runs.values() if run.owner is not None}
        for run in map(self.model.runs.__getitem__, taken):
            run.freed(self.now if run.applying else run.wake_at or self.now, run.state)
        for hand in self.in_hand.values():
            hand.clear()

    @rule(scope=st.sampled_from(["all", "playbook:restart-it"]), begins=st.booleans())
    def somebody_pauses_or_resumes(self, scope: str, begins: bool) -> None:
        if begins:
            self.do(Tx.OPERATE, pauses.begin, scope=scope, by="ada", reason="", remind_at=None, now=self.now)
            self.model.pauses[scope] = self.model.pauses.get(scope, 0) + 1
        else:
            ended = self.do(Tx.OPERATE, pauses.end, scope=scope, by="ada", now=self.now)
            assert ended == self.model.pauses.pop(scope, 0)

    @rule(seconds=st.sampled_from([1, 15, 35, 3601]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        self.loop.run(self.compare())

    async def compare(self) -> None:
        model, known = self.model, self.model.runs
        async with self.store.read() as connection:
            rows = {row.id: row for row in await runs.listing(connection, limit=1000)}
            held = {
                tuple(row) for row in await connection.execute(select(locks.c.run_id, locks.c.scope, locks.c.exclusive))
            }
            leases = await connection.execute(select(runs_table.c.id, runs_table.c.lease_until))
            lease_of = {row.id: row.lease_until for row in leases}
            counted = set((await connection.execute(select(ledger.c.run_id))).scalars())
            standing = [one.scope for one in await pauses.standing(connection)]
            begun = {row["run_id"] for row in await pauses.effects_begun(connection, pauses.ALL)}
            next_at = await claims.next_due_at(connection, "live", grace=GRACE)
        assert set(rows) == set(known), "no run is lost and none appears"
        for run in known.values():
            row = rows[run.id]
            assert (row.state, row.owner, row.fence, row.wake_at) == (run.state, run.owner, run.fence, run.wake_at), run
            assert lease_of[run.id] == run.lease_until
            stuck = run.wake_at is None and run.owner is None
            assert not stuck or run.state in ("ended", "needs_person"), "nothing would ever move it on"
        assert held == set(model.locks())
        exclusive = [scope for _, scope, alone in held if alone]
        assert len(exclusive) == len(set(exclusive)), "one target, one holder"
        active = [run.target for run in known.values() if run.active]
        assert len(active) == len(set(active)), "one active run a target"
        assert all(run.locked for run in known.values() if run.begun and run.state != "ended"), (
            "what began keeps its target"
        )
        assert counted == model.counted()
        assert sorted(standing) == sorted(scope for scope, count in model.pauses.items() for _ in range(count))
        assert begun == {run.id for run in known.values() if run.unsettled and run.state != "ended"}
        if any(run.due(self.now) for run in known.values()):
            assert next_at is not None, "nobody would look for it"
            assert next_at <= self.now


def play(make_store: NewStore, examples: int) -> None:
    """Each opens a store and takes some fifty transactions; examples of the profile `fast` are a tenth of those of `deep`."""

    class Machine(StoreMachine):
        def __init__(self) -> None:
            super().__init__(make_store)

    profile = settings()
    how = settings(profile, max_examples=max(5, examples * profile.max_examples // 250), stateful_step_count=50)
    run_state_machine_as_test(Machine, settings=how)


@pytest.mark.slow
@pytest.mark.parametrize("make_store", ["sqlite"], indirect=True)
def test_runs_locks_and_ledger_keep_their_promises(make_store: NewStore) -> None:
    play(make_store, 100)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.live
@pytest.mark.parametrize("make_store", ["postgresql"], indirect=True)
def test_and_so_they_do_on_postgresql(make_store: NewStore) -> None:
    play(make_store, 12)
