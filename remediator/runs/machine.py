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
A step is begun again only after its call certainly did nothing or LAND said no, at most ``MAX_ATTEMPTS`` times; an undo that
failed so, again by a person's word.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from remediator.answers import Answer
from remediator.runs import undo, verification
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
from remediator.runs.moves import Next, after_cancel, ask, end, enter, next_step, remedy_of

MAX_ATTEMPTS = 5
LAND_WITHIN = timedelta(minutes=5)
"""How long ``landed`` may answer unknown before a person is asked."""
EFFECT_WITHIN = timedelta(minutes=10)
"""How long a step's effect may take when something waits for it."""
PARTS_WITHIN = timedelta(minutes=30)
"""How long a step may go on being done in parts (a drain waits for budgets) before it counts as stopped."""
BACK_OFF = timedelta(seconds=2)
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
            return _begin(cursor, now)
        case Phase.CHECK, Admitted(remedy=remedy) if remedy in _later_remedies(cursor, shape):
            return _begin(replace(cursor, remedy=remedy, attempts=0), now)
        case Phase.CHECK, Denied():
            return _denied(cursor, event, shape, now)
        case Phase.APPLY, Applied.DONE:
            return _done(cursor, shape, now)
        case Phase.APPLY, Applied.PARTLY:
            return _partly(cursor, shape, now)
        case Phase.APPLY, Applied.NOT_DONE:
            return _again(cursor, "could not be sent", shape, now)
        case Phase.APPLY, Refused():
            return _refused(cursor, event, shape, now)
        case Phase.APPLY, Applied.LOST:
            return enter(cursor, Phase.LAND, now), Do.LAND
        case Phase.LAND, Answer.YES:
            return _done(cursor, shape, now)
        case Phase.LAND, Applied.PARTLY:
            return _partly(cursor, shape, now)
        case Phase.LAND, Answer.NO:
            return _again(cursor, "did not land", shape, now)
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
            return _effect(cursor, event, shape, now)
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


def _begin(cursor: Cursor, now: datetime) -> Next:
    return enter(replace(cursor, attempts=cursor.attempts + 1), Phase.APPLY, now), Do.APPLY


def _later_remedies(cursor: Cursor, shape: Shape) -> range:
    """Remedies that a check may take instead of the present one: later ones, and only while it has changed nothing (S7)."""
    if cursor.direction == "undo" or cursor.step > 0 or cursor.done:
        return range(0)
    return range(cursor.remedy + 1, len(shape.remedies))


def _denied(cursor: Cursor, denied: Denied, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        return undo.denied(cursor, denied, shape, now)
    if shape.rehearsal or not cursor.changed:
        return end(cursor, Outcome.OVERTAKEN, denied.reason, now)
    if denied.no_remedy and not cursor.done:
        return end(cursor, Outcome.REFUTED, f"no further remedy applies: {denied.reason}", now)
    return _stop(replace(cursor, paused=denied.paused), denied.reason, now)


def _refused(cursor: Cursor, refused: Refused, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        return undo.refused(cursor, refused, now)
    if shape.rehearsal or not cursor.changed:
        return end(cursor, Outcome.OVERTAKEN if refused.overtaken else Outcome.FAILED, refused.reason, now)
    return _stop(cursor, refused.reason, now)


def _again(cursor: Cursor, why: str, shape: Shape, now: datetime) -> Next:
    if cursor.cancelled:
        return after_cancel(cursor, shape, now)
    if cursor.attempts < MAX_ATTEMPTS:
        return enter(cursor, Phase.CHECK, now), Wait(now + BACK_OFF * cursor.attempts)
    return _refused(cursor, Refused(f"{why} in {cursor.attempts} attempts"), shape, now)


def _done(cursor: Cursor, shape: Shape, now: datetime) -> Next:
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


def _partly(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    """The same step again after a while, through CHECK; its attempts are counted anew, since this one did something."""
    if shape.rehearsal:
        return _done(cursor, shape, now)
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


def _effect(cursor: Cursor, answer: Answer, shape: Shape, now: datetime) -> Next:
    until = cursor.since + EFFECT_WITHIN
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
            return _done(cursor, shape, now)
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
