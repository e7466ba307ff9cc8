"""Every arrow of the machine's drawing, as a transcript: what happened, when -> where the run stands, what comes next."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediator.answers import Answer
from remediator.runs import machine, stepping, undo
from remediator.runs.cursor import Cursor, Outcome, Phase, Question, RemedyShape, Shape
from remediator.runs.events import Admitted, Applied, Cancel, Denied, Do, Event, PersonSaid, Refused, Wait
from tests.support.clock import T0

ONE = RemedyShape(1, within=timedelta(minutes=10), hold=timedelta(minutes=2), if_refuted="keep")
UNDOES = replace(ONE, if_refuted="undo")
TWO_STEPS = replace(UNDOES, steps=2)

LOOKS = replace(ONE, within=timedelta(0), hold=timedelta(0), writes=False)

GO, DONE, LOST, NOT_DONE, PARTLY = Admitted(0), Applied.DONE, Applied.LOST, Applied.NOT_DONE, Applied.PARTLY
YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
RESTART = None
DENIED, PAUSED = Denied("a guard said no"), Denied("paused by ada", paused=True)
CANCEL = Cancel("ada")

APPLIED: list[Any] = [(0, RESTART, Do.CHECK), (0, GO, Do.APPLY), (1, DONE, Do.LOOK_VERIFY)]
REFUTED: list[Any] = [*APPLIED, (601, NO, ...)]


def shape(*remedies: RemedyShape, rehearsal: bool = False, settle_s: int = 0) -> Shape:
    return Shape(remedies or (ONE,), rehearsal, timedelta(seconds=settle_s), look=timedelta(seconds=5))


def play(of: Shape, *lines: tuple[float, Event | None, Any], begin: Cursor | None = None) -> Cursor:
    """Each line: seconds since the start, what happened, the next command (a number: a wait until then; ``...``: any)."""
    cursor = begin or machine.start(0, T0)
    for at_s, happened, expected in lines:
        now = T0 + timedelta(seconds=at_s)
        cursor = Cursor.from_json(cursor.to_json())
        if happened is None:
            cursor, command = machine.resume(cursor, of, now)
        else:
            cursor, command = machine.advance(cursor, happened, of, now)
        if isinstance(expected, int | float):
            expected = Wait(T0 + timedelta(seconds=expected))
        assert expected is ... or command == expected, f"at {at_s} s after {happened}: {command}"
    return cursor


def ended(cursor: Cursor) -> Outcome:
    assert cursor.phase is Phase.ENDED
    assert cursor.outcome is not None
    assert cursor.note
    return cursor.outcome


def test_held_for_its_time_is_verified() -> None:
    of = shape(settle_s=20)
    cursor = play(
        of,
        (0, RESTART, 20),
        (20, RESTART, Do.CHECK),
        (20, GO, Do.APPLY),
        (21, DONE, Do.LOOK_VERIFY),
        (22, NO, 27),
        (27, YES, 32),
        (32, YES, 37),
        (144, YES, 147),
        (147, YES, Do.END),
    )
    assert ended(cursor) is Outcome.VERIFIED


def test_denied_before_any_change_is_overtaken() -> None:
    cursor = play(shape(), (0, RESTART, Do.CHECK), (0, DENIED, Do.END))
    assert ended(cursor) is Outcome.OVERTAKEN


@pytest.mark.parametrize(
    ("refused", "outcome"),
    [(Refused("no such field"), Outcome.FAILED), (Refused("another was first", overtaken=True), Outcome.OVERTAKEN)],
)
def test_a_refused_first_step_ends_it(refused: Refused, outcome: Outcome) -> None:
    assert ended(play(shape(), (0, RESTART, ...), (0, GO, ...), (1, refused, Do.END))) is outcome


@pytest.mark.parametrize("lost", [LOST, RESTART])
def test_a_lost_answer_and_a_crash_are_looked_at_never_resent(lost: Event | None) -> None:
    cursor = play(shape(), (0, RESTART, ...), (0, GO, Do.APPLY), (1, lost, Do.LAND), (2, YES, Do.LOOK_VERIFY))
    assert cursor.done == (0,)


def test_what_did_not_land_is_checked_again_before_it_is_begun_again() -> None:
    play(
        shape(),
        (0, RESTART, Do.CHECK),
        (0, GO, Do.APPLY),
        (1, LOST, Do.LAND),
        (1, NO, 3),
        (3, RESTART, Do.CHECK),
        (3, GO, Do.APPLY),
        (4, NOT_DONE, 8),
        (8, RESTART, Do.CHECK),
    )


def test_attempts_are_bounded() -> None:
    cursor = machine.start(0, T0)
    for attempt in range(1, stepping.MAX_ATTEMPTS + 1):
        cursor, _ = machine.resume(cursor, shape(), T0)
        cursor, _ = machine.advance(cursor, GO, shape(), T0)
        assert (cursor.phase, cursor.attempts) == (Phase.APPLY, attempt)
        cursor, _ = machine.advance(cursor, NOT_DONE, shape(), T0)
    assert ended(cursor) is Outcome.FAILED


@pytest.mark.parametrize(
    ("said", "command"),
    [(PersonSaid.LANDED, Do.LOOK_VERIFY), (PersonSaid.NOT_LANDED, Do.END), (PersonSaid.NOBODY_KNOWS, Do.END)],
)
def test_unknown_for_too_long_needs_a_person(said: PersonSaid, command: Do) -> None:
    cursor = play(
        shape(),
        (0, RESTART, ...),
        (0, GO, ...),
        (1, LOST, Do.LAND),
        (2, UNKNOWN, 7),
        (301, UNKNOWN, Do.ASK_PERSON),
        (900, RESTART, Do.ASK_PERSON),
        (901, said, command),
    )
    assert cursor.question is None


def test_the_next_step_waits_for_the_effect_of_the_former() -> None:
    cursor = play(
        shape(TWO_STEPS),
        (0, RESTART, ...),
        (0, GO, ...),
        (1, DONE, Do.LOOK_EFFECT),
        (2, NO, 7),
        (7, UNKNOWN, 12),
        (12, YES, Do.CHECK),
        (12, GO, Do.APPLY),
        (13, DONE, Do.LOOK_VERIFY),
    )
    assert cursor.done == (0, 1)


def test_an_effect_that_does_not_come_stops_the_steps_and_what_is_there_is_verified() -> None:
    steps: list[Any] = [(0, RESTART, ...), (0, GO, ...), (1, DONE, Do.LOOK_EFFECT), (601, NO, Do.LOOK_VERIFY)]
    held = play(shape(TWO_STEPS, ONE), *steps, (602, YES, ...), (722, YES, Do.END))
    assert ended(held) is Outcome.VERIFIED
    refuted = play(
        shape(TWO_STEPS, ONE),
        *steps,
        (1201, NO, Do.CHECK),
        (1201, GO, Do.APPLY),
        (1202, DONE, Do.LOOK_EFFECT),
        (1203, YES, Do.END),
    )
    assert ended(refuted) is Outcome.FAILED, "stopped: no next remedy"
    assert refuted.done == ()


def test_an_effect_is_waited_for_as_long_as_the_slowest_action_of_the_remedy_needs() -> None:
    slow = replace(TWO_STEPS, effect_within=timedelta(hours=6))
    steps: list[Any] = [(0, RESTART, ...), (0, GO, ...), (1, DONE, Do.LOOK_EFFECT)]
    hour = 3600
    cursor = play(shape(slow), *steps, (hour, NO, hour + 5), (5 * hour, YES, Do.CHECK))
    assert cursor.step == 1
    cursor = play(shape(slow), *steps, (6 * hour + 1, NO, Do.LOOK_VERIFY))
    assert cursor.stopped is not None and "did not take effect in time" in cursor.stopped


def test_refuted_and_kept_goes_on_with_the_next_remedy_and_ends_refuted_after_the_last() -> None:
    cursor = play(
        shape(ONE, ONE), *REFUTED, (602, Admitted(1), Do.APPLY), (603, DONE, Do.LOOK_VERIFY), (1203, NO, Do.END)
    )
    assert ended(cursor) is Outcome.REFUTED
    assert cursor.remedy == 1


def test_a_next_remedy_whose_preconditions_fail_is_passed_over() -> None:
    cursor = play(shape(ONE, ONE, ONE), *REFUTED, (602, Admitted(2), Do.APPLY))
    assert cursor.remedy == 2


def test_no_further_remedy_ends_refuted() -> None:
    assert ended(play(shape(ONE, ONE), *REFUTED, (602, Denied("none", no_remedy=True), Do.END))) is Outcome.REFUTED


def test_undo_goes_backwards_each_step_planned_and_checked() -> None:
    cursor = play(
        shape(TWO_STEPS),
        (0, RESTART, ...),
        (0, GO, ...),
        (1, DONE, ...),
        (2, YES, Do.CHECK),
        (2, GO, ...),
        (3, DONE, Do.LOOK_VERIFY),
        (603, NO, Do.CHECK),
    )
    assert (cursor.direction, cursor.step) == ("undo", 1)
    now = T0 + timedelta(seconds=604)
    happened: Event
    for happened in (GO, DONE):
        cursor, _ = machine.advance(cursor, happened, shape(TWO_STEPS), now)
    assert cursor.phase is Phase.EFFECT
    cursor, command = machine.advance(cursor, YES, shape(TWO_STEPS), now)
    assert (command, cursor.direction, cursor.step, cursor.done) == (Do.CHECK, "undo", 0, (0,))
    for happened in (GO, DONE, YES):
        cursor, _ = machine.advance(cursor, happened, shape(TWO_STEPS), now)
    assert ended(cursor) is Outcome.REFUTED
    assert "was undone" in cursor.note


@pytest.mark.parametrize("overtaken", [Denied("somebody wrote since"), Refused("another uid", overtaken=True)])
def test_an_overtaken_undo_touches_nothing(overtaken: Event) -> None:
    before: list[Any] = [] if isinstance(overtaken, Denied) else [(603, GO, Do.APPLY)]
    cursor = play(shape(UNDOES, ONE), *REFUTED, *before, (604, overtaken, Do.END))
    assert ended(cursor) is Outcome.REFUTED
    assert "left as it is" in cursor.note
    assert cursor.done == (0,)


def test_an_undo_that_cannot_be_read_is_asked_again_and_then_needs_a_person() -> None:
    unread = Denied("the API server does not answer", unread=True)
    cursor = play(shape(UNDOES), *REFUTED, (602, unread, 607), (607, RESTART, Do.CHECK), (901, unread, Do.ASK_PERSON))
    assert cursor.question is Question.UNDO_FAILED
    cursor, command = machine.advance(cursor, PersonSaid.CONTINUE, shape(UNDOES), T0 + timedelta(hours=1))
    assert (command, cursor.direction) == (Do.CHECK, "undo")


def test_an_undo_that_was_done_is_never_begun_again_by_a_persons_word() -> None:
    cursor = play(
        shape(UNDOES),
        *REFUTED,
        (602, GO, Do.APPLY),
        (603, DONE, Do.LOOK_EFFECT),
        (1203, NO, Do.ASK_PERSON),
        (2000, PersonSaid.CONTINUE, Do.LOOK_EFFECT),
        (2001, YES, Do.END),
    )
    assert ended(cursor) is Outcome.REFUTED


class TestInPart:
    """A drain whose evictions a budget refuses for now."""

    BEGUN: list[Any] = [(0, RESTART, ...), (0, GO, Do.APPLY), (1, PARTLY, 6)]  # noqa: RUF012 - never changed

    def test_the_rest_is_begun_through_a_check_and_then_it_goes_on_as_done(self) -> None:
        cursor = play(
            shape(), *self.BEGUN, (6, RESTART, Do.CHECK), (6, GO, Do.APPLY), (7, PARTLY, 12), (12, RESTART, Do.CHECK),
            (12, GO, Do.APPLY), (13, DONE, Do.LOOK_VERIFY),
        )  # fmt: skip
        assert cursor.done == (0,)

    def test_after_a_lost_answer_the_mark_of_a_part_is_no_end(self) -> None:
        play(shape(), (0, RESTART, ...), (0, GO, ...), (1, LOST, Do.LAND), (2, PARTLY, 7), (7, RESTART, Do.CHECK))

    def test_it_may_be_begun_more_often_than_a_step_that_fails(self) -> None:
        cursor = machine.start(0, T0)
        for at_s in range(0, 60 * (stepping.MAX_ATTEMPTS + 2), 60):
            now = T0 + timedelta(seconds=at_s)
            cursor, _ = machine.resume(cursor, shape(), now)
            cursor, _ = machine.advance(cursor, GO, shape(), now)
            cursor, command = machine.advance(cursor, PARTLY, shape(), now)
            assert command == Wait(now + timedelta(seconds=5))

    def test_after_half_an_hour_what_is_there_is_verified(self) -> None:
        cursor = play(shape(), *self.BEGUN, (1801, RESTART, ...), (1801, GO, ...), (1802, PARTLY, Do.LOOK_VERIFY))
        assert "only in part" in (cursor.stopped or "")

    def test_denied_in_between_what_is_there_is_verified(self) -> None:
        cursor = play(shape(), *self.BEGUN, (6, RESTART, ...), (6, DENIED, Do.LOOK_VERIFY))
        assert cursor.done == (0,)

    def test_paused_in_between_and_refuted_it_needs_a_person_who_may_let_it_go_on(self) -> None:
        stopped: list[Any] = [*self.BEGUN, (6, RESTART, ...), (6, PAUSED, Do.LOOK_VERIFY), (606, NO, Do.ASK_PERSON)]
        assert play(shape(), *stopped).question is Question.PAUSED
        undone = play(shape(), *stopped, (700, PersonSaid.UNDO, Do.CHECK))
        assert (undone.direction, undone.step) == ("undo", 0)

    def test_no_other_remedy_takes_over_what_was_done_in_part(self) -> None:
        cursor = play(shape(ONE, ONE), *self.BEGUN, (6, RESTART, Do.CHECK))
        with pytest.raises(ValueError, match="does not answer"):
            machine.advance(cursor, Admitted(1), shape(ONE, ONE), T0)

    def test_a_cancel_in_between_looks_once_and_ends_it(self) -> None:
        cursor = play(shape(), *self.BEGUN, (3, CANCEL, Do.LOOK_VERIFY), (4, NO, Do.END))
        assert ended(cursor) is Outcome.CANCELLED

    def test_an_undo_in_part_goes_on_and_asks_a_person_after_half_an_hour(self) -> None:
        undoing: list[Any] = [*REFUTED, (602, GO, Do.APPLY), (603, PARTLY, 608)]
        cursor = play(shape(UNDOES), *undoing, (608, RESTART, ...), (608, GO, ...), (609, DONE, Do.LOOK_EFFECT))
        assert cursor.done == ()
        late = play(shape(UNDOES), *undoing, (2403, RESTART, ...), (2403, GO, ...), (2404, PARTLY, Do.ASK_PERSON))
        assert late.question is Question.UNDO_FAILED

    def test_a_rehearsal_takes_a_part_for_the_whole(self) -> None:
        cursor = play(shape(rehearsal=True), (0, RESTART, ...), (0, GO, ...), (1, PARTLY, Do.END))
        assert ended(cursor) is Outcome.REHEARSED


class TestOnlyLooking:
    """A remedy that changes nothing."""

    def test_it_ends_informed_after_its_last_step_and_verifies_nothing(self) -> None:
        cursor = play(
            shape(replace(LOOKS, steps=2)), (0, RESTART, ...), (0, GO, ...), (1, DONE, Do.LOOK_EFFECT),
            (2, YES, Do.CHECK), (2, GO, ...), (3, DONE, Do.END),
        )  # fmt: skip
        assert ended(cursor) is Outcome.INFORMED
        assert (cursor.changed, cursor.done) == (False, ())

    def test_after_a_remedy_that_did_not_work_it_is_no_success(self) -> None:
        cursor = play(shape(ONE, LOOKS), *REFUTED, (602, Admitted(1), Do.APPLY), (603, DONE, Do.END))
        assert ended(cursor) is Outcome.REFUTED
        assert "only looked" in cursor.note

    def test_one_that_cannot_be_done_fails_and_is_not_called_refuted(self) -> None:
        two = replace(LOOKS, steps=2)
        assert ended(play(shape(LOOKS), (0, RESTART, ...), (0, GO, ...), (1, Refused("no"), Do.END))) is Outcome.FAILED
        late = play(shape(two), (0, RESTART, ...), (0, GO, ...), (1, DONE, Do.LOOK_EFFECT), (601, NO, Do.END))
        assert ended(late) is Outcome.FAILED

    @pytest.mark.parametrize("when", [[], [(0, RESTART, ...), (0, GO, ...), (1, DONE, Do.LOOK_EFFECT)]])
    def test_a_cancel_looks_at_nothing_since_nothing_was_changed(self, when: list[Any]) -> None:
        cursor = play(shape(replace(LOOKS, steps=2)), *when, (2, CANCEL, Do.END))
        assert ended(cursor) is Outcome.CANCELLED

    def test_paused_it_ends_since_there_is_nothing_to_continue(self) -> None:
        two = shape(replace(LOOKS, steps=2))
        cursor = play(two, (0, RESTART, ...), (0, GO, ...), (1, DONE, ...), (2, YES, ...), (2, PAUSED, Do.END))
        assert ended(cursor) is Outcome.OVERTAKEN

    def test_a_rehearsal_ends_rehearsed(self) -> None:
        cursor = play(shape(LOOKS, rehearsal=True), (0, RESTART, ...), (0, GO, ...), (1, DONE, Do.END))
        assert ended(cursor) is Outcome.REHEARSED


class TestReverse:
    """S39, S25: the run that puts back, a day later, what another made for a time."""

    DAY = 86_400
    DUE: list[Any] = [(5, RESTART, 86_400), (86_400, RESTART, Do.CHECK)]  # noqa: RUF012 - never changed

    def reverse(self, *lines: Any, of: Shape | None = None) -> Cursor:
        begin = undo.reverse("run_made", 0, 0, T0 + timedelta(days=1))
        return play(of or shape(settle_s=20), *self.DUE, *lines, begin=begin)

    def test_it_waits_until_it_is_due_puts_back_and_is_verified(self) -> None:
        cursor = self.reverse(
            (self.DAY, GO, Do.APPLY), (self.DAY + 1, DONE, Do.LOOK_EFFECT), (self.DAY + 2, NO, self.DAY + 7),
            (self.DAY + 7, YES, Do.END),
        )  # fmt: skip
        assert ended(cursor) is Outcome.VERIFIED
        assert "put back" in cursor.note

    @pytest.mark.parametrize("how", [Denied("somebody wrote since"), Refused("another uid", overtaken=True)])
    def test_what_somebody_wrote_since_is_left_and_said(self, how: Event) -> None:
        begun = [] if isinstance(how, Denied) else [(self.DAY, GO, Do.APPLY)]
        cursor = self.reverse(*begun, (self.DAY + 1, how, Do.END))
        assert ended(cursor) is Outcome.OVERTAKEN
        assert "left as it is" in cursor.note

    def test_a_lost_answer_is_looked_at(self) -> None:
        lost = [(self.DAY, GO, Do.APPLY), (self.DAY + 1, RESTART, Do.LAND)]
        self.reverse(*lost, (self.DAY + 2, YES, Do.LOOK_EFFECT))
        self.reverse(*lost, (self.DAY + 2, NO, self.DAY + 4), (self.DAY + 4, RESTART, Do.CHECK))

    def test_under_a_pause_it_waits_and_asks_nobody(self) -> None:
        cursor = self.reverse(
            (self.DAY, PAUSED, self.DAY + 60), (self.DAY + 9_000, RESTART, Do.CHECK), (self.DAY + 9_000, GO, Do.APPLY)
        )
        assert cursor.phase is Phase.APPLY

    def test_one_that_fails_needs_a_person(self) -> None:
        begun = [(self.DAY, GO, Do.APPLY)]
        failures: list[list[Any]] = [
            [*begun, (self.DAY + 1, Refused("forbidden"), Do.ASK_PERSON)],
            [*begun, (self.DAY + 1, DONE, ...), (self.DAY + 700, NO, Do.ASK_PERSON)],
            [(self.DAY, Denied("no answer", unread=True), ...), (self.DAY + 301, Denied("no", unread=True), ...)],
        ]
        for lines in failures:
            assert self.reverse(*lines).question is Question.UNDO_FAILED
        stuck, command = machine.stuck(self.reverse(), "a defect", rehearsal=False, now=T0 + timedelta(days=1))
        assert (command, stuck.question) == (Do.ASK_PERSON, Question.UNDO_FAILED)

    def test_a_cancel_leaves_the_change_and_asks_no_conditions(self) -> None:
        cursor = self.reverse((self.DAY, CANCEL, Do.END))
        assert ended(cursor) is Outcome.CANCELLED
        assert cursor.note == "cancelled by ada; what was made for a time stays"
        late = self.reverse((self.DAY, GO, ...), (self.DAY + 1, CANCEL, Do.LAND), (self.DAY + 2, YES, Do.END))
        assert late.note == "cancelled by ada; by then it was put back"


class TestVerification:
    """S24, at its edges."""

    def test_the_last_look_is_at_the_end_of_within(self) -> None:
        play(shape(), *APPLIED, (598, NO, 601), (601, NO, Do.END))

    def test_a_hold_that_began_in_time_may_end_after_within(self) -> None:
        cursor = play(shape(), *APPLIED, (600, YES, 605), (715, YES, 720), (720, YES, Do.END))
        assert ended(cursor) is Outcome.VERIFIED

    def test_a_known_no_restarts_the_hold(self) -> None:
        cursor = play(shape(), *APPLIED, (100, YES, ...), (219, NO, 224), (224, YES, ...), (300, YES, ...))
        assert cursor.hold_since == T0 + timedelta(seconds=224)

    def test_a_known_no_after_within_refutes(self) -> None:
        assert ended(play(shape(), *APPLIED, (600, YES, ...), (602, NO, Do.END))) is Outcome.REFUTED

    def test_one_unknown_look_restarts_a_late_hold(self) -> None:
        cursor = play(
            shape(),
            *APPLIED,
            (600, YES, ...),
            (719, UNKNOWN, 724),
            (724, YES, ...),
            (843, YES, 844),
            (844, YES, Do.END),
        )
        assert ended(cursor) is Outcome.VERIFIED

    def test_unknown_looks_do_not_put_the_end_off_for_ever(self) -> None:
        cursor = play(shape(), *APPLIED, (600, YES, ...), (700, UNKNOWN, ...), (800, YES, ...), (821, UNKNOWN, ...))
        assert cursor.phase is Phase.WATCH

    def test_unknown_at_the_end_keeps_looking_and_is_verified_if_facts_return(self) -> None:
        watching: list[Any] = [*APPLIED, (601, UNKNOWN, 606)]
        assert play(shape(UNDOES, ONE), *watching).outcome is Outcome.UNKNOWN
        cursor = play(shape(UNDOES, ONE), *watching, (1000, YES, ...), (1120, YES, Do.END))
        assert ended(cursor) is Outcome.VERIFIED

    def test_unknown_changes_nothing_more_even_when_it_turns_into_no(self) -> None:
        cursor = play(shape(UNDOES, ONE), *APPLIED, (601, UNKNOWN, 606), (700, NO, 705), (4201, NO, Do.END))
        assert ended(cursor) is Outcome.UNKNOWN
        assert cursor.done == (0,)

    def test_looks_of_an_earlier_remedy_count_for_nothing(self) -> None:
        cursor = play(shape(ONE, ONE), *APPLIED)
        seen = replace(cursor, hold_since=T0, absent_since=T0, restart_until=T0 + timedelta(hours=9))
        after, _ = machine.advance(seen, NO, shape(ONE, ONE), T0 + timedelta(hours=1))
        assert (after.hold_since, after.absent_since, after.restart_until) == (None, None, None)


class TestPause:
    """S23."""

    BETWEEN_STEPS: list[Any] = [  # noqa: RUF012 - a transcript, never changed
        (0, RESTART, ...),
        (0, GO, ...),
        (1, DONE, ...),
        (2, YES, Do.CHECK),
        (2, PAUSED, Do.LOOK_VERIFY),
    ]

    def test_before_the_first_change_it_ends(self) -> None:
        assert ended(play(shape(), (0, RESTART, ...), (0, PAUSED, Do.END))) is Outcome.OVERTAKEN

    def test_caught_in_the_middle_it_is_verified(self) -> None:
        cursor = play(shape(TWO_STEPS), *self.BETWEEN_STEPS, (3, YES, ...), (123, YES, Do.END))
        assert ended(cursor) is Outcome.VERIFIED

    def test_caught_in_the_middle_and_refuted_it_needs_a_person(self) -> None:
        cursor = play(shape(TWO_STEPS), *self.BETWEEN_STEPS, (602, NO, Do.ASK_PERSON))
        assert cursor.question is Question.PAUSED

    def test_continue_goes_on_with_the_step_that_was_stopped(self) -> None:
        cursor = play(shape(TWO_STEPS, ONE), *self.BETWEEN_STEPS, (602, NO, ...), (700, PersonSaid.CONTINUE, Do.CHECK))
        assert (cursor.remedy, cursor.step, cursor.direction, cursor.stopped) == (0, 1, "apply", None)

    def test_undo_by_a_person_undoes_and_ends(self) -> None:
        cursor = play(
            shape(replace(TWO_STEPS, if_refuted="keep"), ONE),
            *self.BETWEEN_STEPS,
            (602, NO, ...),
            (700, PersonSaid.UNDO, Do.CHECK),
            (701, GO, Do.APPLY),
            (702, DONE, Do.LOOK_EFFECT),
            (703, YES, Do.END),
        )
        assert ended(cursor) is Outcome.FAILED
        assert cursor.done == ()

    def test_caught_between_two_remedies_it_needs_a_person_too(self) -> None:
        cursor = play(shape(ONE, ONE), *REFUTED, (602, PAUSED, Do.ASK_PERSON))
        assert cursor.question is Question.PAUSED
        assert play(shape(ONE, ONE), *REFUTED, (602, PAUSED, ...), (700, PersonSaid.CONTINUE, Do.CHECK)).remedy == 1
        abandoned = play(shape(ONE, ONE), *REFUTED, (602, PAUSED, ...), (700, PersonSaid.ABANDON, Do.END))
        assert ended(abandoned) is Outcome.FAILED

    def test_an_undo_does_not_begin_under_pause(self) -> None:
        cursor = play(shape(UNDOES), *REFUTED, (602, PAUSED, Do.ASK_PERSON), (700, PersonSaid.UNDO, Do.CHECK))
        assert (cursor.direction, cursor.step) == ("undo", 0)


class TestCancel:
    """S18."""

    @pytest.mark.parametrize("lines", [[], [(0, RESTART, Do.CHECK)]])
    def test_before_a_change_it_ends(self, lines: list[Any]) -> None:
        assert ended(play(shape(settle_s=0), *lines, (1, CANCEL, Do.END))) is Outcome.CANCELLED

    @pytest.mark.parametrize("landed", [YES, NO])
    def test_a_begun_step_is_settled_first(self, landed: Answer) -> None:
        command = Do.LOOK_VERIFY if landed is YES else Do.END
        lines: list[Any] = [(0, RESTART, ...), (0, GO, ...), (1, CANCEL, Do.LAND), (2, landed, command)]
        cursor = play(shape(TWO_STEPS), *lines)
        assert cursor.phase is (Phase.LAST_LOOK if landed is YES else Phase.ENDED)
        assert "cancelled by ada" in cursor.note

    @pytest.mark.parametrize("seen", list(Answer))
    def test_after_a_change_the_world_is_looked_at_once(self, seen: Answer) -> None:
        cursor = play(shape(UNDOES, ONE), *APPLIED, (5, CANCEL, Do.LOOK_VERIFY), (6, seen, Do.END))
        assert ended(cursor) is Outcome.CANCELLED
        assert "cancelled by ada" in cursor.note
        assert str(seen) in cursor.note

    def test_between_remedies_and_during_an_undo_nothing_more_is_begun(self) -> None:
        for of in (shape(ONE, ONE), shape(UNDOES)):
            cursor = play(of, *REFUTED, (602, CANCEL, Do.LOOK_VERIFY), (603, NO, Do.END))
            assert ended(cursor) is Outcome.CANCELLED

    def test_while_it_watches(self) -> None:
        cursor = play(shape(), *APPLIED, (601, UNKNOWN, ...), (700, CANCEL, Do.LOOK_VERIFY), (701, NO, Do.END))
        assert ended(cursor) is Outcome.CANCELLED

    @pytest.mark.parametrize("said", [PersonSaid.LANDED, PersonSaid.NOT_LANDED, PersonSaid.NOBODY_KNOWS])
    def test_a_step_that_nobody_knows_of_is_settled_by_a_person_before_it_ends(self, said: PersonSaid) -> None:
        unknown: list[Any] = [(0, RESTART, ...), (0, GO, ...), (1, LOST, ...), (301, UNKNOWN, Do.ASK_PERSON)]
        cursor = play(shape(), *unknown, (302, CANCEL, Do.ASK_PERSON))
        assert cursor.question is Question.LANDED
        command = Do.END if said is PersonSaid.NOT_LANDED else Do.LOOK_VERIFY
        cursor = play(shape(), *unknown, (302, CANCEL, ...), (400, said, command))
        assert "cancelled by ada" in cursor.note

    def test_the_first_word_stands(self) -> None:
        cursor = play(shape(), *APPLIED, (5, CANCEL, Do.LOOK_VERIFY), (6, Cancel("bob"), Do.LOOK_VERIFY))
        assert cursor.note == "cancelled by ada"

    def test_a_person_who_is_asked_something_else_need_not_answer(self) -> None:
        cursor = play(shape(ONE, ONE), *REFUTED, (602, PAUSED, Do.ASK_PERSON), (700, CANCEL, Do.LOOK_VERIFY))
        assert cursor.question is None

    def test_an_ended_run_stays_ended(self) -> None:
        cursor = play(shape(), (0, RESTART, ...), (0, DENIED, Do.END), (1, CANCEL, Do.END))
        assert ended(cursor) is Outcome.OVERTAKEN


class TestRehearsal:
    """S14: applied through the dry client, nothing verified, nothing undone, nobody asked."""

    STEP: list[Any] = [(0, RESTART, ...), (0, GO, ...), (1, DONE, Do.CHECK)]  # noqa: RUF012 - never changed

    def test_all_steps_then_rehearsed(self) -> None:
        cursor = play(shape(TWO_STEPS, rehearsal=True), *self.STEP, (2, GO, Do.APPLY), (3, DONE, Do.END))
        assert ended(cursor) is Outcome.REHEARSED

    def test_a_denied_later_step_is_overtaken_never_refuted(self) -> None:
        for denied in (DENIED, PAUSED, Denied("none", no_remedy=True)):
            cursor = play(shape(TWO_STEPS, rehearsal=True), *self.STEP, (2, denied, Do.END))
            assert ended(cursor) is Outcome.OVERTAKEN

    def test_a_cancel_looks_at_nothing(self) -> None:
        cursor = play(shape(TWO_STEPS, rehearsal=True), *self.STEP, (2, CANCEL, Do.END))
        assert ended(cursor) is Outcome.CANCELLED

    def test_a_call_without_an_answer_asks_nobody(self) -> None:
        lines: list[Any] = [(0, RESTART, ...), (0, GO, ...), (1, LOST, Do.LAND), (301, UNKNOWN, Do.END)]
        assert ended(play(shape(rehearsal=True), *lines)) is Outcome.FAILED


@pytest.mark.parametrize(
    ("lines", "wrong"),
    [
        ([], GO),
        ([(0, RESTART, ...)], DONE),
        ([(0, RESTART, ...), (0, GO, ...)], DENIED),
        (APPLIED, DONE),
        ([*APPLIED, (5, YES, ...)], PersonSaid.CONTINUE),
        ([(0, RESTART, ...), (0, GO, ...), (1, LOST, ...), (301, UNKNOWN, ...)], PersonSaid.ABANDON),
        ([(0, RESTART, ...)], Admitted(7)),
        (REFUTED, Admitted(0)),
    ],
)
def test_an_event_that_answers_nothing_is_a_defect_of_the_caller(lines: list[Any], wrong: Event) -> None:
    cursor = play(shape(ONE, ONE), *lines)
    with pytest.raises(ValueError, match="does not answer phase"):
        machine.advance(cursor, wrong, shape(ONE, ONE), T0 + timedelta(hours=1))


STUCK: list[tuple[list[Any], Do, Outcome | Question]] = [
    ([(0, RESTART, Do.CHECK)], Do.END, Outcome.FAILED),
    ([(0, RESTART, Do.CHECK), (0, GO, Do.APPLY)], Do.ASK_PERSON, Question.LANDED),
    ([(0, RESTART, Do.CHECK), (0, GO, Do.APPLY), (1, LOST, Do.LAND)], Do.ASK_PERSON, Question.LANDED),
    ([(0, RESTART, Do.CHECK), (0, GO, Do.APPLY), (1, NOT_DONE, 3)], Do.END, Outcome.FAILED),
    (APPLIED, Do.ASK_PERSON, Question.PAUSED),
    ([*APPLIED, (601, UNKNOWN, ...)], Do.END, Outcome.UNKNOWN),
    ([*APPLIED, (2, CANCEL, Do.LOOK_VERIFY)], Do.END, Outcome.CANCELLED),
]


@pytest.mark.parametrize(("lines", "command", "becomes"), STUCK, ids=lambda value: str(value)[:20])
def test_a_run_that_cannot_be_driven_ends_or_asks_a_person(
    lines: list[Any], command: Do, becomes: Outcome | Question
) -> None:
    cursor, then = machine.stuck(play(shape(), *lines), "a defect", rehearsal=False, now=T0 + timedelta(minutes=20))
    assert (then, cursor.outcome if command is Do.END else cursor.question) == (command, becomes)
    assert "a defect" in cursor.note


def test_a_rehearsal_that_cannot_be_driven_asks_nobody() -> None:
    of = shape(TWO_STEPS, rehearsal=True)
    for lines in ([(0, RESTART, Do.CHECK), (0, GO, Do.APPLY)], [*APPLIED[:2], (1, DONE, Do.CHECK)]):
        cursor, command = machine.stuck(play(of, *lines), "a defect", rehearsal=True, now=T0)
        assert (command, ended(cursor)) == (Do.END, Outcome.FAILED)


def test_continued_after_a_defect_what_was_done_is_looked_at_and_not_begun_again() -> None:
    asked, _ = machine.stuck(play(shape(), *APPLIED), "a defect", rehearsal=False, now=T0)
    cursor, command = machine.advance(asked, PersonSaid.CONTINUE, shape(), T0)
    assert (command, cursor.phase, cursor.stopped) == (Do.LOOK_VERIFY, Phase.VERIFY, None)
