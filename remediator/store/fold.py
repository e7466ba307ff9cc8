"""S2 over many deliveries in memory: what they come to, and the rows that have to be written. ``inbox`` reads and writes them.

A delivery that only repeats what is known is not stored again: it raises counters. So the table of deliveries holds the body that
opened, closed or cast doubt on each episode, and a group that repeats for a week costs no space.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from remediator.alerts.episode import Effect, Sighting, State, Timeline, confirms, take
from remediator.alerts.payload import Alert, Rejected
from remediator.alerts.severity import Severity
from remediator.ids import new_id
from remediator.store.columns import microseconds, names_and_values, plain_text

CONFIRMATION_LASTS = timedelta(minutes=5)
"""How long a proof that an old alert still fires is good for (S10)."""

_MAX_ANNOTATION = 4 * 1024
_MAX_DEAD_LETTER = 64 * 1024

Key: TypeAlias = tuple[str, str]
"""Source and fingerprint (S1, S2)."""

Row: TypeAlias = tuple[object, ...]


class Arrival(NamedTuple):
    """Alerts of one delivery, or a part of them, on their way into the store."""

    source: str
    received_at: datetime
    receiver: str
    group_key: str
    external_url: str
    truncated: int
    total: int
    """Alerts in the whole body."""
    alerts: Sequence[Alert | Rejected]
    delivery_id: str | None
    """None for alerts that were fetched from Alertmanager's API."""
    packed: Callable[[], bytes] | None
    """The body, packed; None when an earlier part of the same delivery has stored it."""
    watch_until: datetime | None = None
    """What it opens is not confirmed and decided only then, unless seen once more before (S29); None: confirmed, decided at once."""


@dataclass(slots=True)
class Taken:
    """What one arrival came to."""

    effects: dict[str, int] = field(default_factory=dict)
    stored: bool = False
    """The delivery itself was stored."""

    def count(self, effect: str) -> None:
        """One alert more that came to this."""
        self.effects[effect] = self.effects.get(effect, 0) + 1

    def add(self, other: "Taken") -> None:
        """Another part of the same delivery."""
        for effect, times in other.effects.items():
            self.effects[effect] = self.effects.get(effect, 0) + times
        self.stored = self.stored or other.stored


@dataclass(slots=True)
class Rows:
    """Rows to be written, as plain database values in the order of the columns named below; updates begin with the row's id."""

    deliveries: list[Row]
    dead_letters: list[Row]
    new: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)
    repeats: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    """Episodes that a stored delivery changed."""
    looks: dict[str, datetime] = field(default_factory=dict)
    """Incidents that escalation has to judge again, and since when."""


DELIVERY = ("id", "source", "received_at", "receiver", "group_key", "truncated", "alerts", "body")
DEAD_LETTER = ("id", "source", "received_at", "raw", "error")
REPEAT = ("starts_at", "last_starts_at", "last_received_at", "confirmed_at", "flaps", "repeats")
"""Only columns that no index holds, or every repeat would rewrite index entries."""
CHANGE = (*REPEAT, "state", "latest", "ended_at", "closed_at", "decide_again_at")
POINT = ("delivery_id", "group_key")
_ONCE = (
    *("source", "fingerprint", "first_received_at", "severity", "rank", "alertname", "labels", "annotations"),
    *("generator_url", "external_url", "receiver"),
)
NEW = ("id", *_ONCE, *CHANGE, *POINT)


@dataclass(slots=True)
class Episode:
    """The latest episode of a source and fingerprint, while it is being folded."""

    id: str
    timeline: Timeline
    last_received_at: datetime
    closed_at: datetime | None = None
    confirmed_at: datetime | None = None
    incident_id: str | None = None
    decide_again_at: datetime | None = None
    latest: bool = True
    changed: bool = False
    delivery: tuple[str | None, str] | None = None
    """Delivery and group key that changed it last."""
    once: Row | None = None
    """The columns that never change, while it is not in the store yet."""


