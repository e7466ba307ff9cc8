"""Pauses (S23): standing orders to begin no effect. They end only by a person's word."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.decision.facts import PauseFact
from remediator.ids import new_id
from remediator.store.schema import journal, pauses, runs
from remediator.targets import Target

ALL = "all"
_STANDING = (
    select(pauses.c.scope, pauses.c.by, pauses.c.reason).where(pauses.c.ended_at.is_(None)).order_by(pauses.c.began_at)
)


def scopes_of(playbook: str, target: Target | None) -> tuple[str, ...]:
    """Every pause scope that covers this playbook and target."""
    scopes: tuple[str, ...] = (ALL, f"playbook:{playbook}")
    if target is not None:
        scopes += (f"target:{target}",)
        if target.namespace:
            scopes += (f"namespace:{target.place}/{target.namespace}",)
        if target.workload not in (None, target):
            scopes += (f"target:{target.workload}",)
    return scopes


def covers(scope: str, playbook: str, target: Target | None) -> bool:
    """Does a pause of this scope stop this playbook on this target? Work on a namespace changes all that is paused in it."""
    if target is not None and target.kind == "namespace":
        within = f"target:{target.provider}/{target.place}/{target.namespace}/"
        if scope.startswith(within):
            return True
    return scope in scopes_of(playbook, target)


async def begin(
    tx: AsyncConnection, *, scope: str, by: str, reason: str, remind_at: datetime | None, now: datetime
) -> str:
    """Pause. From the commit on no effect begins in this scope."""
    pause_id = new_id("pau")
    await tx.execute(
        insert(pauses).values(id=pause_id, scope=scope, by=by, reason=reason, began_at=now, remind_at=remind_at)
    )
    return pause_id


async def end(tx: AsyncConnection, *, scope: str, by: str, now: datetime) -> int:
    """Resume. Returns how many pauses of exactly this scope ended."""
    ended = await tx.execute(
        update(pauses)
        .where(and_(pauses.c.scope == scope, pauses.c.ended_at.is_(None)))
        .values(ended_at=now, ended_by=by)
    )
    return ended.rowcount


async def standing(connection: AsyncConnection) -> tuple[PauseFact, ...]:
    """Every pause that stands."""
    return tuple(PauseFact(row.scope, row.by, row.reason) for row in await connection.execute(_STANDING))


async def covering(connection: AsyncConnection, playbook: str, target: Target | None) -> tuple[PauseFact, ...]:
    """Those that stop this playbook on this target."""
    return tuple(one for one in await standing(connection) if covers(one.scope, playbook, target))


async def to_remind(connection: AsyncConnection, now: datetime) -> list[dict[str, Any]]:
    """Standing pauses whose owner wanted to be reminded by now and was not."""
    query = select(pauses).where(and_(pauses.c.ended_at.is_(None), pauses.c.remind_at <= now))
    return [dict(row._mapping) for row in await connection.execute(query.order_by(pauses.c.remind_at))]


async def reminded(tx: AsyncConnection, pause_id: str) -> None:
    """Its owner was reminded, once."""
    await tx.execute(update(pauses).where(pauses.c.id == pause_id).values(remind_at=None))


async def listing(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Standing pauses for people, oldest first."""
    query = select(pauses).where(pauses.c.ended_at.is_(None)).order_by(pauses.c.began_at)
    return [dict(row._mapping) for row in await connection.execute(query)]


async def effects_begun(connection: AsyncConnection, scope: str) -> list[dict[str, Any]]:
    """Effects in this scope that were begun and are not settled: what a pause cannot stop any more (S23)."""
    kind, _, value = scope.partition(":")
    cluster, _, name = value.partition("/")
    covered = {
        "all": runs.c.id.is_not(None),
        "playbook": runs.c.playbook == value,
        "namespace": or_(_below(f"kubernetes/{value}"), runs.c.target == f"kubernetes/{cluster}/namespace/{name}"),
        "target": or_(runs.c.target == value, _below(value)),
    }[kind]
    query = (
        select(runs.c.id.label("run_id"), runs.c.target, journal.c.action, journal.c.direction, journal.c.begun_at)
        .join(journal, journal.c.run_id == runs.c.id)
        .where(and_(covered, runs.c.state != "ended", journal.c.state.in_(("begun", "unsettled"))))
    )
    return [dict(row._mapping) for row in await connection.execute(query)]


def _below(path: str) -> ColumnElement[bool]:
    """What is named within it: the pods of a workload, everything of a namespace."""
    return runs.c.target.startswith(f"{path}/", autoescape=True)
