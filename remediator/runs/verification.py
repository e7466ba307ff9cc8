"""Did the remedy work (S24)? What a look at its conditions leads to."""

from dataclasses import replace
from datetime import datetime, timedelta

from remediator.answers import Answer
from remediator.runs import undo
from remediator.runs.cursor import Cursor, Outcome, Phase, Question, Shape
from remediator.runs.events import Wait
from remediator.runs.moves import Next, ask, end, enter, next_remedy, remedy_of

WATCH_FOR = timedelta(hours=1)
"""How long an unknown verification keeps looking."""


def look(cursor: Cursor, answer: Answer, shape: Shape, now: datetime) -> Next:
    """One look of a run in phase VERIFY or WATCH."""
    remedy = remedy_of(cursor, shape)
    if answer is Answer.YES:
        held_since = cursor.hold_since or now
        if now - held_since >= remedy.hold:
            return end(cursor, Outcome.VERIFIED, "its conditions hold", now)
        return replace(cursor, hold_since=held_since), Wait(min(now + shape.look, held_since + remedy.hold))
    if cursor.phase is Phase.WATCH:
        if now >= cursor.since + WATCH_FOR:
            return end(cursor, Outcome.UNKNOWN, f"whether it worked never became known; last look: {answer}", now)
        return replace(cursor, hold_since=None), Wait(now + shape.look)
    until = cursor.since + remedy.within
    restart_until = None
    if answer is Answer.UNKNOWN:  # only restarts the hold, also late; once, so that it comes to an end (S24)
        restart_until = cursor.restart_until
        if restart_until is None and cursor.hold_since is not None:
            restart_until = max(now, until) + remedy.hold
        until = restart_until or until
    if now < until:
        return replace(cursor, hold_since=None, restart_until=restart_until), Wait(min(now + shape.look, until))
    if answer is Answer.UNKNOWN:
        note = "whether it worked could not be seen; nothing more is changed"
        watching = replace(cursor, outcome=Outcome.UNKNOWN, note=note)
        return enter(watching, Phase.WATCH, now), Wait(now + shape.look)
    return _refuted(cursor, shape, now)


def _refuted(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.paused:
        return ask(cursor, Question.PAUSED, f"{cursor.stopped}, and what was done did not work", now)
    if remedy_of(cursor, shape).if_refuted == "undo":
        return undo.following(cursor, shape, now)
    return next_remedy(cursor, shape, now)
