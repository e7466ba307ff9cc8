"""The table of S29: what Alertmanager lists against what the store has."""

from datetime import timedelta

import pytest

from remediator.alerts.reconcile import Act, Listed, Standing, act
from tests.support.clock import T0

WAIT = timedelta(seconds=30)
LONG_AGO = T0 - timedelta(hours=1)
FIRING = Listed(told=True, starts_at=LONG_AGO)
SILENCED = Listed(told=False, starts_at=LONG_AGO)
OPEN = Standing(doubtful=False, confirmed=True)
UNCONFIRMED = Standing(doubtful=False, confirmed=False)
DOUBTFUL = Standing(doubtful=True, confirmed=False)


def chosen(listed: Listed | None, standing: Standing | None, *, first_pass: bool = False) -> Act:
    return act(listed, standing, now=T0, group_wait=WAIT, first_pass=first_pass)


@pytest.mark.parametrize("first_pass", [False, True])
@pytest.mark.parametrize(
    ("listed", "standing", "expected"),
    [
        (None, None, Act.LEAVE),
        (None, OPEN, Act.ASK),
        (None, UNCONFIRMED, Act.ASK),
        (None, DOUBTFUL, Act.LEAVE),
        (FIRING, None, Act.TAKE_IN),
        (FIRING, OPEN, Act.LEAVE),
        (FIRING, DOUBTFUL, Act.LEAVE),
        (SILENCED, None, Act.LEAVE),
        (SILENCED, OPEN, Act.LEAVE),
        (SILENCED, UNCONFIRMED, Act.LEAVE),
        (SILENCED, DOUBTFUL, Act.LEAVE),
    ],
)
def test_what_is_done_about_one_alert(
    listed: Listed | None, standing: Standing | None, expected: Act, first_pass: bool
) -> None:
    assert chosen(listed, standing, first_pass=first_pass) is expected


def test_what_nothing_had_confirmed_is_confirmed_by_a_later_pass_than_the_first() -> None:
    assert chosen(FIRING, UNCONFIRMED) is Act.CONFIRM
    assert chosen(FIRING, UNCONFIRMED, first_pass=True) is Act.LEAVE


def test_a_webhook_has_group_wait_and_two_minutes_to_come() -> None:
    just_in_time = Listed(told=True, starts_at=T0 - WAIT - timedelta(minutes=2))
    late = Listed(told=True, starts_at=just_in_time.starts_at - timedelta(microseconds=1))
    in_the_future = Listed(told=True, starts_at=T0 + timedelta(hours=1))
    assert chosen(just_in_time, None) is Act.LEAVE
    assert chosen(late, None) is Act.TAKE_IN
    assert chosen(in_the_future, None) is Act.LEAVE
