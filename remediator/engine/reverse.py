"""``for: 24h`` (S39): a step's change is temporary, so the run that puts it back is scheduled in the transaction that says it was made.

That run is a row like any other, with an undo's cursor (``runs.undo.reverse``), so a restart forgets nothing. Until it is due it holds
no lock and no incident open. It stays when the run that made the change is cancelled or fails, and goes when that run undoes the step.
"""

from datetime import datetime, timedelta

from remediator.durations import format_duration
from remediator.engine.admission import longest, shape_of
from remediator.playbooks.model import Playbook
from remediator.runs import undo
from remediator.runs.cursor import Cursor
from remediator.settings import Settings
from remediator.store import incidents, reverses, runs
from remediator.store.database import Connection
from remediator.store.runs import RunRow


async def follow(
    tx: Connection, run: RunRow, playbook: Playbook, settled: Cursor, *, settings: Settings, now: datetime
) -> None:
    """The step at which ``settled`` stands was done: schedule its reverse, or withdraw it when the step itself was an undo."""
    temporary = playbook.remedies[settled.remedy].steps[settled.step].for_
    if temporary is None or settled.reverses is not None or run.mode == "dry-run":
        return
    if settled.direction == "undo":
        await _withdraw(tx, run, settled, now)
    else:
        await _schedule(tx, run, playbook, settled, temporary, settings, now)


async def call(tx: Connection, run: RunRow, cursor: Cursor, now: datetime) -> str:
    """The incident under which a person is asked about this run: a reverse's own is mostly over by the time that it fails."""
    if cursor.reverses is None:
        return run.incident_id
    return await incidents.take_up(tx, run.incident_id, run.id, why="what was made for a time is not put back", now=now)


async def _schedule(
    tx: Connection,
    run: RunRow,
    playbook: Playbook,
    settled: Cursor,
    temporary: timedelta,
    settings: Settings,
    now: datetime,
) -> None:
    due_at = now + temporary
    reverse_id = await reverses.schedule_reverse(
        tx,
        run,
        undo.reverse(run.id, settled.remedy, settled.step, due_at),
        due_at=due_at,
        deadline_at=due_at + longest(shape_of(playbook, mode=run.mode, settings=settings), settings),
        now=now,
    )
    said = f"Made for {format_duration(temporary)}: {reverse_id} puts it back at {due_at:%Y-%m-%d %H:%M:%S}Z"
    await incidents.add_event(tx, run.incident_id, reverse_id, now, "reverse_scheduled", said, None)


async def _withdraw(tx: Connection, run: RunRow, settled: Cursor, now: datetime) -> None:
    reverse_id = reverses.reverse_id(run.id, settled.remedy, settled.step)
    why = f"{run.id} has put it back itself"
    if await runs.end_unclaimed(tx, reverse_id, outcome="cancelled", reason=why, now=now):
        await incidents.add_event(
            tx, run.incident_id, reverse_id, now, "reverse_withdrawn", f"Not needed any more: {why}", None
        )
