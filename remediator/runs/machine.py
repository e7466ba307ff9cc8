"""The state machine of a run: what happened -> what next. Pure; called like a function.

::

    SETTLE ──> CHECK ──admitted──> APPLY ──done──────────────> EFFECT ──yes──> CHECK (next step)
                 │ ^                 │ answer lost, crash         │ last step
       denied,   │ │ landed: no      v                            v
       overtaken │ └────────────── LAND ──yes──> (as done)      VERIFY ──held──────────────> ended verified
                 │                   │ unknown too long           │  │ unknown at the end
                 │                   v                            │  └──> WATCH ──held──────> ended verified
                 │                 PERSON <── undo failed,        │         └──too long─────> ended unknown
                 v                            paused and refuted  │ refuted
       nothing changed: ended overtaken                           ├─ undo: the same phases, direction undo, last step first
       else: VERIFY what is there                                 └─ then the next remedy's CHECK, or ended refuted

    A cancel before a change ends it; after one: settle by LAND, LAST_LOOK, ended cancelled (S18).

Every arrow that begins an effect goes through CHECK, and the cursor with phase APPLY is stored before the effect. A restarted
process calls ``resume`` and finds in APPLY only that an effect may have begun: "answer lost" and "process died" share a path.
A step is begun again only after LAND said no, at most ``MAX_ATTEMPTS`` times.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from remediator.answers import Answer
from remediator.runs.cursor import Cursor, Outcome, Phase, Question, RemedyShape, Shape

MAX_ATTEMPTS = 5
LAND_WITHIN = timedelta(minutes=5)
"""How long ``landed`` may answer unknown before a person is asked."""
EFFECT_WITHIN = timedelta(minutes=10)
"""How long a step's effect may take when something waits for it."""
WATCH_FOR = timedelta(hours=1)
"""How long an unknown verification keeps looking."""
BACK_OFF = timedelta(seconds=2)


class Do(Enum):
    """What the runner is to do; each is answered by exactly one event."""

    CHECK = "check"
    """Ask guards, plan and episode again -> Admitted, Denied."""
    APPLY = "apply"
    """Store the begun mark, then apply -> Done, NotDone, Refused, Denied (a pause or cancel stood in the way), LOST."""
    LAND = "land"
    """Look for our mark -> Answer."""
    LOOK_EFFECT = "look_effect"
    """Ask the action whether the effect has run its course -> Answer."""
    LOOK_VERIFY = "look_verify"
    """Ask the remedy's conditions -> Answer."""
    ASK_PERSON = "ask_person"
    """Wait for ``runs answer`` -> PersonSaid."""
    END = "end"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until``; then ``resume``."""

    until: datetime


Command = Do | Wait


@dataclass(frozen=True, slots=True)
class Admitted:
    """All guards said yes and the plan is made, for this remedy."""

    remedy: int


@dataclass(frozen=True, slots=True)
class Denied:
    """Not to be begun now. ``paused``: because of a pause. ``no_remedy``: no further remedy applies."""

    reason: str
    paused: bool = False
    no_remedy: bool = False


class Applied(Enum):
    """How the call ended."""

    DONE = "done"
    NOT_DONE = "not_done"
    """Certainly nothing changed; may be tried again."""
    LOST = "lost"
    """Sent, no answer."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Certainly nothing changed, and repeating will not help; ``overtaken``: because the world changed first (S16)."""

    reason: str
    overtaken: bool = False


