"""Runs in the store: claims with all locks or none, the fence, waits, cancels, restarts (S16 to S19, engine.md 3 to 5)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from remediator.runs.cursor import Cursor, Outcome, Phase, Question
from remediator.store import approvals, claims, locks, runs
from remediator.store.database import Store, Tx
from remediator.store.runs import LostClaimError
from remediator.store.schema import ledger as ledger_table
from remediator.store.schema import locks as locks_table
from remediator.targets import Target
from tests.support import runs as made
from tests.support.clock import T0
from tests.support.facts import TARGET

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
ORDERS = Target.kubernetes("prod", "shop", "deployment", "orders")
OVERTAKEN = Cursor(Phase.ENDED, since=T0, outcome=Outcome.OVERTAKEN, note="denied")
FAILED = Cursor(Phase.ENDED, since=T0, outcome=Outcome.FAILED, note="refused")


async def held(store: Store) -> dict[str, set[str]]:
    """Exclusive scopes by run."""
    async with store.read() as connection:
        found = await connection.execute(select(locks_table).where(locks_table.c.exclusive))
        by_run: dict[str, set[str]] = {}
        for row in found:
            by_run.setdefault(row.run_id, set()).add(row.scope)
        return by_run


async def counted(store: Store) -> set[str]:
    async with store.read() as connection:
        return set((await connection.execute(select(ledger_table.c.run_id))).scalars())


async def approve(store: Store, run_id: str) -> None:
    async with store.begin(Tx.OPERATE) as tx:
        assert (
            await approvals.answer(tx, run_id=run_id, plan_hash="h", said="approved", by="ada", reason="ok", now=T0)
            is None
        )


async def requested(store: Store, of: tuple[str, str], **how: object) -> str:
    run_id = await made.admit(store, of, state="approval", wake_at=T0 + timedelta(hours=1), **how)  # type: ignore[arg-type]
    async with store.begin(Tx.DECIDE) as tx:
        await approvals.request(tx, run_id=run_id, plan_hash="h", plan={}, now=T0, expires_at=T0 + timedelta(hours=1))
    return run_id


class TestAdmit:
    async def test_never_two_active_runs_on_one_target_and_nothing_of_the_second_stays(self, store: Store) -> None:
        of = await made.episode(store)
        first = await made.admit(store, of)
        with pytest.raises(IntegrityError):
            await made.admit(store, of, playbook="another")
        assert await counted(store) == {first}

    async def test_another_mode_or_target_or_a_request_stands_beside_it(self, store: Store) -> None:
        of = await made.episode(store)
        ids = {
            await made.admit(store, of),
            await made.admit(store, of, mode="dry-run"),
            await made.admit(store, of, target=ORDERS),
            await requested(store, of),
        }
        assert len(ids) == 4

    async def test_a_repeat_after_a_crash_before_the_commit_is_the_same_run(self, store: Store) -> None:
        of = await made.episode(store)
        lost: list[str] = []

        async def crash() -> None:
            async with store.begin(Tx.DECIDE) as tx:
                lost.append(await made.admit_in(tx, of))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await crash()
        assert [await made.admit(store, of)] == lost

    async def test_a_later_attempt_is_another_run_also_when_the_former_left_the_ledger(self, store: Store) -> None:
        of = await made.episode(store)
        first = await made.admit(store, of)
        (run,) = await made.claim(store)
        await made.end(store, run, OVERTAKEN)
        assert await counted(store) == set(), "it changed nothing"
        assert await made.admit(store, of) != first


class TestClaim:
    async def test_it_takes_the_locks_and_raises_the_fence(self, store: Store) -> None:
        run_id = await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        assert (run.id, run.owner, run.fence, run.state) == (run_id, "one", 1, "running")
        assert await made.get(store, run_id) == run
        assert await held(store) == {run_id: {f"live|{TARGET}"}}
        assert await made.claim(store, owner="two") == [], "claimed is claimed"

    async def test_not_before_its_time_nor_of_another_mode(self, store: Store) -> None:
        of = await made.episode(store)
        await made.admit(store, of, wake_at=T0 + SECOND)
        assert await made.claim(store) == []
        assert await made.claim(store, at=T0 + SECOND, mode="dry-run") == []
        assert len(await made.claim(store, at=T0 + SECOND)) == 1

    async def test_runs_below_one_namespace_go_side_by_side(self, store: Store) -> None:
        of = await made.episode(store)
        await made.admit(store, of)
        await made.admit(store, of, target=ORDERS)
        assert len(await made.claim(store)) == 2

    async def test_a_busy_run_is_put_off_without_any_lock_and_others_are_not_held_up(self, store: Store) -> None:
        of = await made.episode(store)
        await made.admit(store, of)
        (running,) = await made.claim(store)
        await made.begin(store, running)
        waiting = await requested(store, of, playbook="another")
        await approve(store, waiting)
        await made.admit(store, of, target=ORDERS, at=T0 + SECOND)
        assert await made.claim(store, at=T0 + SECOND, limit=1) == []
        assert waiting not in await held(store)
        (other,) = await made.claim(store, at=T0 + SECOND, limit=1)
        assert other.where == ORDERS
        assert (await made.get(store, waiting)).wake_at == T0 + 3 * SECOND

    async def test_a_yes_waits_behind_a_run_that_was_admitted_and_has_no_lock_yet(self, store: Store) -> None:
        of = await made.episode(store)
        approved = await requested(store, of)
        admitted = await made.admit(store, of, wake_at=T0 + MINUTE)
        await approve(store, approved)
        assert await made.claim(store) == []
        assert [run.id for run in await made.claim(store, at=T0 + MINUTE)] == [admitted]

    async def test_a_request_is_claimed_without_locks_when_it_expires_and_with_them_after_a_yes(
        self, store: Store
    ) -> None:
        of = await made.episode(store)
        expired, approved = await requested(store, of), await requested(store, of, target=ORDERS)
        assert await made.claim(store) == []
        await approve(store, approved)
        (run,) = await made.claim(store)
        assert (run.id, run.state) == (approved, "running")
        await made.park(store, run, await made.begin(store, run), wake_at=T0 + timedelta(hours=2))
        (run,) = await made.claim(store, at=T0 + timedelta(hours=1))
        assert (run.id, run.state) == (expired, "approval")
        assert set(await held(store)) == {approved}

    async def test_a_lease_that_is_over_is_taken_over_and_the_former_writes_nothing_more(self, store: Store) -> None:
        await made.admit(store, await made.episode(store))
        (former,) = await made.claim(store)
        cursor = await made.begin(store, former)
        assert await made.claim(store, owner="two", at=T0 + made.LEASE) == []
        (run,) = await made.claim(store, owner="two", at=T0 + made.LEASE + SECOND)
        assert (run.owner, run.fence) == ("two", former.fence + 1)
        for write in (made.park, made.end):
            with pytest.raises(LostClaimError):
                await write(store, former, cursor)
        assert await made.get(store, run.id) == run

    async def test_a_heartbeat_renews_only_the_runs_that_it_names(self, store: Store) -> None:
        of = await made.episode(store)
        for target in (TARGET, ORDERS):
            await made.admit(store, of, target=target)
        kept, left = await made.claim(store)
        for owner, run_ids in (("one", [kept.id]), ("two", [left.id]), ("one", [])):
            async with store.begin(Tx.HEARTBEAT) as tx:
                await claims.heartbeat(tx, owner=owner, run_ids=run_ids, lease_until=T0 + timedelta(hours=1))
        assert [run.id for run in await made.claim(store, owner="two", at=T0 + MINUTE)] == [left.id]


class TestWaiting:
    async def test_a_run_that_began_keeps_its_locks_while_it_waits(self, store: Store) -> None:
        await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        cursor = await made.begin(store, run)
        await made.park(store, run, cursor, wake_at=T0 + SECOND)
        assert set(await held(store)) == {run.id}
        parked = await made.get(store, run.id)
        assert (parked.state, parked.owner, parked.wake_at) == ("waiting", None, T0 + SECOND)

    @pytest.mark.parametrize("asked", [False, True])
    async def test_a_run_that_began_nothing_holds_none(self, store: Store, asked: bool) -> None:
        of = await made.episode(store)
        if asked:
            await approve(store, await requested(store, of))
        else:
            await made.admit(store, of)
        (run,) = await made.claim(store)
        await made.park(store, run, Cursor(Phase.CHECK, since=T0), wake_at=T0)
        assert await held(store) == {}
        assert (await made.get(store, run.id)).state == ("approval" if asked else "ready")
        assert [again.id for again in await made.claim(store)] == [run.id], "the yes still counts"

    async def test_a_cancel_that_came_while_it_was_in_hand_is_not_slept_over(self, store: Store) -> None:
        await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        cursor = await made.begin(store, run)
        async with store.begin(Tx.OPERATE) as tx:
            assert await runs.ask_cancel(tx, run.id, by="ada", now=T0)
            assert await runs.ask_cancel(tx, run.id, by="bob", now=T0 + SECOND)
        asks = replace(cursor, phase=Phase.PERSON, question=Question.PAUSED, note="paused")
        await made.park(store, run, asks, state="needs_person")
        (again,) = await made.claim(store, at=T0 + SECOND)
        assert (again.id, again.cancel_by, again.cancel_at) == (run.id, "ada", T0)
        await made.park(store, again, replace(asks, cancelled=True), state="needs_person")
        assert await made.claim(store, at=T0 + MINUTE) == [], "a cancel that was taken wakes nobody again"

    async def test_an_answer_wakes_it_once_and_is_gone_when_it_waits_again(self, store: Store) -> None:
        await made.admit(store, await made.episode(store))
        (run,) = await made.claim(store)
        cursor = replace(await made.begin(store, run), phase=Phase.PERSON, question=Question.LANDED, note="who knows")
        async with store.begin(Tx.OPERATE) as tx:
            assert not await runs.give_answer(tx, run.id, said="yes", by="ada", reason="seen", now=T0)
        await made.park(store, run, cursor, state="needs_person")
        assert (await made.get(store, run.id)).question == {"kind": "landed", "text": "who knows"}
        async with store.begin(Tx.OPERATE) as tx:
            assert await runs.give_answer(tx, run.id, said="yes", by="ada", reason="seen", now=T0)
        (again,) = await made.claim(store)
        assert again.answer == {"said": "yes", "by": "ada", "reason": "seen"}
        await made.park(store, again, cursor, state="needs_person")
        assert (await made.get(store, run.id)).answer is None

    async def test_ready_and_unclaimed_for_too_long_goes_back_also_when_it_was_put_off(self, store: Store) -> None:
        run_id = await made.admit(store, await made.episode(store), wake_at=T0 + 10 * MINUTE)
        async with store.read() as connection:
            assert await claims.stale_ready(connection, mode="live", admitted_before=T0) == []
            assert await claims.stale_ready(connection, mode="live", admitted_before=T0 + SECOND) == [run_id]


class TestEnd:
    @pytest.mark.parametrize("again", [False, True], ids=["same claim", "later claim"])
    async def test_what_began_counts_for_ever_what_did_not_is_released(self, store: Store, again: bool) -> None:
        of = await made.episode(store)
        await made.admit(store, of)
        await made.admit(store, of, target=ORDERS)
        began, untouched = await made.claim(store)
        cursor = await made.begin(store, began)
        if again:
            await made.park(store, began, cursor, wake_at=T0)
            (began,) = await made.claim(store)
        await made.end(store, began, FAILED)
        await made.end(store, untouched, OVERTAKEN)
        assert await held(store) == {}
        assert await counted(store) == {began.id}
        ended = await made.get(store, began.id)
        assert (ended.state, ended.outcome, ended.reason, ended.owner) == ("ended", "failed", "refused", None)

    async def test_a_withdrawn_request_ends_unclaimed_but_never_one_in_hand_or_begun(self, store: Store) -> None:
        of = await made.episode(store)
        waiting = await requested(store, of, playbook="another")
        await made.admit(store, of)
        (run,) = await made.claim(store)
        ends = []
        for run_id in (waiting, waiting, run.id):
            async with store.begin(Tx.DECIDE) as tx:
                ends.append(await runs.end_unclaimed(tx, run_id, outcome="cancelled", reason="gone", now=T0))
        await made.park(store, run, await made.begin(store, run), wake_at=T0)
        async with store.begin(Tx.DECIDE) as tx:
            ends.append(await runs.end_unclaimed(tx, run.id, outcome="cancelled", reason="gone", now=T0))
        assert ends == [True, False, False, False]
        assert Cursor.from_json((await made.get(store, waiting)).cursor).outcome is Outcome.CANCELLED


async def test_recovery_gives_every_claim_back_and_keeps_the_locks_of_what_has_begun(store: Store) -> None:
    of = await made.episode(store)
    await made.admit(store, of)
    await made.admit(store, of, target=ORDERS)
    began, untouched = await made.claim(store)
    await made.begin(store, began)
    async with store.begin(Tx.RECOVER) as tx:
        taken = await claims.recover(tx, now=T0 + SECOND)
    assert set(taken) == {began.id, untouched.id}
    assert set(await held(store)) == {began.id}, "locks outlive a crash, but not without a change (S18)"
    assert (await made.get(store, untouched.id)).state == "ready"
    again = await made.claim(store, at=T0 + SECOND)
    assert {(run.id, run.fence) for run in again} == {(began.id, 2), (untouched.id, 2)}
    with pytest.raises(LostClaimError):
        await made.park(store, began, Cursor(Phase.APPLY, since=T0))


async def test_a_lock_on_something_above_or_below_is_in_the_way(store: Store) -> None:
    of = await made.episode(store)
    run_id = await made.admit(store, of)
    (run,) = await made.claim(store)
    async with store.begin(Tx.CLAIM_RUNS) as tx:
        other = await made.admit_in(tx, of, target=ORDERS)
        assert await locks.take(tx, run_id=run.id, mode="live", target=TARGET, now=T0), "its own are no obstacle"
        assert await locks.holders(tx, mode="live", target=ORDERS, without=None) == ()
        (told,) = await locks.holders(tx, mode="live", target=TARGET, without=other)
        assert told == f"{run_id} of restart-it on {TARGET} (running)"
        above = locks_table.update().where(locks_table.c.scope == "live|kubernetes/prod/shop").values(exclusive=True)
        await tx.execute(above)
        assert await locks.holders(tx, mode="live", target=ORDERS, without=other)
        assert not await locks.take(tx, run_id=other, mode="live", target=ORDERS, now=T0)
        taken = set((await tx.execute(select(locks_table.c.run_id))).scalars())
        assert taken == {run_id}, "all or none"
        assert await locks.holders(tx, mode="dry-run", target=ORDERS, without=None) == ()
