"""Runs, locks and ledger in a real store, under any order of admissions, claims, waits, ends, crashes and cancels."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from remediator.runs.cursor import Cursor, Outcome, Phase
from remediator.store import approvals, claims, runs
from remediator.store.database import Store, Tx
from remediator.store.runs import ACTIVE_STATES, LostClaimError, RunRow
from remediator.store.schema import approvals as approvals_table
from remediator.store.schema import ledger, locks
from remediator.targets import Target
from tests.support import runs as made
from tests.support.clock import T0
from tests.support.new_store import NewStore

TARGETS = [Target.kubernetes("prod", space, "deployment", name) for space, name in (("a", "b"), ("a", "c"), ("d", "b"))]
OWNERS = ("one", "two")
HOUR = timedelta(hours=1)

orders = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "admit",
                "admit",
                "request",
                "approve",
                "claim",
                "claim",
                "claim",
                "begin",
                "begin",
                "park",
                "end",
                "end",
                "cancel",
                "answer",
                "recover",
                "withdraw",
                "beat",
                "time",
            ]
        ),
        st.integers(0, 11),
    ),
    max_size=40,
)


@dataclass
class Model:
    """What must be true of the store, kept by hand."""

    store: Store
    of: tuple[str, str]
    now: timedelta = timedelta(0)
    begun: set[str] = field(default_factory=set)
    claims: list[RunRow] = field(default_factory=list)
    """Every claim that was ever made; only the newest of a run may write."""

    async def every(self) -> list[RunRow]:
        async with self.store.read() as connection:
            return await runs.listing(connection, limit=1000)

    async def do(self, order: str, number: int) -> None:
        at = T0 + self.now
        target, claim = TARGETS[number % 3], self.claims[-1 - number % len(self.claims)] if self.claims else None
        existing = await self.every()
        run = existing[number % len(existing)] if existing else None
        match order:
            case "admit":
                active = any(one.target == str(target) and one.state in ACTIVE_STATES for one in existing)
                try:
                    await made.admit(self.store, self.of, target=target, at=at)
                    assert not active, "two active runs on one target"
                except IntegrityError:
                    assert active
            case "request":
                run_id = await made.admit(
                    self.store, self.of, target=target, state="approval", at=at, wake_at=at + HOUR
                )
                async with self.store.begin(Tx.DECIDE) as tx:
                    await approvals.request(tx, run_id=run_id, plan_hash="h", plan={}, now=at, expires_at=at + HOUR)
            case "approve" if run is not None:
                async with self.store.begin(Tx.OPERATE) as tx:
                    await approvals.answer(
                        tx, run_id=run.id, plan_hash="h", said="approved", by="ada", reason="", now=at
                    )
            case "claim":
                owner = OWNERS[number % 2]
                got = await made.claim(self.store, owner=owner, at=at, limit=1 + number % 3)
                for one in got:
                    former = [old.fence for old in self.claims if old.id == one.id]
                    assert all(one.fence > fence for fence in former), "every claim raises the fence"
                self.claims += got
            case "begin" if claim is not None and claim.state != "approval":
                if await self.write(claim, made.begin(self.store, claim, at=at)):
                    self.begun.add(claim.id)
            case "park" if claim is not None:
                began = claim.id in self.begun
                cursor = Cursor(Phase.VERIFY, since=at, changed=True) if began else Cursor(Phase.CHECK, since=at)
                await self.write(claim, made.park(self.store, claim, cursor, wake_at=at + timedelta(seconds=number)))
            case "end" if claim is not None:
                ended = Cursor(Phase.ENDED, since=at, outcome=Outcome.FAILED, note="refused")
                await self.write(claim, made.end(self.store, claim, ended, at=at))
            case "cancel" if run is not None:
                async with self.store.begin(Tx.OPERATE) as tx:
                    assert await runs.ask_cancel(tx, run.id, by="ada", now=at) is (run.state != "ended")
            case "answer" if run is not None:
                async with self.store.begin(Tx.OPERATE) as tx:
                    assert not await runs.give_answer(tx, run.id, said="yes", by="ada", reason="", now=at)
            case "recover":
                async with self.store.begin(Tx.RECOVER) as tx:
                    await claims.recover(tx, now=at)
            case "withdraw" if run is not None:
                async with self.store.begin(Tx.DECIDE) as tx:
                    ended_it = await runs.end_unclaimed(tx, run.id, outcome="cancelled", reason="gone", now=at)
                assert not (ended_it and run.id in self.begun), "what began is never just dropped"
            case "beat":
                async with self.store.begin(Tx.HEARTBEAT) as tx:
                    ids = [one.id for one in self.claims if one.owner == OWNERS[number % 2]]
                    await claims.heartbeat(tx, owner=OWNERS[number % 2], run_ids=ids, lease_until=at + made.LEASE)
            case "time":
                self.now += timedelta(seconds=(2, 31, 3601)[number % 3])

    async def write(self, claim: RunRow, writing: object) -> bool:
        """Only the holder of the newest claim may write; everybody else is told."""
        stands = await made.get(self.store, claim.id)
        holds = (stands.owner, stands.fence) == (claim.owner, claim.fence)
        try:
            await writing  # type: ignore[misc]
        except LostClaimError:
            assert not holds
            return False
        assert holds, "a process that lost its claim has written"
        return True

    async def check(self) -> None:
        existing = await self.every()
        async with self.store.read() as connection:
            held = list(await connection.execute(select(locks)))
            counted = set((await connection.execute(select(ledger.c.run_id))).scalars())
            yes = set(
                (
                    await connection.execute(
                        select(approvals_table.c.run_id).where(approvals_table.c.answer == "approved")
                    )
                ).scalars()
            )
            asked = set((await connection.execute(select(approvals_table.c.run_id))).scalars())
        scopes: dict[str, set[tuple[str, bool]]] = {}
        for lock in held:
            scopes.setdefault(lock.run_id, set()).add((lock.scope, lock.exclusive))
        alone = [lock.scope for lock in held if lock.exclusive]
        assert len(alone) == len(set(alone)), "one target, one holder"
        assert not {lock.scope for lock in held if not lock.exclusive} & set(alone)
        active = [run.target for run in existing if run.state in ACTIVE_STATES]
        assert len(active) == len(set(active)), "one active run a target"
        for run in existing:
            wanted = {(f"live|{scope}", kind == "exclusive") for kind, of in run.where.scopes().items() for scope in of}
            assert scopes.get(run.id, wanted) == wanted, "all or none"
            if run.state == "ended" or run.state in ("ready", "approval"):
                assert run.id not in scopes, f"{run.state} holds no lock (S18)"
            if run.id in self.begun and run.state != "ended":
                assert run.id in scopes, "what began keeps its target to the end"
            if run.id in asked and run.id in scopes:
                assert run.id in yes, "no lock and no effect before the yes"
            assert (run.id in counted) is (run.state != "ended" or run.id in self.begun), "the ledger"
            assert run.owner is None or run.state in ("running", "approval")


async def play(make_store: NewStore, given_orders: list[tuple[str, int]]) -> None:
    async with make_store() as store:
        model = Model(store, await made.episode(store))
        for order, number in given_orders:
            await model.do(order, number)
            await model.check()


@pytest.mark.slow
@pytest.mark.parametrize("make_store", ["sqlite"], indirect=True)
@given(given_orders=orders)
async def test_locks_claims_and_ledger_keep_their_promises(
    make_store: NewStore, given_orders: list[tuple[str, int]]
) -> None:
    await play(make_store, given_orders)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.live
@pytest.mark.parametrize("make_store", ["postgresql"], indirect=True)
@given(given_orders=orders)
@settings(max_examples=25)  # a second each
async def test_and_so_they_do_on_postgresql(make_store: NewStore, given_orders: list[tuple[str, int]]) -> None:
    await play(make_store, given_orders)
