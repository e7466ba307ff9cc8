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
    A remedy whose steps only look ends ``informed`` after its last one.
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
from remediator.runs.cursor import Cursor, Outcome, Phase, Question, RemedyShape, Shape
from remediator.runs.events import (
    ANSWERS,
    Admitted,
    Applied,
    Cancel,
    Command,
    Denied,
    Do,
    Event,
    PersonSaid,
    Refused,
    Wait,
)

MAX_ATTEMPTS = 5
LAND_WITHIN = timedelta(minutes=5)
"""How long ``landed`` may answer unknown before a person is asked."""
EFFECT_WITHIN = timedelta(minutes=10)
"""How long a step's effect may take when something waits for it."""
PARTS_WITHIN = timedelta(minutes=30)
"""How long a step may go on being done in parts (a drain waits for budgets) before it counts as stopped."""
UNREAD_WITHIN = timedelta(minutes=5)
"""How long an undo is asked again while the world cannot be read, before a person is asked."""
WATCH_FOR = timedelta(hours=1)
"""How long an unknown verification keeps looking."""
BACK_OFF = timedelta(seconds=2)
_NO_ANSWER = "the rehearsed call was never answered"

Next = tuple[Cursor, Command]


def start(remedy: int, now: datetime) -> Cursor:
    """The cursor of a new run."""
    return Cursor(Phase.SETTLE, since=now, remedy=remedy)


