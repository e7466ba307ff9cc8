"""The run machine under any order of answers, delays, cancels and crashes.

``Play`` is a runner without a world: it stores the cursor before every effect and after every answer, does what the machine says,
and answers from a script; when the script is used up, every question is answered the same way for ever.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from remediator.answers import Answer
from remediator.runs import machine, stepping, undo
from remediator.runs.cursor import Cursor, Outcome, Phase, RemedyShape, Shape
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
from tests.support.clock import T0

Intent = tuple[int, int, str]

LOOK = timedelta(seconds=60)
MOST_COMMANDS = 5_000
MOST_WORDS = 4
"""How often a person answers; after that the run waits for one, which is an allowed end."""
PAUSED_FOR_EVER = 3
"""As the steady answer to CHECK; see ``Play.answer``."""
DISTURBANCES = ("none", "none", "none", "none", "crash before", "crash after", "cancel", "late")

remedies = st.builds(
    RemedyShape,
    steps=st.integers(1, 3),
    within=st.sampled_from([timedelta(0), timedelta(seconds=90), timedelta(minutes=5)]),
    hold=st.sampled_from([timedelta(0), timedelta(seconds=30), timedelta(minutes=2)]),
    if_refuted=st.sampled_from(["undo", "keep"]),
)
looking = st.builds(
    RemedyShape,
    st.integers(1, 2),
    within=st.just(timedelta(0)),
    hold=st.just(timedelta(0)),
    if_refuted=st.just("keep"),
    writes=st.just(False),
)
shapes = st.builds(
    Shape,
    remedies=st.lists(st.one_of(remedies, remedies, looking), min_size=1, max_size=3).map(tuple),
    rehearsal=st.sampled_from([False, False, False, True]),
    settle=st.sampled_from([timedelta(0), timedelta(seconds=20)]),
    look=st.just(LOOK),
)
scripts = st.lists(st.tuples(st.sampled_from(DISTURBANCES), st.integers(0, 59)), max_size=60)
steady = st.fixed_dictionaries({command: st.integers(0, 5) for command in Do})


@dataclass
class Play:
    """One run, and what the world and the journal would know of it."""

    shape: Shape
    script: Sequence[tuple[str, int | None]]
    steady: Mapping[Do, int]
    now: datetime = T0
    stored: str = ""
    open: set[Intent] = field(default_factory=set)
    """Begun, and nobody has said yet what became of it."""
    done: list[Intent] = field(default_factory=list)
    """Applied and not undone, in order; also in part."""
    undone: set[Intent] = field(default_factory=set)
    looked: list[Intent] = field(default_factory=list)
    """Done, of remedies that change nothing."""
    times_in_part: dict[Intent, int] = field(default_factory=dict)
    begins: dict[Intent, int] = field(default_factory=dict)
    looks: list[tuple[datetime, Answer]] = field(default_factory=list)
    """At the remedy's conditions, since the last effect or the last jump of the run's phase."""
    effect_seen: set[Intent] = field(default_factory=set)
    parts: set[Intent] = field(default_factory=set)
    """Done in part, and the rest is still to be done."""
    words: int = 0
    tries: int = 1
    cancelled: bool = False
    undo_ordered: set[int] = field(default_factory=set)

    def run(self, of: Cursor | None = None) -> Cursor:
        cursor = of or machine.start(0, self.now)
        self.keep(cursor)
        cursor, command = machine.resume(cursor, self.shape, self.now)
        for turn in range(MOST_COMMANDS):
            if command is Do.END or (command is Do.ASK_PERSON and self.words == MOST_WORDS):
                return cursor
            disturbance, number = self.script[turn] if turn < len(self.script) else ("none", None)
            cursor, command = self.turn(cursor, command, disturbance, number)
        raise AssertionError(f"neither ended nor waiting for a person after {MOST_COMMANDS} commands: {cursor}")

    def keep(self, cursor: Cursor) -> None:
        self.stored = json.dumps(cursor.to_json())
        assert Cursor.from_json(json.loads(self.stored)) == cursor

    def crash(self) -> tuple[Cursor, Command]:
        self.now += timedelta(seconds=10)
        return machine.resume(Cursor.from_json(json.loads(self.stored)), self.shape, self.now)

    def turn(self, cursor: Cursor, command: Command, disturbance: str, number: int | None) -> tuple[Cursor, Command]:
        """Do one command, or let something come between."""
        if disturbance == "crash before":
            return self.crash()
        if disturbance == "restart" and command is not Do.APPLY and not isinstance(command, Wait):
            cursor, command = machine.resume(Cursor.from_json(json.loads(self.stored)), self.shape, self.now)
            assert isinstance(command, Do)
        if disturbance == "late":
            self.now += timedelta(minutes=20)
        if disturbance == "cancel":
            self.cancelled = True
            return self.tell(cursor, Cancel("somebody"))
        if isinstance(command, Wait):
            assert command.until > self.now or disturbance == "late", "a wait for the past would spin"
            self.keep(cursor)
            self.now = max(self.now, command.until)
            return machine.resume(Cursor.from_json(json.loads(self.stored)), self.shape, self.now)
        answer = self.answer(cursor, command, number)
        if command is Do.APPLY:
            self.begin(cursor)
            if disturbance == "crash after":
                return self.crash()
        elif disturbance == "crash after":
            return self.crash()
        self.now += timedelta(seconds=1)
        self.learn(cursor, command, answer)
        return self.tell(cursor, answer)

    def tell(self, cursor: Cursor, said: Event) -> tuple[Cursor, Command]:
        after, command = machine.advance(cursor, said, self.shape, self.now)
        self.keep(after)
        if after.phase is Phase.ENDED and after.outcome is Outcome.VERIFIED and after.reverses is None:
            self.assert_held(cursor)
        if command is Do.ASK_PERSON:
            assert after.question is not None
        return after, command

    def answer(self, cursor: Cursor, command: Do, number: int | None) -> Any:
        later = range(cursor.remedy, len(self.shape.remedies)) if cursor.step == 0 else [cursor.remedy]
        allowed = later if cursor.direction == "apply" else [cursor.remedy]
        options: dict[Do, Sequence[Event]] = {
            Do.CHECK: [
                Admitted(allowed[(number or 0) % len(allowed)]),
                Admitted(cursor.remedy),
                Denied("a guard said no"),
                Denied("paused", paused=True),
                Denied("none applies", no_remedy=True),
                Denied("cannot be read", unread=True),
            ],
            Do.APPLY: [*Applied, Refused("never"), Refused("somebody was first", overtaken=True)],
            Do.LAND: [*Answer, Applied.PARTLY],
            Do.LOOK_EFFECT: list(Answer),
            Do.LOOK_VERIFY: list(Answer),
            Do.ASK_PERSON: [one for one in PersonSaid if one in ANSWERS[cursor.question]] if cursor.question else [],
        }
        given_now = options[command]
        return given_now[(self.steady[command] if number is None else number) % len(given_now)]

    def begin(self, cursor: Cursor) -> None:
        """The stored cursor says APPLY: from here on the effect may be anywhere."""
        assert Cursor.from_json(json.loads(self.stored)) == cursor, "stored before the effect"
        assert cursor.phase is Phase.APPLY
        intent = (cursor.remedy, cursor.step, cursor.direction)
        assert not self.cancelled, "nothing is begun after a cancel"
        assert intent not in self.open, "begun again although nobody said that it did not happen"
        if cursor.direction == "apply":
            assert cursor.stopped is None, "no step is begun in a run that was stopped"
            assert intent in self.parts or intent not in (*self.done, *self.looked, *self.undone), "applied twice"
            before = [(cursor.remedy, step, "apply") for step in range(cursor.step)]
            stands = [one for one in (*self.done, *self.looked) if one[0] == cursor.remedy and one != intent]
            assert stands == before, "steps in order"
            assert self.shape.rehearsal or self.effect_seen.issuperset(before), "a step waits for the former's effect"
        else:
            mine = [one for one in self.done if one[0] == cursor.remedy]
            assert mine and mine[-1][1] == cursor.step, "only what was done is undone, the last first"
            asked_for = self.remedy(cursor).if_refuted == "undo" or cursor.remedy in self.undo_ordered
            assert asked_for or cursor.reverses is not None
            assert not self.shape.rehearsal
        self.open.add(intent)
        self.begins[intent] = self.begins.get(intent, 0) + 1
        assert self.begins[intent] <= stepping.MAX_ATTEMPTS * self.tries, "applies are bounded"
        self.looks.clear()

    def learn(self, cursor: Cursor, command: Do, answer: Event) -> None:
        """What the world and people have told."""
        intent = (cursor.remedy, cursor.step, cursor.direction)
        if self.shape.rehearsal:
            assert command not in (Do.LOOK_EFFECT, Do.LOOK_VERIFY, Do.ASK_PERSON), "a rehearsal looks at nothing (S14)"
        match command, answer:
            case (Do.APPLY, Applied.NOT_DONE | Refused()) | (Do.LAND, Answer.NO):
                self.open.discard(intent)
            case (Do.APPLY, Applied.DONE) | (Do.LAND, Answer.YES) | (Do.ASK_PERSON, PersonSaid.LANDED):
                self.open.discard(intent)
                self.settle(intent)
            case (Do.APPLY | Do.LAND, Applied.PARTLY) if self.shape.rehearsal:
                self.open.discard(intent)
                self.settle(intent)
            case (Do.APPLY | Do.LAND, Applied.PARTLY):  # something was done, so its attempts are counted anew
                self.open.discard(intent)
                self.begins[intent] = 0
                writes = self.remedy(cursor).writes
                if cursor.direction == "apply" and writes and intent not in self.done:
                    self.done.append(intent)
                self.parts.add(intent)
                self.times_in_part[intent] = times = self.times_in_part.get(intent, 0) + 1
                assert times <= stepping.PARTS_WITHIN / LOOK + self.tries, "a step is done in parts only for so long"
            case Do.LOOK_EFFECT, Answer.YES:
                self.effect_seen.add(intent)
            case Do.LOOK_VERIFY, Answer():
                self.looks.append((self.now, answer))
        if command is Do.ASK_PERSON:
            self.words += 1
            self.tries += answer is PersonSaid.CONTINUE
            if answer is PersonSaid.UNDO:
                self.undo_ordered.add(cursor.remedy)

    def settle(self, intent: Intent) -> None:
        remedy, step, direction = intent
        self.parts.discard(intent)
        if direction == "apply" and not self.shape.remedies[remedy].writes:
            self.looked.append(intent)
        elif direction == "apply":
            self.done = [*(one for one in self.done if one != intent), intent]
        else:
            self.done.remove((remedy, step, "apply"))
            self.undone.add((remedy, step, "apply"))

    def assert_held(self, cursor: Cursor) -> None:
        """Every look of the last ``hold`` was a known yes, and the first of them lies that long ago (S24)."""
        held: list[datetime] = []
        for at, answer in reversed(self.looks):
            if answer is not Answer.YES:
                break
            held.append(at)
        assert held, "verified without a yes"
        assert held[0] - held[-1] >= self.remedy(cursor).hold
        assert self.done, "verified, but nothing of it stands"

    def remedy(self, cursor: Cursor) -> RemedyShape:
        return self.shape.remedies[cursor.remedy]


@given(shapes, scripts, steady)
def test_a_run_ends_or_waits_for_a_person_and_never_applies_blindly(
    shape: Shape, script: list[tuple[str, int]], always: dict[Do, int]
) -> None:
    play = Play(shape, script, always)

    cursor = play.run()

    event(f"{cursor.phase} {cursor.outcome}")
    if cursor.phase is Phase.PERSON:
        assert not shape.rehearsal
        return
    assert cursor.outcome is not None
    assert cursor.note
    assert machine.resume(cursor, shape, play.now + timedelta(days=1)) == (cursor, Do.END)
    match cursor.outcome:
        case Outcome.OVERTAKEN:
            assert shape.rehearsal or not (play.done or play.undone), "overtaken means that nothing was done"
        case Outcome.REFUTED:
            assert play.done or play.undone
        case Outcome.REHEARSED:
            assert shape.rehearsal
        case Outcome.INFORMED:
            assert play.looked and not (play.done or play.undone or shape.rehearsal)
            assert not shape.remedies[cursor.remedy].writes
        case Outcome.VERIFIED:
            assert play.looks[-1][1] is Answer.YES
    if play.cancelled and script:
        assert cursor.outcome is not Outcome.REHEARSED or shape.rehearsal
    if play.open:  # nobody knows whether it happened: only a person, a cancel by way of one, or a rehearsal ends so
        assert play.words or shape.rehearsal


@given(shapes, scripts, steady, st.integers(0, 48))
def test_a_reverse_puts_back_once_or_leaves_it_or_asks_a_person(
    shape: Shape, script: list[tuple[str, int]], always: dict[Do, int], hours: int
) -> None:
    """S39: the run that puts back what was made for a time is guarded as an undo (S25)."""
    shape = replace(shape, rehearsal=False)
    made = (len(shape.remedies) - 1, 0, "apply")
    due_at = T0 + timedelta(hours=hours)
    if always[Do.CHECK] == PAUSED_FOR_EVER:  # then it waits as long
        always = always | {Do.CHECK: 0}
    play = Play(shape, script, always, done=[made])

    cursor = play.run(undo.reverse("run_made", made[0], made[1], due_at))

    event(f"{cursor.phase} {cursor.outcome}")
    assert all(intent[2] == "undo" for intent in play.begins), "it does nothing but put back"
    assert play.cancelled or play.now >= due_at
    if cursor.phase is Phase.PERSON:
        return
    assert cursor.note
    if cursor.outcome is Outcome.VERIFIED:
        assert made in play.undone
    elif cursor.outcome is Outcome.OVERTAKEN:
        assert made in play.done
    else:
        assert play.cancelled or play.words, "it never ends badly without a person's word"


@given(shapes, scripts, steady)
def test_a_cancel_ends_the_run_as_cancelled_unless_it_came_after_the_end(
    shape: Shape, script: list[tuple[str, int]], always: dict[Do, int]
) -> None:
    undisturbed = [("none", number) for _, number in script]
    play = Play(shape, [*undisturbed, ("cancel", 0)], always)

    cursor = play.run()

    if play.cancelled and cursor.phase is Phase.ENDED:
        assert cursor.outcome is Outcome.CANCELLED
        assert "cancelled by somebody" in cursor.note


@given(shapes, steady, st.integers(0, 40))
def test_a_restart_that_loses_no_answer_changes_nothing(shape: Shape, always: dict[Do, int], crash_at: int) -> None:
    """A crash between storing an answer and doing the next command, before any effect, is not even seen."""
    plain = Play(shape, [], always)
    restarted = Play(shape, [*[("none", None)] * crash_at, ("restart", None)], always)

    assert restarted.run() == plain.run()
    assert restarted.begins == plain.begins


looks = st.lists(
    st.tuples(st.sampled_from([Answer.YES, Answer.YES, Answer.YES, Answer.NO, Answer.UNKNOWN]), st.integers(0, 90)),
    max_size=25,
)


@given(remedies, looks, st.sampled_from(Answer))
def test_a_verification_ends_as_its_looks_say_whenever_they_happen(
    remedy: RemedyShape, script: list[tuple[Answer, int]], always: Answer
) -> None:
    shape = Shape((remedy,), rehearsal=False, settle=timedelta(0), look=LOOK)
    cursor, now = Cursor(Phase.VERIFY, since=T0, changed=True, done=tuple(range(remedy.steps))), T0
    seen: list[tuple[datetime, Answer]] = []
    while cursor.phase in (Phase.VERIFY, Phase.WATCH):
        answer, late_s = script[len(seen)] if len(seen) < len(script) else (always, 0)
        now += timedelta(seconds=late_s)
        seen.append((now, answer))
        before = cursor
        cursor, command = machine.advance(cursor, answer, shape, now)
        if cursor.phase is Phase.WATCH is not before.phase:
            assert answer is Answer.UNKNOWN and now >= T0 + remedy.within
        if isinstance(command, Wait):
            assert now < command.until <= now + LOOK
            now = command.until
        assert len(seen) < 200, "it comes to an end"

    held = [at for at, answer in seen if answer is Answer.YES]
    broken = [at for at, answer in seen if answer is not Answer.YES]
    if cursor.outcome is Outcome.VERIFIED:
        unbroken = [at for at in held if not broken or at > broken[-1]]
        assert unbroken[-1] - unbroken[0] >= remedy.hold, "only a hold without a break is a success"
    elif cursor.outcome is Outcome.UNKNOWN:
        assert seen[-1][1] is not Answer.YES
    else:
        assert seen[-1] == (now, Answer.NO), "only a known no refutes"
        assert now >= T0 + remedy.within


@given(remedies, st.integers(0, 600))
def test_one_unknown_look_only_restarts_the_hold(remedy: RemedyShape, first_yes_s: int) -> None:
    """However late the hold began (S24)."""
    shape = Shape((remedy,), rehearsal=False, settle=timedelta(0), look=LOOK)
    cursor, now = Cursor(Phase.VERIFY, since=T0, changed=True, done=(0,)), T0 + timedelta(seconds=first_yes_s)
    for answer in (Answer.YES, Answer.UNKNOWN, *[Answer.YES] * 10):
        cursor, command = machine.advance(cursor, answer, shape, now)
        if cursor.phase is Phase.ENDED:
            break
        assert cursor.phase is Phase.VERIFY
        assert isinstance(command, Wait)
        now = command.until
    assert cursor.outcome is Outcome.VERIFIED