class PersonSaid(Enum):
    """Answers of ``runs answer``."""

    LANDED = "yes"
    NOT_LANDED = "no"
    NOBODY_KNOWS = "unknown"
    CONTINUE = "continue"
    UNDO = "undo"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody asked to cancel."""

    by: str


Event = Admitted | Denied | Applied | Refused | Answer | PersonSaid | Cancel
Next = tuple[Cursor, Command]

ANSWERS: dict[Question, frozenset[PersonSaid]] = {
    Question.LANDED: frozenset({PersonSaid.LANDED, PersonSaid.NOT_LANDED, PersonSaid.NOBODY_KNOWS}),
    Question.PAUSED: frozenset({PersonSaid.CONTINUE, PersonSaid.UNDO, PersonSaid.ABANDON}),
    Question.UNDO_FAILED: frozenset({PersonSaid.CONTINUE, PersonSaid.ABANDON}),
}
"""Which answers a question takes."""


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
        case Phase.CHECK, Admitted(remedy=remedy):
            admitted = (
                cursor if remedy == cursor.remedy else replace(cursor, remedy=remedy, step=0, done=(), attempts=0)
            )
            return _enter(replace(admitted, attempts=admitted.attempts + 1), Phase.APPLY, now), Do.APPLY
        case Phase.CHECK | Phase.APPLY, Denied():
            return _denied(cursor, event, shape, now)
        case Phase.APPLY, Applied.DONE:
            return _done(cursor, shape, now)
        case Phase.APPLY, Applied.NOT_DONE:
            return _again(cursor, "could not be sent", shape, now)
        case Phase.APPLY, Refused():
            return _refused(cursor, event, shape, now)
        case Phase.APPLY, Applied.LOST:
            return _enter(cursor, Phase.LAND, now), Do.LAND
        case Phase.LAND, Answer.YES:
            return _done(cursor, shape, now)
        case Phase.LAND, Answer.NO:
            return _again(cursor, "did not land", shape, now)
        case Phase.LAND, Answer.UNKNOWN:
            if now < cursor.since + LAND_WITHIN:
                return cursor, Wait(now + shape.look)
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


def _denied(cursor: Cursor, denied: Denied, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        if denied.paused:
            return _ask(cursor, Question.PAUSED, denied.reason, now)
        return _end(cursor, Outcome.REFUTED, f"did not work, and was left as it is: {denied.reason}", now)
    if denied.no_remedy and cursor.changed:
        return _end(cursor, Outcome.REFUTED, f"did not work, and no further remedy applies: {denied.reason}", now)
    if not cursor.changed:
        return _end(cursor, Outcome.OVERTAKEN, denied.reason, now)
    return _stop(replace(cursor, paused=denied.paused), denied.reason, shape, now)


def _refused(cursor: Cursor, refused: Refused, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        if refused.overtaken:  # somebody wrote since: nothing is touched (S25)
            return _end(cursor, Outcome.REFUTED, f"did not work, and was left as it is: {refused.reason}", now)
        return _ask(cursor, Question.UNDO_FAILED, refused.reason, now)
    if not cursor.changed:
        return _end(cursor, Outcome.OVERTAKEN if refused.overtaken else Outcome.FAILED, refused.reason, now)
    return _stop(cursor, refused.reason, shape, now)


def _again(cursor: Cursor, why: str, shape: Shape, now: datetime) -> Next:
    if cursor.cancelled:
        return _after_cancel(cursor, now)
    if cursor.attempts < MAX_ATTEMPTS:
        return _enter(cursor, Phase.CHECK, now), Wait(now + BACK_OFF * cursor.attempts)
    return _refused(cursor, Refused(f"{why} in {cursor.attempts} attempts"), shape, now)


def _done(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.direction == "undo":
        cursor = replace(cursor, done=tuple(step for step in cursor.done if step != cursor.step))
        return (_after_cancel(cursor, now)) if cursor.cancelled else (_enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT)
    cursor = replace(cursor, changed=True, done=(*cursor.done, cursor.step))
    if cursor.cancelled:
        return _after_cancel(cursor, now)
    last = cursor.step + 1 == _remedy(cursor, shape).steps
    if shape.rehearsal:
        if last:
            return _end(cursor, Outcome.REHEARSED, "nothing was changed", now)
        return _next_step(cursor, now)
    if last:
        return _enter(cursor, Phase.VERIFY, now), Do.LOOK_VERIFY
    return _enter(cursor, Phase.EFFECT, now), Do.LOOK_EFFECT


def _effect(cursor: Cursor, answer: Answer, shape: Shape, now: datetime) -> Next:
    if answer is Answer.YES:
        return _undo_next(cursor, shape, now) if cursor.direction == "undo" else _next_step(cursor, now)
    if now < cursor.since + EFFECT_WITHIN:
        return cursor, Wait(now + shape.look)
    if cursor.direction == "undo":
        return _ask(cursor, Question.UNDO_FAILED, "the undo was sent and did not take effect", now)
    return _stop(cursor, f"step {cursor.step + 1} did not take effect in time", shape, now)


def _verify(cursor: Cursor, answer: Answer, shape: Shape, now: datetime) -> Next:
    remedy = _remedy(cursor, shape)
    if answer is Answer.YES:
        held_since = cursor.hold_since or now
        if now - held_since >= remedy.hold:
            return _end(cursor, Outcome.VERIFIED, "its conditions hold", now)
        return replace(cursor, hold_since=held_since, hold_broken=False), Wait(
            min(now + shape.look, held_since + remedy.hold)
        )
    if cursor.phase is Phase.WATCH:
        if now >= cursor.since + WATCH_FOR:
            return _end(cursor, Outcome.UNKNOWN, "whether it worked never became known", now)
        return replace(cursor, hold_since=None), Wait(now + shape.look)
    broken = answer is Answer.UNKNOWN and (cursor.hold_since is not None or cursor.hold_broken)
    grace = remedy.hold if broken else timedelta(0)  # one unknown look only restarts the hold, also late (S24)
    if now < cursor.since + remedy.within + grace:
        return replace(cursor, hold_since=None, hold_broken=broken), Wait(now + shape.look)
    cursor = replace(cursor, hold_since=None, hold_broken=False)
    if answer is Answer.UNKNOWN:
        watching = replace(
            cursor, outcome=Outcome.UNKNOWN, note="whether it worked could not be seen; nothing more is changed"
        )
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
    undo = replace(cursor, direction="undo", step=cursor.done[-1], attempts=0)
    return _enter(undo, Phase.CHECK, now), Do.CHECK


def _next_remedy(cursor: Cursor, shape: Shape, now: datetime) -> Next:
    if cursor.stopped is not None:
        return _end(cursor, Outcome.FAILED, cursor.stopped, now)
    if cursor.remedy + 1 == len(shape.remedies):
        left = "" if cursor.done else ", and was undone"
        return _end(cursor, Outcome.REFUTED, f"did not work{left}; no remedy is left", now)
    following = replace(
        cursor, direction="apply", remedy=cursor.remedy + 1, step=0, attempts=0, done=(), hold_since=None
    )
    return _enter(following, Phase.CHECK, now), Do.CHECK


def _next_step(cursor: Cursor, now: datetime) -> Next:
    return _enter(replace(cursor, step=cursor.step + 1, attempts=0), Phase.CHECK, now), Do.CHECK


def _stop(cursor: Cursor, reason: str, shape: Shape, now: datetime) -> Next:
    """No further step is begun, but what was done is verified: it may be enough (S10)."""
    if shape.rehearsal:
        return _end(cursor, Outcome.FAILED, reason, now)
    if not cursor.done:  # this remedy changed nothing; an earlier one was refuted
        return _end(cursor, Outcome.REFUTED, reason, now)
    return _enter(replace(cursor, stopped=reason), Phase.VERIFY, now), Do.LOOK_VERIFY


def _cancel(cursor: Cursor, by: str, shape: Shape, now: datetime) -> Next:
    asked = replace(cursor, cancelled=True, note=f"cancelled by {by}")
    match cursor.phase:
        case Phase.ENDED:
            return cursor, Do.END
        case Phase.APPLY | Phase.LAND:
            return resume(asked, shape, now)
        case Phase.PERSON if cursor.question is Question.LANDED:  # a begun step must be settled first (S18)
            return asked, Do.ASK_PERSON
        case Phase.LAST_LOOK:
            return cursor, Do.LOOK_VERIFY
        case _:
            return _after_cancel(asked, now)


def _after_cancel(cursor: Cursor, now: datetime) -> Next:
    if not cursor.changed:
        return _end(cursor, Outcome.CANCELLED, cursor.note, now)
    return _enter(cursor, Phase.LAST_LOOK, now), Do.LOOK_VERIFY


def _person(cursor: Cursor, said: PersonSaid, shape: Shape, now: datetime) -> Next:
    cursor = replace(cursor, question=None)
    match said:
        case PersonSaid.LANDED:
            return _done(cursor, shape, now)
        case PersonSaid.NOT_LANDED if cursor.cancelled:
            return _after_cancel(cursor, now)
        case PersonSaid.NOT_LANDED:
            return _end(cursor, Outcome.FAILED, "a person said that the step did not happen", now)
        case PersonSaid.NOBODY_KNOWS:
            return _end(cursor, Outcome.UNKNOWN, "a person said that nobody knows whether the step happened", now)
        case PersonSaid.CONTINUE if cursor.direction == "undo":
            return _enter(replace(cursor, attempts=0, stopped=None, paused=False), Phase.CHECK, now), Do.CHECK
        case PersonSaid.CONTINUE:
            return _next_remedy(replace(cursor, stopped=None, paused=False), shape, now)
        case PersonSaid.UNDO:
            return _undo_next(replace(cursor, paused=False), shape, now)
        case PersonSaid.ABANDON:
            return _end(cursor, Outcome.FAILED, "abandoned by a person", now)


def _ask(cursor: Cursor, question: Question, note: str, now: datetime) -> Next:
    return _enter(replace(cursor, question=question, note=note), Phase.PERSON, now), Do.ASK_PERSON


def _end(cursor: Cursor, outcome: Outcome, note: str, now: datetime) -> Next:
    return _enter(replace(cursor, outcome=outcome, note=note), Phase.ENDED, now), Do.END


def _enter(cursor: Cursor, phase: Phase, now: datetime) -> Cursor:
    return replace(cursor, phase=phase, since=now)


def _remedy(cursor: Cursor, shape: Shape) -> RemedyShape:
    return shape.remedies[cursor.remedy]