def resume(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    """What to do with a run that is picked up: for the first time, after a wait, or after a crash."""
    match cursor.phase:
        case Phase.SETTLE:
            if now < (until := cursor.since + shape.settle):
                return cursor, Wait(until)
            return _enter(cursor, Phase.CHECK, now), Do.CHECK
        case Phase.CHECK:
            return cursor, Do.CHECK
        case Phase.APPLY:  # begun by a process that is gone: look before anything else
            return _enter(cursor, Phase.LAND, now), Do.LAND
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
            return _enter(cursor, Phase.LAND, now), Do.LAND
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
                    _after_cancel(cursor, shape, now)
                    if cursor.cancelled
                    else _end(cursor, Outcome.FAILED, _NO_ANSWER, now)
                )
            return _ask(cursor, Question.LANDED, "nobody knows whether this step happened", now)
        case Phase.EFFECT, Answer():
            return _effect(cursor, event, shape, now)
        case Phase.VERIFY | Phase.WATCH, Answer():
            return _verify(cursor, event, shape, now)
        case Phase.LAST_LOOK, Answer():
            return _end(
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
            return _end(cursor, Outcome.CANCELLED, f"{cursor.note}; it could not be looked at: {why}", now)
        case Phase.WATCH:
            return _end(cursor, Outcome.UNKNOWN, why, now)
        case Phase.APPLY | Phase.LAND if not rehearsal:
            return _ask(cursor, Question.LANDED, why, now)
        case _ if rehearsal or not cursor.changed:
            return _end(cursor, Outcome.FAILED, why, now)
        case _:
            return _ask(replace(cursor, stopped=why), Question.PAUSED, why, now)


def _begin(cursor: Cursor, now: datetime) -> Next:
    return _enter(replace(cursor, attempts=cursor.attempts + 1), Phase.APPLY, now), Do.APPLY


def _later_remedies(cursor: Cursor, shape: Shape) -> range:
    """Remedies that a check may take instead of the present one: later ones, and only while it has changed nothing (S7)."""
    if cursor.direction == "undo" or cursor.step > 0 or cursor.done:
        return range(0)
    return range(cursor.remedy + 1, len(shape.remedies))


def _denied(cursor: Cursor, denied: Denied, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        return _undo_denied(cursor, denied, shape, now)
    if shape.rehearsal or not cursor.changed:
        return _end(cursor, Outcome.OVERTAKEN, denied.reason, now)
    if denied.no_remedy and not cursor.done:
        return _end(cursor, Outcome.REFUTED, f"no further remedy applies: {denied.reason}", now)
    return _stop(replace(cursor, paused=denied.paused), denied.reason, now)


def _undo_denied(cursor: Cursor, denied: Denied, shape: Shape, now: datetime) -> Next:
    if denied.paused:
        return _ask(cursor, Question.PAUSED, denied.reason, now)
    if not denied.unread:
        return _end(cursor, Outcome.REFUTED, f"it was left as it is: {denied.reason}", now)
    if now < cursor.since + UNREAD_WITHIN:
        return cursor, Wait(now + shape.look)
    return _ask(cursor, Question.UNDO_FAILED, denied.reason, now)


def _refused(cursor: Cursor, refused: Refused, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        if refused.overtaken:  # somebody wrote since: nothing is touched (S25)
            return _end(cursor, Outcome.REFUTED, f"it was left as it is: {refused.reason}", now)
        return _ask(cursor, Question.UNDO_FAILED, refused.reason, now)
    if shape.rehearsal or not cursor.changed:
        return _end(cursor, Outcome.OVERTAKEN if refused.overtaken else Outcome.FAILED, refused.reason, now)
    return _stop(cursor, refused.reason, now)


def _again(cursor: Cursor, why: str, shape: Shape, now: datetime) -> Next:
    if cursor.cancelled:
        return _after_cancel(cursor, shape, now)
    if cursor.attempts < MAX_ATTEMPTS:
        return _enter(cursor, Phase.CHECK, now), Wait(now + BACK_OFF * cursor.attempts)
    return _refused(cursor, Refused(f"{why} in {cursor.attempts} attempts"), shape, now)


def _done(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        cursor = replace(cursor, done=tuple(step for step in cursor.done if step != cursor.step))
        return (
            _after_cancel(cursor, shape, now)
            if cursor.cancelled
            else (_enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT)
        )
    remedy = _remedy(cursor, shape)
    if remedy.writes:
        cursor = _changed(cursor)
    if cursor.cancelled:
        return _after_cancel(cursor, shape, now)
    last = cursor.step + 1 == remedy.steps
    if shape.rehearsal:
        if last:
            return _end(cursor, Outcome.REHEARSED, "nothing was changed", now)
        return _next_step(cursor, now)
    if last and not remedy.writes:
        return _end(cursor, Outcome.INFORMED, "there was nothing to change; people have what was seen", now)
    if last:
        return _enter(cursor, Phase.VERIFY, now), Do.LOOK_VERIFY
    return _enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT


def _changed(cursor: Cursor) -> Cursor:
    done = cursor.done if cursor.step in cursor.done else (*cursor.done, cursor.step)
    return replace(cursor, changed=True, done=done)


def _partly(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    """The same step again after a while, through CHECK; its attempts are counted anew, since this one did something."""
    if shape.rehearsal:
        return _done(cursor, shape, now)
    if cursor.direction == "apply":
        cursor = _changed(cursor)
    cursor = replace(cursor, parts_since=cursor.parts_since or now, attempts=0)
    if cursor.cancelled:
        return _after_cancel(cursor, shape, now)
    if cursor.parts_since is not None and now - cursor.parts_since < PARTS_WITHIN:
        return _enter(cursor, Phase.CHECK, now), Wait(now + shape.look)
    why = f"step {cursor.step + 1} could be done only in part within {PARTS_WITHIN.seconds // 60} minutes"
    if cursor.direction == "undo":
        return _ask(cursor, Question.UNDO_FAILED, why, now)
    return _stop(cursor, why, now)


def _effect(cursor: Cursor, answer: Answer, shape: Shape, now: datetime) -> Next:
    if answer is Answer.YES:
        return _undo_next(cursor, shape, now) if cursor.direction == "undo" else _next_step(cursor, now)
    if now < cursor.since + EFFECT_WITHIN:
        return cursor, Wait(now + shape.look)
    if cursor.direction == "undo":
        return _ask(cursor, Question.UNDO_FAILED, "the undo was sent and did not take effect", now)
    return _stop(cursor, f"step {cursor.step + 1} did not take effect in time", now)


def _verify(cursor: Cursor, answer: Answer, shape: Shape, now: datetime) -> Next:
    remedy = _remedy(cursor, shape)
    if answer is Answer.YES:
        held_since = cursor.hold_since or now
        if now - held_since >= remedy.hold:
            return _end(cursor, Outcome.VERIFIED, "its conditions hold", now)
        return replace(cursor, hold_since=held_since), Wait(min(now + shape.look, held_since + remedy.hold))
    if cursor.phase is Phase.WATCH:
        if now >= cursor.since + WATCH_FOR:
            return _end(cursor, Outcome.UNKNOWN, f"whether it worked never became known; last look: {answer}", now)
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
        return _enter(watching, Phase.WATCH, now), Wait(now + shape.look)
    return _refuted(cursor, shape, now)


def _refuted(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.paused:
        return _ask(cursor, Question.PAUSED, f"{cursor.stopped}, and what was done did not work", now)
    if _remedy(cursor, shape).if_refuted == "undo":
        return _undo_next(cursor, shape, now)
    return _next_remedy(cursor, shape, now)


def _undo_next(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    """Undo the last step that stands; when none does, go on as after a remedy that changed nothing."""
    if not cursor.done:
        return _next_remedy(cursor, shape, now)
    undo = replace(cursor, direction="undo", step=cursor.done[-1], attempts=0, parts_since=None)
    return _enter(undo, Phase.CHECK, now), Do.CHECK


def _next_remedy(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.stopped is not None:
        return _end(cursor, Outcome.FAILED, cursor.stopped, now)
    if cursor.remedy + 1 == len(shape.remedies):
        left = "" if cursor.done else ", and was undone"
        return _end(cursor, Outcome.REFUTED, f"no remedy is left{left}", now)
    following = replace(
        cursor, direction="apply", remedy=cursor.remedy + 1, step=0, attempts=0, done=(), parts_since=None
    )
    return _enter(following, Phase.CHECK, now), Do.CHECK


def _next_step(cursor: Cursor, now: datetime) -> Next:
    following = replace(cursor, step=cursor.step + 1, attempts=0, parts_since=None)
    return _enter(following, Phase.CHECK, now), Do.CHECK


def _stop(cursor: Cursor, reason: str, now: datetime) -> Next:
    """No further step is begun, but what was done is verified: it may be enough (S10)."""
    stopped = replace(cursor, stopped=reason)
    if cursor.done:
        return _enter(stopped, Phase.VERIFY, now), Do.LOOK_VERIFY
    # This remedy changed nothing; an earlier one was refuted.
    if cursor.paused:
        return _ask(stopped, Question.PAUSED, f"{reason}, and what was done before did not work", now)
    return _end(stopped, Outcome.REFUTED, reason, now)


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
            return _after_cancel(asked, shape, now)


def _after_cancel(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if shape.rehearsal or not cursor.changed:
        return _end(cursor, Outcome.CANCELLED, cursor.note, now)
    return _enter(cursor, Phase.LAST_LOOK, now), Do.LOOK_VERIFY


def _person(cursor: Cursor, said: PersonSaid, shape: Shape, now: datetime) -> Next:
    match said:
        case PersonSaid.LANDED:
            return _done(cursor, shape, now)
        case PersonSaid.NOT_LANDED if cursor.cancelled:
            return _after_cancel(cursor, shape, now)
        case PersonSaid.NOBODY_KNOWS if cursor.cancelled:  # it may have happened: the world is looked at (S18)
            return _after_cancel(replace(cursor, changed=True), shape, now)
        case PersonSaid.NOT_LANDED:
            return _end(cursor, Outcome.FAILED, "a person said that the step did not happen", now)
        case PersonSaid.NOBODY_KNOWS:
            return _end(cursor, Outcome.UNKNOWN, "a person said that nobody knows whether the step happened", now)
        case PersonSaid.CONTINUE if cursor.direction == "undo" and cursor.step not in cursor.done:
            return _enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT  # it was done: only its effect is waited for again
        case PersonSaid.CONTINUE if cursor.direction == "undo":
            return _enter(replace(cursor, attempts=0, paused=False), Phase.CHECK, now), Do.CHECK
        case PersonSaid.CONTINUE if cursor.step in cursor.done:  # the step was done: only the look is taken up again
            return _enter(replace(cursor, stopped=None, paused=False), Phase.VERIFY, now), Do.LOOK_VERIFY
        case PersonSaid.CONTINUE:  # where the pause stopped it, by a new plan (S23)
            return _enter(replace(cursor, attempts=0, stopped=None, paused=False), Phase.CHECK, now), Do.CHECK
        case PersonSaid.UNDO:
            return _undo_next(replace(cursor, paused=False), shape, now)
        case PersonSaid.ABANDON:
            return _end(cursor, Outcome.FAILED, "abandoned by a person", now)


def _ask(cursor: Cursor, question: Question, note: str, now: datetime) -> Next:
    told = f"{cursor.note}; {note}" if cursor.cancelled else note
    return replace(_enter(cursor, Phase.PERSON, now), question=question, note=told), Do.ASK_PERSON


def _end(cursor: Cursor, outcome: Outcome, note: str, now: datetime) -> Next:
    return _enter(replace(cursor, outcome=outcome, note=note), Phase.ENDED, now), Do.END


def _enter(cursor: Cursor, phase: Phase, now: datetime) -> Cursor:
    """What was seen or asked in the former phase counts for nothing in this one."""
    return replace(
        cursor, phase=phase, since=now, hold_since=None, absent_since=None, restart_until=None, question=None
    )


def _remedy(cursor: Cursor, shape: Shape) -> RemedyShape:
    return shape.remedies[cursor.remedy]
