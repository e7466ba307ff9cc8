"""The moves that every part of the machine makes: entering a phase, ending, asking a person, going on to a next step or remedy."""

from dataclasses import replace
from datetime import datetime

from remediator.runs.cursor import Cursor, Outcome, Phase, Question, RemedyShape, Shape
from remediator.runs.events import Command, Do

Next = tuple[Cursor, Command]


def enter(cursor: Cursor, phase: Phase, now: datetime) -> Cursor:
    """What was seen or asked in the former phase counts for nothing in this one."""
    return replace(
        cursor, phase=phase, since=now, hold_since=None, absent_since=None, restart_until=None, question=None
    )


def end(cursor: Cursor, outcome: Outcome, note: str, now: datetime) -> Next:
    return enter(replace(cursor, outcome=outcome, note=note), Phase.ENDED, now), Do.END


def ask(cursor: Cursor, question: Question, note: str, now: datetime) -> Next:
    told = f"{cursor.note}; {note}" if cursor.cancelled else note
    return replace(enter(cursor, Phase.PERSON, now), question=question, note=told), Do.ASK_PERSON


def after_cancel(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.reverses is not None:  # its remedy's conditions say nothing about it
        left = "what was made for a time stays" if cursor.done else "by then it was put back"
        return end(cursor, Outcome.CANCELLED, f"{cursor.note}; {left}", now)
    if shape.rehearsal or not cursor.changed:
        return end(cursor, Outcome.CANCELLED, cursor.note, now)
    return enter(cursor, Phase.LAST_LOOK, now), Do.LOOK_VERIFY


def next_step(cursor: Cursor, now: datetime) -> Next:
    following = replace(cursor, step=cursor.step + 1, attempts=0, parts_since=None)
    return enter(following, Phase.CHECK, now), Do.CHECK


def next_remedy(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.stopped is not None:
        return end(cursor, Outcome.FAILED, cursor.stopped, now)
    if cursor.remedy + 1 == len(shape.remedies):
        left = "" if cursor.done else ", and was undone"
        return end(cursor, Outcome.REFUTED, f"no remedy is left{left}", now)
    following = replace(
        cursor, direction="apply", remedy=cursor.remedy + 1, step=0, attempts=0, done=(), parts_since=None
    )
    return enter(following, Phase.CHECK, now), Do.CHECK


def remedy_of(cursor: Cursor, shape: Shape) -> RemedyShape:
    return shape.remedies[cursor.remedy]
