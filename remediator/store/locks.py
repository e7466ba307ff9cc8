"""Locks (S17): a run takes its target exclusively and everything above it shared, all or none. They belong to runs, not to
processes, and outlive a crash."""

from datetime import datetime

from sqlalchemy import and_, bindparam, delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.schema import locks, runs
from remediator.targets import Target

_NAMED = (runs.c.id, runs.c.playbook, runs.c.target, runs.c.state)
_OTHERS = runs.c.id != bindparam("without")
_HOLDERS = (
    select(*_NAMED)
    .join(locks, locks.c.run_id == runs.c.id)
    .where(
        _OTHERS,
        or_(
            locks.c.scope.in_(bindparam("exclusive", expanding=True)),
            and_(locks.c.scope.in_(bindparam("shared", expanding=True)), locks.c.exclusive),
        ),
    )
)
_ADMITTED = select(*_NAMED).where(
    runs.c.mode == bindparam("mode"),
    runs.c.target == bindparam("target"),
    runs.c.state.in_(("ready", "running", "waiting", "needs_person")),
    _OTHERS,
)


def _scopes(mode: str, target: Target) -> tuple[list[str], list[str]]:
    taken = target.scopes()
    return (
        [f"{mode}|{scope}" for scope in sorted(taken["exclusive"])],
        [f"{mode}|{scope}" for scope in sorted(taken["shared"])],
    )


async def take(tx: AsyncConnection, *, run_id: str, mode: str, target: Target, now: datetime) -> bool:
    """Take all locks of a run, or none. Safe to repeat: what the run holds already stays held."""
    if await holders(tx, mode=mode, target=target, without=run_id):
        return False
    exclusive, shared = _scopes(mode, target)
    held = set((await tx.execute(select(locks.c.scope).where(locks.c.run_id == run_id))).scalars())
    rows = [(scope, True) for scope in exclusive] + [(scope, False) for scope in shared]
    fresh = [
        {"scope": scope, "run_id": run_id, "exclusive": alone, "taken_at": now}
        for scope, alone in rows
        if scope not in held
    ]
    if fresh:
        await tx.execute(insert(locks), fresh)
    return True


async def release(tx: AsyncConnection, run_id: str) -> None:
    """Give back every lock of a run."""
    await tx.execute(delete(locks).where(locks.c.run_id == run_id))


async def holders(connection: AsyncConnection, *, mode: str, target: Target, without: str | None) -> tuple[str, ...]:
    """Who stands in the way of an exclusive lock on the target: its holders, and those who hold something above it exclusively."""
    exclusive, shared = _scopes(mode, target)
    asked = {"exclusive": exclusive, "shared": shared, "without": without or ""}
    found = await connection.execute(_HOLDERS, asked)
    return tuple(sorted({_told(row.id, row.playbook, row.target, row.state) for row in found}))


async def in_the_way(connection: AsyncConnection, *, mode: str, target: Target, without: str | None) -> tuple[str, ...]:
    """Holders of locks, and admitted runs on the same target that have not taken theirs yet."""
    asked = {"mode": mode, "target": str(target), "without": without or ""}
    found = await connection.execute(_ADMITTED, asked)
    active = {_told(row.id, row.playbook, row.target, row.state) for row in found}
    return tuple(sorted(active | set(await holders(connection, mode=mode, target=target, without=without))))


async def to_be_put_back(
    connection: AsyncConnection, *, mode: str, target: Target, without: str | None
) -> tuple[str, ...]:
    """Scheduled reverses of changes that were made to the target for a time, but for those of the run that asks (S39)."""
    query = select(runs.c.id, runs.c.playbook, runs.c.target, runs.c.state, runs.c.cursor).where(
        and_(runs.c.mode == mode, runs.c.target == str(target), runs.c.state == "scheduled")
    )
    found = (await connection.execute(query)).all()
    return tuple(
        sorted(
            _told(row.id, row.playbook, row.target, row.state)
            for row in found
            if without is None or row.cursor["reverses"] != without
        )
    )


def _told(run_id: str, playbook: str, target: str, state: str) -> str:
    return f"{run_id} of {playbook} on {target} ({state})"