class Fold:
    """Give it every arrival in order, then write ``rows``. ``latest`` holds what the store has for their keys."""

    def __init__(self, latest: dict[Key, Episode], severity_of: Callable[[Mapping[str, str]], Severity]) -> None:
        self._latest = latest
        self._severity_of = severity_of
        self._touched: dict[str, Episode] = {}
        self._deliveries: list[Row] = []
        self._dead_letters: list[Row] = []
        self._look: dict[str, datetime] = {}

    def arrival(self, arrival: Arrival) -> Taken:
        """Fold one arrival in, and say what it came to."""
        taken = Taken()
        worth_keeping = arrival.truncated > 0
        for alert in arrival.alerts:
            if isinstance(alert, Rejected):
                taken.count("rejected")
                self._dead_letters.append(dead_letter(arrival.source, arrival.received_at, alert))
                worth_keeping = True
            else:
                effect, changed = self._alert(arrival, alert)
                taken.count(effect)
                worth_keeping = worth_keeping or changed
        if worth_keeping and arrival.delivery_id is not None and arrival.packed is not None:
            self._deliveries.append(_delivery(arrival, arrival.delivery_id, arrival.packed()))
            taken.stored = True
        return taken

    def _alert(self, arrival: Arrival, alert: Alert) -> tuple[Effect, bool]:
        key = (arrival.source, alert.fingerprint)
        now = arrival.received_at
        sighting = Sighting(alert.starts_at, alert.ends_at)
        episode = self._latest.get(key)
        before = None if episode is None else episode.timeline
        step = take(before, sighting)
        if episode is None or step.opens:
            if episode is not None:
                self._retire(episode, step.supersedes, now)
            episode = self._open(arrival, alert, step.timeline)
            self._latest[key] = episode
            changed = True
        else:
            changed = step.timeline.state is not episode.timeline.state
            if changed:
                episode.closed_at = now if step.timeline.state is State.CLOSED else None
            if changed or step.timeline.flaps != episode.timeline.flaps:
                self._look_at(episode, now)
            if step.timeline.ended_at != episode.timeline.ended_at:
                episode.changed = True
            episode.timeline = step.timeline
        episode.last_received_at = now
        tombstone = step.opens and step.timeline.state is State.CLOSED
        due = (changed and not tombstone) or step.effect is Effect.DOUBTFUL
        if arrival.watch_until is None and confirms(before, sighting, now):
            stale = episode.confirmed_at is None or now - episode.confirmed_at > CONFIRMATION_LASTS
            due = due or (stale and episode.decide_again_at is not None)
            episode.confirmed_at = now
        look_at = arrival.watch_until or now
        if due and (episode.decide_again_at is None or episode.decide_again_at > look_at):
            episode.decide_again_at = look_at
            episode.changed = True
        if changed:
            episode.changed = True
            episode.delivery = (arrival.delivery_id, arrival.group_key)
        self._touched[episode.id] = episode
        return step.effect, changed

    def _retire(self, episode: Episode, superseded: Timeline | None, now: datetime) -> None:
        """A newer episode takes its place; if it was still doubtful it is over, and the decider has to see that."""
        episode.latest = False
        episode.changed = True
        if superseded is not None:
            episode.timeline = superseded
            episode.closed_at = now
            episode.decide_again_at = now
            self._look_at(episode, now)
        self._touched[episode.id] = episode

    def _open(self, arrival: Arrival, alert: Alert, timeline: Timeline) -> Episode:
        severity = self._severity_of(alert.labels)
        episode = Episode(new_id("epi"), timeline, arrival.received_at)
        if timeline.state is State.CLOSED:
            episode.closed_at = arrival.received_at
        episode.once = (
            arrival.source,
            alert.fingerprint,
            microseconds(arrival.received_at),
            severity.value,
            severity.rank,
            plain_text(alert.labels.get("alertname", "")),
            names_and_values(alert.labels),
            names_and_values({name: value[:_MAX_ANNOTATION] for name, value in alert.annotations.items()}),
            plain_text(alert.generator_url),
            plain_text(arrival.external_url),
            plain_text(arrival.receiver),
        )
        return episode

    def _look_at(self, episode: Episode, now: datetime) -> None:
        if episode.incident_id is not None:
            self._look[episode.incident_id] = now

    def rows(self) -> "Rows":
        """What has to be written."""
        rows = Rows(deliveries=self._deliveries, dead_letters=self._dead_letters, looks=self._look)
        for episode in self._touched.values():
            delivery_id, group_key = episode.delivery or (None, "")
            point = (delivery_id, plain_text(group_key))
            if episode.once is not None:
                rows.new.append((episode.id, *episode.once, *_change(episode), *point))
                continue
            if episode.changed:
                rows.changes.append((episode.id, *_change(episode)))
            else:
                rows.repeats.append((episode.id, *_repeat(episode)))
            if delivery_id is not None:
                rows.points.append((episode.id, *point))
        return rows


def _repeat(episode: Episode) -> Row:
    timeline = episode.timeline
    return (
        microseconds(timeline.starts_at),
        microseconds(timeline.last_starts_at),
        microseconds(episode.last_received_at),
        microseconds(episode.confirmed_at),
        timeline.flaps,
        timeline.repeats,
    )


def _change(episode: Episode) -> Row:
    timeline = episode.timeline
    return (
        *_repeat(episode),
        timeline.state.value,
        episode.latest,
        microseconds(timeline.ended_at),
        microseconds(episode.closed_at),
        microseconds(episode.decide_again_at),
    )


def _delivery(arrival: Arrival, delivery_id: str, body: bytes) -> Row:
    return (
        delivery_id,
        arrival.source,
        microseconds(arrival.received_at),
        plain_text(arrival.receiver),
        plain_text(arrival.group_key),
        arrival.truncated,
        arrival.total,
        body,
    )


def dead_letter(source: str, received_at: datetime, rejected: Rejected) -> Row:
    """The row of an alert that could not be understood (S3)."""
    raw = rejected.raw[:_MAX_DEAD_LETTER]
    return (new_id("dead"), source, microseconds(received_at), raw, plain_text(rejected.error))
