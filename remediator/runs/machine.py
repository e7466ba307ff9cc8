"""The state machine of a run: what happened -> what next. Pure; called like a function.

::

    SETTLE ──> CHECK ──admitted──> APPLY ──done, not the last──> EFFECT ──yes──> CHECK (next step)
                 │ ^                │ │                            └──too long──> VERIFY (what is there)
       denied,   │ │ landed: no     │ └──done, the last step──────────┐
       overtaken │ │                v answer lost, crash              v
                 │ └───────────── LAND ──yes──> (as done)          VERIFY ──held────────────> ended verified
                 │                  │ unknown too long              │  │ unknown at the end
                 v                  v                               │  └──> WATCH ──held────> ended verified
       nothing changed:           PERSON <── undo failed,           │         └──too long───> ended unknown
       ended overtaken, failed               paused and refuted     │ refuted
       else: VERIFY what is there                                   ├─ undo: the same phases, direction undo, last step first
                                                                    └─ then the next remedy's CHECK, or ended refuted

    An undo's EFFECT leads to the CHECK of the undo before it, and after the last one on as drawn. A person's word leads out of
    PERSON: landed yes as done; continue to the CHECK (or the look) that stopped; undo; everything else ends.
    A step that could be done only in part goes back to CHECK, so that guards and a pause are asked before its next part.
    A remedy whose steps only look ends ``informed`` after its last one; after an earlier one that was refuted, ``refuted``.
    A run that reverses what another made for a time (S39) is an undo from its start: SETTLE until it is due, CHECK, APPLY, LAND,
    EFFECT, ended verified; overtaken when somebody wrote since; PERSON when it fails. See ``undo``.
    A cancel before a change ends it; after one: settle by LAND, LAST_LOOK, ended cancelled (S18).
    Driven in vain again and again (a defect of ours), it is ``stuck``: it ends, or goes to PERSON; never to a success.
    A rehearsal never verifies nor undoes, and asks nobody: after its last step it ends rehearsed (S14).

Every arrow that begins an effect goes through CHECK, and the cursor with phase APPLY is stored before the effect. A restarted
process calls ``resume`` and finds in APPLY only that an effect may have begun: "answer lost" and "process died" share a path.
A step is begun again only after its call certainly did nothing or LAND said no, at most ``stepping.MAX_ATTEMPTS`` times; an undo that
failed so, again by a person's word.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from remediator.answers import Answer
from remediator.runs import stepping, undo, verification
from remediator.runs.cursor import Cursor, Outcome, Phase, Question, Shape
from remediator.runs.events import (
    ANSWERS,
    Admitted,
    Applied,
    Cancel,
    Denied,
    Do,
    Event,
    PersonSaid,
    Refused,
    Wait,
)
from remediator.runs.moves import Next, after_cancel, ask, end, enter

LAND_WITHIN = timedelta(minutes=5)
"""How long ``landed`` may answer unknown before a person is asked."""
_NO_ANSWER = "the rehearsed call was never answered"


def start(remedy: int, now: datetime) -> Cursor:
    """The cursor of a new run."""
    return Cursor(Phase.SETTLE, since=now, remedy=remedy)


def resume(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    """What to do with a run that is picked up: for the first time, after a wait, or after a crash."""
    match cursor.phase:
        case Phase.SETTLE:
            settle = shape.settle if cursor.reverses is None else timedelta(0)
            if now < (until := cursor.since + settle):
                return cursor, Wait(until)
            return enter(cursor, Phase.CHECK, now), Do.CHECK
        case Phase.CHECK:
            return cursor, Do.CHECK
        case Phase.APPLY:  # begun by a process that is gone: look before anything else
            return enter(cursor, Phase.LAND, now), Do.LAND
        case Phase.LAND:
            return cursor, Do.LAND
        case Phase.EFFECT:
            return cursor, Do.LOOK_EFFECT
        case Phase.VERIFY | Phase.WATCH | Phase.LAST_LOOK:
            return cursor, Do.LOOK_VERIFY
        case Phase.PERSON:
            return cursor, Do.ASK_PERSON
        case Phase.ENDED:
            return cursor, Do.END


def advance(cursor: Cursor, event: Event, shape: Shape, now: datetime) -> Next:
    """What happened -> the new cursor, to be stored, and the next command.

    Raises:
        ValueError: the event does not answer the cursor's phase: a defect of the caller.
    """
    match cursor.phase, event:
        case _, Cancel(by=by):
            return _cancel(cursor, by, shape, now)
        case Phase.CHECK, Admitted(remedy=remedy) if remedy == cursor.remedy:
            return stepping.begin(cursor, now)
        case Phase.CHECK, Admitted(remedy=remedy) if remedy in stepping.later_remedies(cursor, shape):
            return stepping.begin(replace(cursor, remedy=remedy, attempts=0), now)
        case Phase.CHECK, Denied():
            return stepping.denied(cursor, event, shape, now)
        case Phase.APPLY, Applied.DONE:
            return stepping.done(cursor, shape, now)
        case Phase.APPLY, Applied.PARTLY:
            return stepping.partly(cursor, shape, now)
        case Phase.APPLY, Applied.NOT_DONE:
            return stepping.again(cursor, "could not be sent", shape, now)
        case Phase.APPLY, Refused():
            return stepping.refused(cursor, event, shape, now)
        case Phase.APPLY, Applied.LOST:
            return enter(cursor, Phase.LAND, now), Do.LAND
        case Phase.LAND, Answer.YES:
            return stepping.done(cursor, shape, now)
        case Phase.LAND, Applied.PARTLY:
            return stepping.partly(cursor, shape, now)
        case Phase.LAND, Answer.NO:
            return stepping.again(cursor, "did not land", shape, now)
        case Phase.LAND, Answer.UNKNOWN:
            if now < cursor.since + LAND_WITHIN:
                return cursor, Wait(now + shape.look)
            if shape.rehearsal:
                return (
                    after_cancel(cursor, shape, now)
                    if cursor.cancelled
                    else end(cursor, Outcome.FAILED, _NO_ANSWER, now)
                )
            return ask(cursor, Question.LANDED, "nobody knows whether this step happened", now)
        case Phase.EFFECT, Answer():
            return stepping.effect(cursor, event, shape, now)
        case Phase.VERIFY | Phase.WATCH, Answer():
            return verification.look(cursor, event, shape, now)
        case Phase.LAST_LOOK, Answer():
            return end(
                cursor, Outcome.CANCELLED, f"{cursor.note}; at the last look its conditions answered {event}", now
            )
        case Phase.PERSON, PersonSaid() if cursor.question is not None and event in ANSWERS[cursor.question]:
            return _person(cursor, event, shape, now)
        case _:
            raise ValueError(f"{event!r} does not answer phase {cursor.phase}")


def stuck(cursor: Cursor, why: str, *, rehearsal: bool, now: datetime) -> Next:
    """A run that cannot be driven on, because doing its command fails by a defect: it ends, or a person says what becomes of it.

    Without a look it never ends as a success. Safe in every phase.
    """
    match cursor.phase:
        case Phase.ENDED:
            return cursor, Do.END
        case Phase.PERSON:
            return cursor, Do.ASK_PERSON
        case Phase.LAST_LOOK:
            return end(cursor, Outcome.CANCELLED, f"{cursor.note}; it could not be looked at: {why}", now)
        case Phase.WATCH:
            return end(cursor, Outcome.UNKNOWN, why, now)
        case Phase.APPLY | Phase.LAND if not rehearsal:
            return ask(cursor, Question.LANDED, why, now)
        case _ if cursor.reverses is not None:
            return ask(cursor, Question.UNDO_FAILED, why, now)
        case _ if rehearsal or not cursor.changed:
            return end(cursor, Outcome.FAILED, why, now)
        case _:
            return ask(replace(cursor, stopped=why), Question.PAUSED, why, now)


def _cancel(cursor: Cursor, by: str, shape: Shape, now: datetime) -> Next:
    if cursor.cancelled:  # the first word stands
        return resume(cursor, shape, now)
    asked = replace(cursor, cancelled=True, note=f"cancelled by {by}")
    match cursor.phase:
        case Phase.ENDED:
            return cursor, Do.END
        case Phase.APPLY | Phase.LAND:
            return resume(asked, shape, now)
        case Phase.PERSON if cursor.question is Question.LANDED:  # a begun step must be settled first (S18)
            return asked, Do.ASK_PERSON
        case _:
            return after_cancel(asked, shape, now)


def _person(cursor: Cursor, said: PersonSaid, shape: Shape, now: datetime) -> Next:
    match said:
        case PersonSaid.LANDED:
            return stepping.done(cursor, shape, now)
        case PersonSaid.NOT_LANDED if cursor.cancelled:
            return after_cancel(cursor, shape, now)
        case PersonSaid.NOBODY_KNOWS if cursor.cancelled:  # it may have happened: the world is looked at (S18)
            return after_cancel(replace(cursor, changed=True), shape, now)
        case PersonSaid.NOT_LANDED:
            return end(cursor, Outcome.FAILED, "a person said that the step did not happen", now)
        case PersonSaid.NOBODY_KNOWS:
            return end(cursor, Outcome.UNKNOWN, "a person said that nobody knows whether the step happened", now)
        case PersonSaid.CONTINUE if cursor.direction == "undo" and cursor.step not in cursor.done:
            return enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT  # it was done: only its effect is waited for again
        case PersonSaid.CONTINUE if cursor.direction == "undo":
            return enter(replace(cursor, attempts=0, paused=False), Phase.CHECK, now), Do.CHECK
        case PersonSaid.CONTINUE if cursor.step in cursor.done:  # the step was done: only the look is taken up again
            return enter(replace(cursor, stopped=None, paused=False), Phase.VERIFY, now), Do.LOOK_VERIFY
        case PersonSaid.CONTINUE:  # where the pause stopped it, by a new plan (S23)
            return enter(replace(cursor, attempts=0, stopped=None, paused=False), Phase.CHECK, now), Do.CHECK
        case PersonSaid.UNDO:
            return undo.following(replace(cursor, paused=False), shape, now)
        case PersonSaid.ABANDON:
            return end(cursor, Outcome.FAILED, "abandoned by a person", now)
