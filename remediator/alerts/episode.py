"""Episodes (S2): one firing of one fingerprint of one source, from its first delivery to its close.

Deliveries come late, twice, from two peers and in any order, so the rule is written as a fold that ends in the same state for
every interleaving::

                    firing, starts after the last end
        (none) ───────────────────────────────────────────> OPEN <──┐ firing: joins, keeps the earliest start
           │                                                 │  └────┘ resolved that ended before the last start,
           │                                                 │         or not after the last end: late
           │ resolved: a tombstone,                          │ resolved
           │ so that its late firing is known                v
           └──────────────────────────────────────────────> CLOSED ──firing, starts not after the last end──> DOUBTFUL
                                                              ^                                                  │
                                                              └──── Alertmanager does not know it: a late copy ──┤
                                                                    Alertmanager shows it active: OPEN again ────┘

Two instants are compared with the deliveries: ``last_starts_at`` (the latest start seen, so that a resolve of an earlier firing
cannot close a later one) and ``ended_at`` (the latest end seen; it stays when a doubtful episode reopens, so that another copy
of the resolve that closed it cannot close it again).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

# Tuples, not frozen dataclasses: several are made for every alert of a storm, and a frozen dataclass takes four times as long.


class State(StrEnum):
    OPEN = "open"
    DOUBTFUL = "doubtful"
    CLOSED = "closed"


class Effect(StrEnum):
    """What one delivery did; counted in the webhook's answer."""

    NEW = "new"
    REPEAT = "repeats"
    RESOLVED = "resolved"
    DOUBTFUL = "doubtful"
    LATE = "late"


class Timeline(NamedTuple):
    """The part of an episode that deliveries change. Instants are aware UTC."""

    state: State
    starts_at: datetime
    """Earliest start seen."""
    last_starts_at: datetime
    """Latest start seen."""
    ended_at: datetime | None
    """Latest end seen; None while it never ended. An open episode has one when it was closed and reopened."""
    flaps: int = 0
    repeats: int = 0


class Sighting(NamedTuple):
    """One alert of one delivery, reduced to what an episode needs. ``ends_at`` is None while it fires."""

    starts_at: datetime
    ends_at: datetime | None


class Step(NamedTuple):
    """The result of one sighting. ``opens`` is true when ``timeline`` is a new episode and not the given one changed."""

    timeline: Timeline
    effect: Effect
    opens: bool = False
    supersedes: Timeline | None = None
    """The given episode, closed for good, when a new one took its place while it was doubtful."""


def take(latest: Timeline | None, sighting: Sighting) -> Step:
    """Fold one sighting into the latest episode of its source and fingerprint (None: there was never one)."""
    if sighting.ends_at is not None:
        return _resolved(latest, sighting.starts_at, sighting.ends_at)
    return _firing(latest, sighting.starts_at)


def take_all(latest: Timeline | None, sightings: Sequence[Sighting]) -> Timeline | None:
    """Fold many; for tests and for bodies that carry one fingerprint more than once."""
    for sighting in sightings:
        latest = take(latest, sighting).timeline
    return latest


def _firing(latest: Timeline | None, starts_at: datetime) -> Step:
    fresh = Timeline(State.OPEN, starts_at, starts_at, None)
    if latest is None:
        return Step(fresh, Effect.NEW, opens=True)
    if latest.state is State.OPEN:
        flap = starts_at > latest.last_starts_at
        joined = latest._replace(
            starts_at=min(latest.starts_at, starts_at),
            last_starts_at=max(latest.last_starts_at, starts_at),
            flaps=latest.flaps + flap,
            repeats=latest.repeats + 1,
        )
        return Step(joined, Effect.REPEAT)
    if latest.ended_at is None or starts_at > latest.ended_at:
        superseded = latest._replace(state=State.CLOSED) if latest.state is State.DOUBTFUL else None
        return Step(fresh, Effect.NEW, opens=True, supersedes=superseded)
    return Step(latest._replace(state=State.DOUBTFUL, repeats=latest.repeats + 1), Effect.DOUBTFUL)


def _resolved(latest: Timeline | None, starts_at: datetime, ends_at: datetime) -> Step:
    if latest is None:  # a tombstone: without it a late copy of the firing would open an episode that nothing closes
        return Step(Timeline(State.CLOSED, starts_at, starts_at, ends_at), Effect.LATE, opens=True)
    if latest.state is State.OPEN and ends_at < latest.last_starts_at:
        return Step(latest, Effect.LATE)
    if latest.state is not State.CLOSED and latest.ended_at is not None and ends_at <= latest.ended_at:
        return Step(
            latest, Effect.LATE
        )  # a copy of the end that is known already: it says nothing about the firing since
    ended_at = ends_at if latest.ended_at is None else max(latest.ended_at, ends_at)
    closed = latest._replace(state=State.CLOSED, ended_at=ended_at)
    return Step(closed, Effect.RESOLVED if latest.state is State.OPEN else Effect.LATE)


def judge(doubtful: Timeline, *, active: bool | None, starts_at: datetime | None = None) -> Timeline:
    """Alertmanager's answer about a doubtful episode: active (since ``starts_at``), not known to it, or not to be had (None).

    Without an answer it reopens: an alert that may be firing is never dropped. That it may not be acted upon before a fresh
    delivery or the API confirms it is the caller's to keep (``confirmed_at``).
    """
    if active is False:
        return doubtful._replace(state=State.CLOSED)
    last_starts_at = doubtful.last_starts_at if starts_at is None else max(doubtful.last_starts_at, starts_at)
    return doubtful._replace(state=State.OPEN, last_starts_at=last_starts_at)


LATE_COPIES_END = timedelta(hours=1)
"""Alertmanager retries a notification as it was at flush time until group_interval (default 5 min) is over, not for longer."""


def confirms(latest: Timeline | None, sighting: Sighting, received_at: datetime) -> bool:
    """Whether this delivery proves that the alert fires now, so that it may be acted upon (S2, S10).

    A firing that may be a late copy does not: a second late copy would otherwise confirm the first.
    """
    if sighting.ends_at is not None:
        return False
    if latest is None or latest.ended_at is None or sighting.starts_at > latest.ended_at:
        return True
    return received_at > latest.ended_at + LATE_COPIES_END
