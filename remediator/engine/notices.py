"""What people hear of that is no alert: dead letters (S3), pauses that outlast what their owner had in mind (S23), clocks that step
(S28), and runs that nobody can carry out (S22).

Each becomes an incident without alerts, paged once; it closes by itself and what it told stays (S31).
"""

from datetime import datetime, timedelta

from remediator.durations import format_duration
from remediator.engine import unclaimed
from remediator.engine.escalator import judge_incident
from remediator.engine.tools import Tools
from remediator.store import clock_steps, dead_letters, incidents, pauses
from remediator.store.database import Connection, Tx

_AT_ONCE = 200
_TOLD_EACH = 20
"""Lines of one hour's incident; the rest is counted by the metric and kept in the table."""
_SEVERITY = "high"


async def tell(tools: Tools) -> int:
    """Write what nobody has been told yet. Returns how much there was. Safe to repeat."""
    async with tools.store.read() as connection:
        letters = await dead_letters.untold(connection, 1)
        standing = await pauses.to_remind(connection, tools.clock.now())
        steps = await clock_steps.untold(connection)
        unknown = await unclaimed.untold(connection, mode=tools.mode, now=tools.clock.now())
    if not letters and not standing and not steps and not unknown:
        return 0
    async with tools.store.begin(Tx.DECIDE) as tx:
        now = tools.clock.now()
        told = await _dead_letters(tx, tools, now) + await _pauses(tx, tools, now) + await _steps(tx, tools, now)
        return told + await _unclaimed(tx, tools, now)


async def _dead_letters(tx: Connection, tools: Tools, now: datetime) -> int:
    found = await dead_letters.untold(tx, _AT_ONCE)
    by_key: dict[str, list[tuple[str, str, str]]] = {}
    for letter_id, source, received_at, error in found:
        key = incidents.dead_letter_key(tools.mode, source, received_at)
        by_key.setdefault(key, []).append((letter_id, source, error))
    for key, letters in by_key.items():
        title = f"alerts from source {letters[0][1]} that could not be understood"
        lines = [f"{letter_id}: {error}" for letter_id, _, error in letters[:_TOLD_EACH]]
        incident_id = await _notice(tx, tools, key, title, "dead_letter", lines, now)
        await dead_letters.assign(tx, [letter_id for letter_id, _, _ in letters], incident_id)
    return len(found)


async def _pauses(tx: Connection, tools: Tools, now: datetime) -> int:
    due = await pauses.to_remind(tx, now)
    for pause in due:
        title = f"still paused ({pause['scope']}) since {pause['began_at']:%H:%M}Z by {pause['by']}: {pause['reason']}"
        line = f"{pause['by']} asked to be reminded; it ends only by: remediator resume"
        await _notice(tx, tools, f"{tools.mode}|pause|{pause['id']}", title, "pause_reminder", [line], now)
        await pauses.reminded(tx, pause["id"])
    return len(due)


async def _steps(tx: Connection, tools: Tools, now: datetime) -> int:
    steps = await clock_steps.untold(tx)
    for at, step in steps:
        direction = "forward" if step > timedelta(0) else "backward"
        title = f"the clock stepped {direction} by {format_duration(abs(step))}, to {at:%Y-%m-%d %H:%M:%S}Z"
        line = (
            "All that is under way was moved with it, and nothing was begun for 30 s. What was told before bears the old time. "
            "Look after the clock: if the time of now is wrong, set it right, which is another step."
        )
        await _notice(tx, tools, f"{tools.mode}|clock|{at.isoformat()}", title, "clock_stepped", [line], now)
    if steps:
        await clock_steps.told(tx)
    return len(steps)


async def _unclaimed(tx: Connection, tools: Tools, now: datetime) -> int:
    found = await unclaimed.untold(tx, mode=tools.mode, now=now)
    for run in found:
        title, line = unclaimed.words(run)
        await _notice(tx, tools, unclaimed.key(run), title, "run_unclaimed", [line], now)
    return len(found)


async def _notice(
    tx: Connection, tools: Tools, key: str, title: str, event: str, lines: list[str], now: datetime
) -> str:
    incident_id = await incidents.join(
        tx,
        key=key,
        target=None,
        mode=tools.mode,
        severity=_SEVERITY,
        title=title,
        at=now,
        now=now,
        reopen_within=tools.settings.escalation.reopen_within,
    )
    for line in lines:
        await incidents.add_event(tx, incident_id, None, now, event, line, None)
    await judge_incident(tx, incident_id, now=now, settings=tools.settings, playbook_named=tools.playbooks().get)
    return incident_id
