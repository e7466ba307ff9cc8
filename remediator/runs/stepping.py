"""One step: admitted or not, begun, done wholly, in part or not at all, its effect waited for; and what comes after it."""

from dataclasses import replace
from datetime import datetime, timedelta

from remediator.answers import Answer
from remediator.runs import undo
from remediator.runs.cursor import Cursor, Outcome, Phase, Question, Shape
from remediator.runs.events import Denied, Do, Refused, Wait
from remediator.runs.moves import Next, after_cancel, ask, end, enter, next_step, remedy_of

MAX_ATTEMPTS = 5
PARTS_WITHIN = timedelta(minutes=30)
"""How long a step may go on being done in parts (a drain waits for budgets) before it counts as stopped."""
BACK_OFF = timedelta(seconds=2)


def begin(cursor: Cursor, now: datetime) -> Next:
    return enter(replace(cursor, attempts=cursor.attempts + 1), Phase.APPLY, now), Do.APPLY


def later_remedies(cursor: Cursor, shape: Shape) -> range:
    """Remedies that a check may take instead of the present one: later ones, and only while it has changed nothing (S7)."""
    if cursor.direction == "undo" or cursor.step > 0 or cursor.done:
        return range(0)
    return range(cursor.remedy + 1, len(shape.remedies))


def denied(cursor: Cursor, said: Denied, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        return undo.denied(cursor, said, shape, now)
    if shape.rehearsal or not cursor.changed:
        return end(cursor, Outcome.OVERTAKEN, said.reason, now)
    if said.no_remedy and not cursor.done:
        return end(cursor, Outcome.REFUTED, f"no further remedy applies: {said.reason}", now)
    return _stop(replace(cursor, paused=said.paused), said.reason, now)


def refused(cursor: Cursor, said: Refused, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        return undo.refused(cursor, said, now)
    if shape.rehearsal or not cursor.changed:
        return end(cursor, Outcome.OVERTAKEN if said.overtaken else Outcome.FAILED, said.reason, now)
    return _stop(cursor, said.reason, now)


def again(cursor: Cursor, why: str, shape: Shape, now: datetime) -> Next:
    if cursor.cancelled:
        return after_cancel(cursor, shape, now)
    if cursor.attempts < MAX_ATTEMPTS:
        return enter(cursor, Phase.CHECK, now), Wait(now + BACK_OFF * cursor.attempts)
    return refused(cursor, Refused(f"{why} in {cursor.attempts} attempts"), shape, now)


def done(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        return undo.done(cursor, shape, now)
    remedy = remedy_of(cursor, shape)
    if remedy.writes:
        cursor = _changed(cursor)
    if cursor.cancelled:
        return after_cancel(cursor, shape, now)
    last = cursor.step + 1 == remedy.steps
    if shape.rehearsal:
        if last:
            return end(cursor, Outcome.REHEARSED, "nothing was changed", now)
        return next_step(cursor, now)
    if last and not remedy.writes:
        return _informed(cursor, now)
    if last:
        return enter(cursor, Phase.VERIFY, now), Do.LOOK_VERIFY
    return enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT


def _informed(cursor: Cursor, now: datetime) -> Next:
    if cursor.changed:  # what looking showed does not make good what did not work
        return end(cursor, Outcome.REFUTED, "what was done before did not work; then it was only looked", now)
    return end(cursor, Outcome.INFORMED, "nothing was to be changed; people have what was seen", now)


def _changed(cursor: Cursor) -> Cursor:
    done = cursor.done if cursor.step in cursor.done else (*cursor.done, cursor.step)
    return replace(cursor, changed=True, done=done)


def partly(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    """The same step again after a while, through CHECK; its attempts are counted anew, since this one did something."""
    if shape.rehearsal:
        return done(cursor, shape, now)
    if cursor.direction == "apply" and remedy_of(cursor, shape).writes:
        cursor = _changed(cursor)
    cursor = replace(cursor, parts_since=cursor.parts_since or now, attempts=0)
    if cursor.cancelled:
        return after_cancel(cursor, shape, now)
    if cursor.parts_since is not None and now - cursor.parts_since < PARTS_WITHIN:
        return enter(cursor, Phase.CHECK, now), Wait(now + shape.look)
    why = f"step {cursor.step + 1} could be done only in part within {PARTS_WITHIN.seconds // 60} minutes"
    if cursor.direction == "undo":
        return ask(cursor, Question.UNDO_FAILED, why, now)
    return _stop(cursor, why, now)


def effect(cursor: Cursor, answer: Answer, shape: Shape, now: datetime) -> Next:
    until = cursor.since + remedy_of(cursor, shape).effect_within
    if cursor.direction == "undo":
        return undo.effect(cursor, answer, until, shape, now)
    if answer is Answer.YES:
        return next_step(cursor, now)
    if now < until:
        return cursor, Wait(now + shape.look)
    return _stop(cursor, f"step {cursor.step + 1} did not take effect in time", now)


def _stop(cursor: Cursor, reason: str, now: datetime) -> Next:
    """No further step is begun, but what was done is verified: it may be enough (S10)."""
    stopped = replace(cursor, stopped=reason)
    if cursor.done:
        return enter(stopped, Phase.VERIFY, now), Do.LOOK_VERIFY
    if not cursor.changed:  # its steps only look
        return end(stopped, Outcome.FAILED, reason, now)
    # This remedy changed nothing; an earlier one was refuted.
    if cursor.paused:
        return ask(stopped, Question.PAUSED, f"{reason}, and what was done before did not work", now)
    return end(stopped, Outcome.REFUTED, reason, now)
