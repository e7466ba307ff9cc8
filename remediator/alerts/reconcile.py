"""What to do about one alert where Alertmanager's list and the store differ (S29). Says nothing about whether the list can be trusted:
that something is over is never read off it, but asked by the rule of S26."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

TOLD_AFTER = timedelta(minutes=2)
"""Alertmanager tells of a new alert within group_wait; what it has not told of so much later is taken for lost."""


class Act(StrEnum):
    LEAVE = "leave"
    """They agree, or it is not for us to change."""
    TAKE_IN = "take_in"
    """It fires and no delivery has told of it: a lost webhook."""
    CONFIRM = "confirm"
    """It is open but may not be acted upon until something shows it firing (S2): this does."""
    ASK = "ask"
    """It is open and not listed: a lost resolution, or a list that lacks it. S26 says which."""


class Listed(NamedTuple):
    """An alert in the groups of a receiver of ours, at any ready peer."""

    told: bool
    """False: nobody is told of it now, since it is silenced, inhibited or muted."""
    starts_at: datetime


class Standing(NamedTuple):
    """Our episode of it that is not closed."""

    doubtful: bool
    """The decider asks about it anyway (S2)."""
    confirmed: bool


def act(
    listed: Listed | None, standing: Standing | None, *, now: datetime, group_wait: timedelta, first_pass: bool
) -> Act:
    """Compare the two. ``first_pass``: after a start, when deliveries that were held up may still be on their way."""
    if standing is not None and standing.doubtful:
        return Act.LEAVE
    if listed is None:
        return Act.LEAVE if standing is None else Act.ASK
    if not listed.told:
        return Act.LEAVE
    if standing is None:
        return Act.TAKE_IN if now - listed.starts_at > group_wait + TOLD_AFTER else Act.LEAVE
    return Act.LEAVE if standing.confirmed or first_pass else Act.CONFIRM
