"""Runs that cannot be driven on because remediator itself fails on them: left for a moment, then ended or given to a person (S19)."""

from dataclasses import replace
from datetime import datetime

import structlog

from remediator.engine import reverse
from remediator.engine.tools import Tools
from remediator.runs import machine
from remediator.runs.cursor import Cursor
from remediator.runs.events import Do
from remediator.store import approvals, episodes, incidents, runs
from remediator.store.database import Connection, Tx
from remediator.store.runs import LostClaimError, RunRow

log = structlog.get_logger(__name__)


async def leave(tools: Tools, run: RunRow, *, until: datetime) -> None:
    """Give the claim back; the run is taken up again at ``until`` where its row says that it stands.

    Raises:
        LostClaimError, StoreUnavailableError: nothing was written; the claim ends with its lease.
    """
    async with tools.store.begin(Tx.ADVANCE_RUN) as tx:
        row = await _held(tx, run)
        await runs.park(tx, row, Cursor.from_json(row.cursor), wake_at=until)


async def give_up(tools: Tools, run: RunRow, why: str) -> None:
    """End it, or ask a person what becomes of it. The escalator judges its incident next, in a transaction of its own.

    Raises:
        LostClaimError, StoreUnavailableError: nothing was written; the claim ends with its lease.
    """
    async with tools.store.begin(Tx.ADVANCE_RUN) as tx:
        now = tools.clock.now()
        row = await _held(tx, run)
        cursor, command = machine.stuck(Cursor.from_json(row.cursor), why, rehearsal=row.mode == "dry-run", now=now)
        if command is Do.END:
            await approvals.settle(tx, row.id, said="withdrawn", by="remediator", reason=why, now=now)
            await runs.end(tx, row, cursor, now)
            await episodes.wake_incident(tx, row.incident_id, now)
            event, text = "run_ended", f"{row.playbook} ended {cursor.outcome}: {cursor.note}"
        else:
            row = replace(row, incident_id=await reverse.call(tx, row, cursor, now))
            await runs.park(tx, row, cursor, wake_at=None, state="needs_person")
            event, text = "needs_person", f"a person is needed: {cursor.note}"
        await incidents.add_event(tx, row.incident_id, row.id, now, event, text, None)
        await incidents.wake(tx, row.incident_id, now)
    log.warning("run_given_up", run_id=row.id, reason=why)
    tools.on_ended()
    tools.on_page()


async def _held(tx: Connection, run: RunRow) -> RunRow:
    """Where it stands by now: what was stored since the claim counts."""
    row = await runs.get(tx, run.id)
    if row is None or (row.owner, row.fence) != (run.owner, run.fence):
        raise LostClaimError(f"run {run.id} is not ours any more")
    return row
