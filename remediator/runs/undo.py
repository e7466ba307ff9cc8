"""Putting back (S25): a refuted remedy's steps, the last first; and a step that was made for a time, when its time is over (S39).

The second is a run of its own, with a cursor that ``reverse`` makes: it holds nothing until it is due, puts one step of another run
back by the same phases, and ends ``verified``, or ``overtaken`` when somebody wrote since. It never ends badly without having asked a
person, because the alert that it came from is mostly over.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from remediator.answers import Answer
from remediator.runs.cursor import Cursor, Outcome, Phase, Question, Shape
from remediator.runs.events import Denied, Do, Refused, Wait
from remediator.runs.moves import Next, after_cancel, ask, end, enter, next_remedy

UNREAD_WITHIN = timedelta(minutes=5)
"""How long an undo is asked again while the world cannot be read, before a person is asked."""
PAUSE_LOOK = timedelta(minutes=1)
"""How often a reverse that is due asks whether a pause still stands."""


def reverse(of: str, remedy: int, step: int, due_at: datetime) -> Cursor:
    """The cursor of a run that puts back, at ``due_at``, what this step of run ``of`` made for a time."""
    return Cursor(
        Phase.SETTLE,
        since=due_at,
        remedy=remedy,
        step=step,
        direction="undo",
        done=(step,),
        reverses=of,
        note="puts back what was made for a time",
    )


def following(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    """Undo the last step that stands; when none does, go on as after a remedy that changed nothing."""
    if not cursor.done:
        if cursor.reverses is not None:
            return end(cursor, Outcome.VERIFIED, "its time was over; it was put back as it was before", now)
        return next_remedy(cursor, shape, now)
    undo = replace(cursor, direction="undo", step=cursor.done[-1], attempts=0, parts_since=None)
    return enter(undo, Phase.CHECK, now), Do.CHECK


def denied(cursor: Cursor, said: Denied, shape: Shape, now: datetime) -> Next:
    if said.paused and cursor.reverses is not None:  # whoever paused knows, and what was made stays meanwhile
        return replace(enter(cursor, Phase.CHECK, now), note=said.reason), Wait(now + max(PAUSE_LOOK, shape.look))
    if said.paused:
        return ask(cursor, Question.PAUSED, said.reason, now)
    if not said.unread:
        return _left(cursor, said.reason, now)
    if now < cursor.since + UNREAD_WITHIN:
        return cursor, Wait(now + shape.look)
    return ask(cursor, Question.UNDO_FAILED, said.reason, now)


def refused(cursor: Cursor, said: Refused, now: datetime) -> Next:
    if said.overtaken:
        return _left(cursor, said.reason, now)
    return ask(cursor, Question.UNDO_FAILED, said.reason, now)


def done(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    cursor = replace(cursor, done=tuple(step for step in cursor.done if step != cursor.step))
    if cursor.cancelled:
        return after_cancel(cursor, shape, now)
    return enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT


def effect(cursor: Cursor, answer: Answer, until: datetime, shape: Shape, now: datetime) -> Next:
    """A look at whether the undo has run its course, which it may until ``until``."""
    if answer is Answer.YES:
        return following(cursor, shape, now)
    if now < until:
        return cursor, Wait(now + shape.look)
    return ask(cursor, Question.UNDO_FAILED, "the undo was sent and did not take effect", now)


def _left(cursor: Cursor, why: str, now: datetime) -> Next:
    """Somebody wrote since, or it cannot be put back: nothing is touched."""
    outcome = Outcome.REFUTED if cursor.reverses is None else Outcome.OVERTAKEN
    return end(cursor, outcome, f"it was left as it is: {why}", now)
