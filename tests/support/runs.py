"""Admitted, claimed and begun runs in a real store."""

from datetime import datetime, timedelta
from typing import Any

from remediator.ids import intent_id
from remediator.runs import machine
from remediator.runs.cursor import Cursor, Phase
from remediator.store import claims, journal, ledger, runs
from remediator.store.database import Connection, Store, Tx
from remediator.store.runs import Admission, RunRow
from remediator.targets import Target
from tests.support import incidents as rows
from tests.support.clock import T0
from tests.support.facts import TARGET, plan

LEASE = timedelta(seconds=30)


async def episode(store: Store) -> tuple[str, str]:
    """An incident with one open alert: their ids."""
    async with store.begin(Tx.DECIDE) as tx:
        incident_id = await rows.join(tx)
        return incident_id, await rows.fire(tx, incident_id)


async def admit(
    store: Store,
    of: tuple[str, str],
    *,
    target: Target = TARGET,
    state: str = "ready",
    mode: str = "live",
    playbook: str = "restart-it",
    at: datetime = T0,
    wake_at: datetime | None = None,
) -> str:
    """A run that is due at once. Returns its id."""
    async with store.begin(Tx.DECIDE) as tx:
        return await admit_in(tx, of, target=target, state=state, mode=mode, playbook=playbook, at=at, wake_at=wake_at)


async def admit_in(
    tx: Connection,
    of: tuple[str, str],
    *,
    target: Target = TARGET,
    state: str = "ready",
    mode: str = "live",
    playbook: str = "restart-it",
    at: datetime = T0,
    wake_at: datetime | None = None,
) -> str:
    """The same, in a transaction of the caller's."""
    admission = Admission(
        mode=mode,
        incident_id=of[0],
        episode_id=of[1],
        playbook=playbook,
        revision="r1",
        snapshot={},
        target=target,
        source="prod",
        needs="snapshot/1",
        cursor=machine.start(0, at),
        wake_at=wake_at or at,
        deadline_at=at + timedelta(hours=1),
    )
    return await runs.admit(tx, admission, state=state, now=at)


async def claim(
    store: Store, *, owner: str = "one", at: datetime = T0, mode: str = "live", limit: int = 9
) -> list[RunRow]:
    """Everything that is due."""
    async with store.begin(Tx.CLAIM_RUNS) as tx:
        return await claims.claim_due(tx, mode=mode, owner=owner, now=at, lease_until=at + LEASE, limit=limit)


async def begin(store: Store, run: RunRow, *, at: datetime = T0) -> Cursor:
    """The first step, marked as begun. Returns the cursor that says so."""
    cursor = Cursor(Phase.APPLY, since=at, attempts=1)
    async with store.begin(Tx.BEGIN_STEP) as tx:
        await runs.move(tx, run, cursor)
        await journal.begin(
            tx,
            intent_id=intent_id(run.id, 0, 0, "apply"),
            run_id=run.id,
            remedy="restart",
            direction="apply",
            plan=plan(target=run.where),
            fence=run.fence,
            now=at,
        )
        await ledger.mark_changed(tx, run.id, at)
    return cursor


async def park(store: Store, run: RunRow, cursor: Cursor, **how: Any) -> None:
    """Give the claim back."""
    async with store.begin(Tx.ADVANCE_RUN) as tx:
        await runs.park(tx, run, cursor, **({"wake_at": None} | how))


async def end(store: Store, run: RunRow, cursor: Cursor, *, at: datetime = T0) -> None:
    """End it."""
    async with store.begin(Tx.ADVANCE_RUN) as tx:
        await runs.end(tx, run, cursor, at)


async def get(store: Store, run_id: str) -> RunRow:
    """As it stands now."""
    async with store.read() as connection:
        run = await runs.get(connection, run_id)
    assert run is not None
    return run
