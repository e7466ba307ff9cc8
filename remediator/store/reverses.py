"""Reverses: runs that put back, when their time has come, what a step made for a time (S39)."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.ids import derived_id
from remediator.runs.cursor import Cursor
from remediator.store.dialect import insert
from remediator.store.runs import SCHEDULED, RunRow
from remediator.store.schema import runs


def reverse_id(run_id: str, remedy: int, step: int) -> str:
    """The run that reverses this step of another run."""
    return derived_id("run", "reverse", run_id, str(remedy), str(step))


async def schedule_reverse(
    tx: AsyncConnection, run: RunRow, cursor: Cursor, *, due_at: datetime, deadline_at: datetime, now: datetime
) -> str:
    """Insert the run that puts back what a step of ``run`` made for a time (S39); ``cursor`` is ``undo.reverse``'s.

    Safe to repeat: a step has one reverse. Its change is counted in the ledger with the run that it reverses.
    """
    run_id = reverse_id(run.id, cursor.remedy, cursor.step)
    copied = {
        name: getattr(run, name)
        for name in (
            "mode",
            "incident_id",
            "episode_id",
            "playbook",
            "revision",
            "snapshot",
            "target",
            "source",
            "needs",
        )
    }
    statement = insert(runs).values(
        **copied,
        id=run_id,
        remedy=cursor.remedy,
        state=SCHEDULED,
        reason=cursor.note,
        cursor=cursor.to_json(),
        wake_at=due_at,
        created_at=now,
        deadline_at=deadline_at,
    )
    await tx.execute(statement.on_conflict_do_nothing(index_elements=["id"]))
    return run_id
