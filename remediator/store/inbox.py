"""What intake writes: episodes folded by S2, the deliveries that changed them, dead letters, and what is owed after a cut-off body.

A delivery that only repeats what is known is not stored again: it raises counters. So the table of deliveries holds the body that
opened, closed or cast doubt on each episode, and a group that repeats for a week costs no space.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.alerts.episode import Effect, Sighting, State, Timeline, confirms, take
from remediator.alerts.payload import Alert, Rejected
from remediator.alerts.severity import Severity
from remediator.ids import new_id
from remediator.store.columns import plain_text
from remediator.store.dialect import insert as upsert
from remediator.store.schema import dead_letters, deliveries, episodes, incidents, meta

SIZE_LIMIT = -1
"""``deliveries.truncated`` of a body that was over the size limit and not read: everything in it is owed (S3)."""

_MAX_ANNOTATION = 4 * 1024
_MAX_DEAD_LETTER = 64 * 1024
_WORTH_COMPRESSING = 4 * 1024

CONFIRMATION_LASTS = timedelta(minutes=5)
"""How long a proof that an old alert still fires is good for (S10)."""


@dataclass(frozen=True, slots=True)
class Arrival:
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


def pack(body: bytes) -> bytes:
    """A body as the column keeps it. A small one is only framed: compressing it costs more than the rest of its storing."""
    return zlib.compress(body, 1 if len(body) >= _WORTH_COMPRESSING else 0)


async def take_in(
    connection: AsyncConnection, arrivals: Sequence[Arrival], severity_of: Callable[[Mapping[str, str]], Severity]
) -> list[Taken]:
    """Fold these arrivals into the store, in order; the answers are in the same order. Safe to repeat after a rollback."""
    fold = _Fold(await _latest(connection, arrivals), severity_of)
    taken = [fold.arrival(arrival) for arrival in arrivals]
    await fold.write(connection)
    return taken


async def owe(connection: AsyncConnection, source: str, now: datetime, receiver: str, error: str) -> None:
    """Remember that a body was too large to read: a dead letter for people, and a debt for the reconciler (one a source is enough)."""
    await connection.execute(insert(dead_letters), [_dead_letter(source, now, Rejected(b"", error))])
    standing = (
        select(deliveries.c.id)
        .where(deliveries.c.truncated == SIZE_LIMIT, deliveries.c.fetched_at.is_(None))
        .where(deliveries.c.source == source, deliveries.c.receiver == receiver)
    )
    if (await connection.execute(standing.limit(1))).first() is None:
        row = {
            "id": new_id("dlv"),
            "source": source,
            "received_at": now,
            "receiver": plain_text(receiver),
            "group_key": "",
            "truncated": SIZE_LIMIT,
            "alerts": 0,
            "body": pack(b""),
        }
        await connection.execute(insert(deliveries), [row])


async def touch(connection: AsyncConnection, now: datetime) -> None:
    """Write something small, to see whether the store takes writes."""
    row = {"key": "intake_checked_at", "value": now.isoformat()}
    await connection.execute(
        upsert(meta).values(row).on_conflict_do_update(index_elements=["key"], set_={"value": row["value"]})
    )


_READ = (
    episodes.c.id,
    episodes.c.fingerprint,
    episodes.c.state,
    episodes.c.starts_at,
    episodes.c.last_starts_at,
    episodes.c.ended_at,
    episodes.c.flaps,
    episodes.c.repeats,
    episodes.c.closed_at,
    episodes.c.last_received_at,
    episodes.c.confirmed_at,
    episodes.c.incident_id,
    episodes.c.decide_again_at,
)
_LATEST = (
    select(*_READ)
    .where(episodes.c.latest, episodes.c.source == bindparam("of_source"))
    .where(episodes.c.fingerprint.in_(bindparam("fingerprints", expanding=True)))
)

_OF_ROW = update(episodes).where(episodes.c.id == bindparam("row_id"))
_LOOK = (
    update(incidents)
    .where(incidents.c.id == bindparam("row_id"))
    .where(or_(incidents.c.look_again_at.is_(None), incidents.c.look_again_at > bindparam("now")))
    .values(look_again_at=bindparam("now"))
)

_Key = tuple[str, str]


@dataclass(slots=True)
class _Episode:
    """An episode while it is being folded."""

    id: str
    timeline: Timeline
    last_received_at: datetime
    closed_at: datetime | None = None
    confirmed_at: datetime | None = None
    incident_id: str | None = None
    decide_again_at: datetime | None = None
    latest: bool = True
    changed: bool = False
    repeated: bool = False
    delivery: tuple[str | None, str] | None = None
    """Delivery and group key that changed it last."""
    row: dict[str, Any] | None = None
    """The rest of its columns, while it is not in the store yet."""


async def _latest(connection: AsyncConnection, arrivals: Sequence[Arrival]) -> dict[_Key, _Episode]:
    wanted: dict[str, set[str]] = {}
    for arrival in arrivals:
        keys = wanted.setdefault(arrival.source, set())
        keys.update(alert.fingerprint for alert in arrival.alerts if isinstance(alert, Alert))
    found: dict[_Key, _Episode] = {}
    for source in sorted(wanted):
        if not wanted[source]:
            continue
        rows = await connection.execute(_LATEST, {"of_source": source, "fingerprints": sorted(wanted[source])})
        for row in rows:
            timeline = Timeline(
                State(row.state), row.starts_at, row.last_starts_at, row.ended_at, row.flaps, row.repeats
            )
            found[source, row.fingerprint] = _Episode(
                id=row.id,
                timeline=timeline,
                last_received_at=row.last_received_at,
                closed_at=row.closed_at,
                confirmed_at=row.confirmed_at,
                incident_id=row.incident_id,
                decide_again_at=row.decide_again_at,
            )
    return found


class _Fold:
    """S2 over many arrivals in memory, then a handful of statements."""

    def __init__(self, latest: dict[_Key, _Episode], severity_of: Callable[[Mapping[str, str]], Severity]) -> None:
        self._latest = latest
        self._severity_of = severity_of
        self._touched: dict[str, _Episode] = {}
        self._deliveries: list[dict[str, Any]] = []
        self._dead_letters: list[dict[str, Any]] = []
        self._look: dict[str, datetime] = {}

    def arrival(self, arrival: Arrival) -> Taken:
        taken = Taken()
        worth_keeping = arrival.truncated > 0
        for alert in arrival.alerts:
            if isinstance(alert, Rejected):
                taken.count("rejected")
                self._dead_letters.append(_dead_letter(arrival.source, arrival.received_at, alert))
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
            episode.timeline = step.timeline
        episode.last_received_at = now
        tombstone = step.opens and step.timeline.state is State.CLOSED
        due = (changed and not tombstone) or step.effect is Effect.DOUBTFUL
        if confirms(before, sighting, now):
            stale = episode.confirmed_at is None or now - episode.confirmed_at > CONFIRMATION_LASTS
            due = due or (stale and episode.decide_again_at is not None)
            episode.confirmed_at = now
        if due and (episode.decide_again_at is None or episode.decide_again_at > now):
            episode.decide_again_at = now
            episode.changed = True
        if changed:
            episode.changed = True
            episode.delivery = (arrival.delivery_id, arrival.group_key)
        episode.repeated = True
        self._touched[episode.id] = episode
        return step.effect, changed

    def _retire(self, episode: _Episode, superseded: Timeline | None, now: datetime) -> None:
        """A newer episode takes its place; if it was still doubtful it is over, and the decider has to see that."""
        episode.latest = False
        episode.changed = True
        if superseded is not None:
            episode.timeline = superseded
            episode.closed_at = now
            episode.decide_again_at = now
            self._look_at(episode, now)
        self._touched[episode.id] = episode

    def _open(self, arrival: Arrival, alert: Alert, timeline: Timeline) -> _Episode:
        severity = self._severity_of(alert.labels)
        episode = _Episode(new_id("epi"), timeline, arrival.received_at)
        if timeline.state is State.CLOSED:
            episode.closed_at = arrival.received_at
        episode.row = {
            "source": arrival.source,
            "fingerprint": alert.fingerprint,
            "first_received_at": arrival.received_at,
            "severity": severity.value,
            "rank": severity.rank,
            "alertname": plain_text(alert.labels.get("alertname", "")),
            "labels": alert.labels,
            "annotations": {name: value[:_MAX_ANNOTATION] for name, value in alert.annotations.items()},
            "generator_url": plain_text(alert.generator_url),
            "external_url": plain_text(arrival.external_url),
            "receiver": plain_text(arrival.receiver),
        }
        return episode

    def _look_at(self, episode: _Episode, now: datetime) -> None:
        if episode.incident_id is not None:
            self._look[episode.incident_id] = now

    async def write(self, connection: AsyncConnection) -> None:
        """Deliveries first (episodes point at them); rows that give up ``latest`` before the ones that take it."""
        new, changes, repeats, points = [], [], [], []
        for episode in self._touched.values():
            if episode.row is not None:
                delivery_id, group_key = episode.delivery or (None, "")
                state = _state_columns(episode)
                new.append(
                    {
                        "id": episode.id,
                        **episode.row,
                        **state,
                        "delivery_id": delivery_id,
                        "group_key": plain_text(group_key),
                    }
                )
                continue
            if episode.changed:
                changes.append({"row_id": episode.id, **_state_columns(episode)})
            elif episode.repeated:
                repeats.append({"row_id": episode.id, **_repeat_columns(episode)})
            if episode.delivery is not None and episode.delivery[0] is not None:
                points.append(
                    {
                        "row_id": episode.id,
                        "delivery_id": episode.delivery[0],
                        "group_key": plain_text(episode.delivery[1]),
                    }
                )
        looks = [{"row_id": incident, "now": at} for incident, at in self._look.items()]
        for statement, rows in (
            (insert(deliveries), self._deliveries),
            (_OF_ROW, changes),
            (_OF_ROW, repeats),
            (_OF_ROW, points),
            (insert(episodes), new),
            (insert(dead_letters), self._dead_letters),
            (_LOOK, looks),
        ):
            if rows:
                await connection.execute(statement, rows)


def _state_columns(episode: _Episode) -> dict[str, Any]:
    return {
        **_repeat_columns(episode),
        "state": episode.timeline.state.value,
        "latest": episode.latest,
        "ended_at": episode.timeline.ended_at,
        "closed_at": episode.closed_at,
        "decide_again_at": episode.decide_again_at,
    }


def _repeat_columns(episode: _Episode) -> dict[str, Any]:
    """Only columns that no index holds, or every repeat would rewrite index entries."""
    timeline = episode.timeline
    return {
        "starts_at": timeline.starts_at,
        "last_starts_at": timeline.last_starts_at,
        "last_received_at": episode.last_received_at,
        "confirmed_at": episode.confirmed_at,
        "flaps": timeline.flaps,
        "repeats": timeline.repeats,
    }


def _delivery(arrival: Arrival, delivery_id: str, packed: bytes) -> dict[str, Any]:
    return {
        "id": delivery_id,
        "source": arrival.source,
        "received_at": arrival.received_at,
        "receiver": plain_text(arrival.receiver),
        "group_key": plain_text(arrival.group_key),
        "truncated": arrival.truncated,
        "alerts": arrival.total,
        "body": packed,
    }


def _dead_letter(source: str, received_at: datetime, rejected: Rejected) -> dict[str, Any]:
    return {
        "id": new_id("dead"),
        "source": source,
        "received_at": received_at,
        "raw": rejected.raw[:_MAX_DEAD_LETTER],
        "error": plain_text(rejected.error),
    }
