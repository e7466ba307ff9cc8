"""Episodes as the decider sees them: which are due, what is known of each, when to look again. Intake writes them (``inbox``)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import Row, Text, and_, bindparam, select, type_coerce, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.alerts.severity import RANKS, Severity
from remediator.store.columns import word
from remediator.store.schema import episodes, runs
from remediator.store.sqlite_connection import MANY_ROWS

_RANK_GAINED_EVERY = timedelta(minutes=1)
"""Undecided alerts gain a rank a minute, so that low ones do not starve (S4)."""


@dataclass(frozen=True, slots=True)
class EpisodeRow:
    """One episode; columns as in ``schema.episodes``."""

    id: str
    source: str
    fingerprint: str
    state: str
    starts_at: datetime
    ended_at: datetime | None
    closed_at: datetime | None
    first_received_at: datetime
    last_received_at: datetime
    confirmed_at: datetime | None
    severity: str
    alertname: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str
    external_url: str
    receiver: str
    group_key: str
    incident_id: str | None
    decide_again_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From a row selected with ``COLUMNS``."""
        return cls(**row._mapping)


COLUMNS = tuple(episodes.c[name] for name in EpisodeRow.__slots__)
_ONE = select(*COLUMNS).where(episodes.c.id == bindparam("episode"))
_DUE = (
    select(*COLUMNS)
    .where(and_(episodes.c.rank == bindparam("rank"), episodes.c.decide_again_at <= bindparam("now")))
    .order_by(episodes.c.decide_again_at)
    .limit(bindparam("most"))
)
_NEXT_DUE = select(
    *(
        select(episodes.c.decide_again_at)
        .where(and_(episodes.c.rank == rank, episodes.c.decide_again_at.is_not(None)))
        .order_by(episodes.c.decide_again_at)
        .limit(1)
        .scalar_subquery()
        for rank in RANKS
    )
)


async def due(connection: AsyncConnection, now: datetime, limit: int) -> list[EpisodeRow]:
    """Episodes to decide now, most urgent first; waiting lifts the rank, so that nothing starves (S4).

    Only ``limit`` rows of each rank are looked at, so a storm of one severity does not make the question expensive.
    """
    found: list[EpisodeRow] = []
    for rank in RANKS:
        rows = await connection.execute(_DUE, {"rank": rank, "now": now, "most": limit})
        found.extend(EpisodeRow.of(row) for row in rows)
    found.sort(key=lambda episode: urgency(episode, now))
    return found[:limit]


def urgency(episode: EpisodeRow, now: datetime) -> timedelta:
    """Smaller is decided first: the rank of its severity in minutes, less the time that it has waited (S4)."""
    return Severity(episode.severity).rank * _RANK_GAINED_EVERY - (now - (episode.decide_again_at or now))


async def next_due_at(connection: AsyncConnection) -> datetime | None:
    """The earliest time at which an episode wants to be decided."""
    found = (await connection.execute(_NEXT_DUE)).one()
    return min((at for at in found if at is not None), default=None)


async def episode(connection: AsyncConnection, episode_id: str) -> EpisodeRow | None:
    """One episode, or None."""
    row = (await connection.execute(_ONE, {"episode": episode_id})).first()
    return None if row is None else EpisodeRow.of(row)


async def latest(connection: AsyncConnection, *, source: str, fingerprint: str) -> EpisodeRow | None:
    """The newest episode of this source and fingerprint, open or closed; None when there was none."""
    query = select(*COLUMNS).where(
        and_(episodes.c.source == source, episodes.c.fingerprint == fingerprint, episodes.c.latest)
    )
    row = (await connection.execute(query)).first()
    return None if row is None else EpisodeRow.of(row)


async def many(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, EpisodeRow]:
    """These episodes by their ids; those that do not exist are left out."""
    rows = await connection.execute(select(*COLUMNS).where(episodes.c.id.in_(ids)))
    return {row.id: EpisodeRow.of(row) for row in rows}


async def settle_all(tx: AsyncConnection, ids: Sequence[str], *, incident_id: str) -> None:
    """These belong to the incident, and only an event brings them back to the decider."""
    settled = update(episodes).where(episodes.c.id.in_(ids))
    await tx.execute(settled.values(incident_id=incident_id, decide_again_at=None))


async def settle(
    tx: AsyncConnection, episode_id: str, *, incident_id: str | None, decide_again_at: datetime | None
) -> None:
    """Record what a decision made of an episode."""
    await tx.execute(
        update(episodes)
        .where(episodes.c.id == episode_id)
        .values(incident_id=incident_id, decide_again_at=decide_again_at)
    )


async def wake_incident(tx: AsyncConnection, incident_id: str, now: datetime) -> None:
    """Decide the open episodes of an incident again: a run on its target has ended (S5)."""
    await tx.execute(
        update(episodes)
        .prefix_with(MANY_ROWS)
        .where(and_(episodes.c.incident_id == incident_id, episodes.c.state != word("closed")))
        .values(decide_again_at=now)
    )


async def wake_all(tx: AsyncConnection, now: datetime) -> None:
    """Decide every open episode again: playbooks were reloaded, a pause ended, the mode changed (S5)."""
    is_open = episodes.c.state != word("closed")
    await tx.execute(update(episodes).prefix_with(MANY_ROWS).where(is_open).values(decide_again_at=now))


async def wake_namesakes(tx: AsyncConnection, target: str, now: datetime) -> None:
    """Decide again the open episodes of every incident that had a run on this target."""
    of_target = select(runs.c.incident_id).where(runs.c.target == target)
    await tx.execute(
        update(episodes)
        .prefix_with(MANY_ROWS)
        .where(and_(episodes.c.state != word("closed"), episodes.c.incident_id.in_(of_target)))
        .values(decide_again_at=now)
    )


async def of_target(
    connection: AsyncConnection,
    sources: Sequence[str],
    incident_ids: Sequence[str],
    closed_since: datetime,
    *,
    alertnames: Collection[str] | None,
    traces: Sequence[str],
) -> list[EpisodeRow]:
    """Open episodes of these sources or incidents, and those closed since; for ``alert_resolved`` (S26).

    Only those of these names (None: any) whose stored labels contain every one of ``traces``: in a storm that is a few out of
    thousands, and the others must not be read.
    """
    meant = [type_coerce(episodes.c.labels, Text).contains(trace, autoescape=True) for trace in traces]
    if alertnames is not None:
        meant.append(episodes.c.alertname.in_(sorted(alertnames)))
    here = episodes.c.source.in_(sources)
    ways = (
        and_(here, episodes.c.state != word("closed")),
        and_(here, episodes.c.closed_at >= closed_since),
        episodes.c.incident_id.in_(incident_ids),
    )
    found: dict[str, EpisodeRow] = {}
    for way in ways:  # one query each, so that each has its index
        for row in await connection.execute(select(*COLUMNS).where(and_(way, *meant))):
            one = EpisodeRow.of(row)
            if one.state != "closed" or (one.closed_at is not None and one.closed_at >= closed_since):
                found[one.id] = one
    return list(found.values())


async def last_seen(connection: AsyncConnection, alertname: str) -> datetime | None:
    """When an alert of this name was last delivered firing; for the Watchdog (S30)."""
    return (
        await connection.execute(
            select(episodes.c.confirmed_at)
            .where(
                and_(episodes.c.alertname == alertname, episodes.c.state != word("closed"), episodes.c.state == "open")
            )
            .order_by(episodes.c.confirmed_at.desc())
            .limit(1)
        )
    ).scalar()
