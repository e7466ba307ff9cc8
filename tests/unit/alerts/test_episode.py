from datetime import UTC, datetime, timedelta

import pytest

from remediator.alerts.episode import LATE_COPIES_END, Effect, Sighting, State, Timeline, confirms, judge, take


def at(minute: int) -> datetime:
    return datetime(2026, 11, 22, 10, 0, tzinfo=UTC) + timedelta(minutes=minute)


def firing(starts: int) -> Sighting:
    return Sighting(at(starts), None)


def resolved(starts: int, ends: int) -> Sighting:
    return Sighting(at(starts), at(ends))


def test_a_firing_opens_and_another_joins_with_the_earliest_start() -> None:
    opened = take(None, firing(5))
    assert (opened.effect, opened.opens, opened.timeline.state) == (Effect.NEW, True, State.OPEN)
    joined = take(opened.timeline, firing(3))
    assert (joined.effect, joined.opens, joined.timeline.starts_at) == (Effect.REPEAT, False, at(3))
    assert joined.timeline.flaps == 0


def test_a_later_start_while_open_is_a_flap() -> None:
    assert take(take(None, firing(5)).timeline, firing(7)).timeline.flaps == 1


def test_a_resolve_closes_and_a_firing_after_the_end_opens_anew() -> None:
    closed = take(take(None, firing(1)).timeline, resolved(1, 4))
    assert (closed.effect, closed.timeline.state) == (Effect.RESOLVED, State.CLOSED)
    again = take(closed.timeline, firing(5))
    assert (again.effect, again.opens, again.timeline.state) == (Effect.NEW, True, State.OPEN)


@pytest.mark.parametrize("starts", [1, 3, 4])
def test_a_firing_not_after_the_end_is_doubtful(starts: int) -> None:
    closed = take(take(None, firing(1)).timeline, resolved(1, 4)).timeline
    doubtful = take(closed, firing(starts))
    assert (doubtful.effect, doubtful.opens, doubtful.timeline.state) == (Effect.DOUBTFUL, False, State.DOUBTFUL)


def test_a_resolve_without_a_firing_leaves_a_tombstone_for_its_late_firing() -> None:
    tombstone = take(None, resolved(1, 4))
    assert (tombstone.effect, tombstone.opens, tombstone.timeline.state) == (Effect.LATE, True, State.CLOSED)
    assert take(tombstone.timeline, firing(1)).timeline.state is State.DOUBTFUL


def test_a_resolve_of_an_earlier_firing_is_late() -> None:
    late = take(take(None, firing(5)).timeline, resolved(1, 4))
    assert (late.effect, late.timeline.state) == (Effect.LATE, State.OPEN)


def test_a_new_firing_takes_the_place_of_a_doubtful_episode() -> None:
    doubtful = take(take(take(None, firing(1)).timeline, resolved(1, 4)).timeline, firing(1)).timeline
    step = take(doubtful, firing(6))
    assert step.opens
    assert step.supersedes is not None and step.supersedes.state is State.CLOSED


def test_a_copy_of_the_known_end_closes_neither_a_doubtful_nor_a_reopened_episode() -> None:
    closed = take(take(None, firing(1)).timeline, resolved(1, 4)).timeline
    doubtful = take(closed, firing(1)).timeline
    assert take(doubtful, resolved(1, 4)).timeline.state is State.DOUBTFUL
    reopened = judge(doubtful, active=True)
    assert take(reopened, resolved(1, 4)).timeline.state is State.OPEN
    assert take(reopened, resolved(1, 9)).timeline.state is State.CLOSED


@pytest.mark.parametrize(("active", "state"), [(True, State.OPEN), (False, State.CLOSED), (None, State.OPEN)])
def test_alertmanagers_answer_settles_a_doubt(active: bool | None, state: State) -> None:
    doubtful = Timeline(State.DOUBTFUL, at(1), at(1), at(4))
    assert judge(doubtful, active=active).state is state


def test_what_alertmanager_knows_of_the_start_keeps_older_resolves_from_closing() -> None:
    reopened = judge(Timeline(State.DOUBTFUL, at(1), at(1), at(4)), active=True, starts_at=at(8))
    assert take(reopened, resolved(5, 6)).effect is Effect.LATE


def test_a_possible_late_copy_confirms_nothing() -> None:
    reopened = judge(Timeline(State.DOUBTFUL, at(1), at(1), at(4)), active=None)
    assert not confirms(reopened, firing(1), at(5))
    assert not confirms(reopened, resolved(1, 4), at(5))
    assert confirms(reopened, firing(5), at(5))
    assert confirms(reopened, firing(1), at(4) + LATE_COPIES_END + timedelta(seconds=1))
    assert confirms(None, firing(1), at(1))
    assert confirms(take(None, firing(1)).timeline, firing(1), at(1))
