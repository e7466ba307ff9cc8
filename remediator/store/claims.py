"""Claims: who works on a run, until when, and how a run whose process is gone is taken over (engine.md 3, 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.runs.cursor import Cursor, Phase
from remediator.store import locks
from remediator.store.runs import COLUMNS, SCHEDULED, RunRow, give_back, untouched
from remediator.store.schema import approvals, runs

_PUT_OFF = timedelta(seconds=2)
_INACTIVE = ("approval", SCHEDULED)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Runs that a process does not claim."""

    runs: Sequence[str] = ()
    """Ids of those that it works on: their lease may seem over when the wall clock jumps (S28)."""
    needs: Sequence[str] = ()
    """What it does not know (S22)."""
    targets: Sequence[str] = ()
    """What another process must do: work on the claimer's own node (S12)."""

    @property
    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """None at all where nothing is left out: it would be in the way of indexes."""
        listed = ((runs.c.id, self.runs), (runs.c.needs, self.needs), (runs.c.target, self.targets))
        return tuple(column.not_in(values) for column, values in listed if values)


NOTHING = LeftOut()


async def claim_due(
    tx: AsyncConnection,
    *,
    mode: str,
    owner: str,
    now: datetime,
    lease_until: datetime,
    limit: int,
    grace: timedelta = timedelta(0),
    left_out: LeftOut = NOTHING,
) -> list[RunRow]:
    """Claim runs whose time has come, with all their locks or none; raise their fence.

    A run that another process holds is taken over when its lease has been over for ``grace``, in which nothing that it has sent can
    still arrive (S20). A run whose target is busy is put off for two seconds. A run that waits for approval takes no locks before the
    yes (S18), nor after a cancel; a scheduled one that is cancelled takes none either.
    """
    free = or_(runs.c.owner.is_(None), runs.c.lease_until < now - grace)
    due = await tx.execute(
        select(*COLUMNS, approvals.c.answer.label("approved"))
        .outerjoin(approvals, approvals.c.run_id == runs.c.id)
        .where(
            and_(
                runs.c.mode == mode,
                runs.c.wake_at <= now,
                runs.c.state != "ended",
                free,
                *left_out.conditions,
            )
        )
        .order_by(runs.c.wake_at)
        .limit(limit)
    )
    claimed: list[RunRow] = []
    for row in due.all():
        fields = dict(row._mapping)
        approved = fields.pop("approved")
        run = RunRow(**fields)
        state = run.state
        waits = state == "approval" and approved != "approved"
        if not waits and (state not in _INACTIVE or run.cancel_at is None):
            if not await _take_target(tx, run, now):
                await tx.execute(update(runs).where(runs.c.id == run.id).values(wake_at=now + _PUT_OFF))
                continue
            state = "running"
        values = {"owner": owner, "lease_until": lease_until, "fence": run.fence + 1, "state": state}
        # Once more, because a heartbeat takes no turn: its owner may have come back to life since the row was read.
        as_read = and_(runs.c.id == run.id, runs.c.fence == run.fence, free)
        if (await tx.execute(update(runs).where(as_read).values(**values))).rowcount != 1:
            continue
        claimed.append(RunRow(**{**fields, "owner": owner, "fence": run.fence + 1, "state": state}))
    return claimed


async def _take_target(tx: AsyncConnection, run: RunRow, now: datetime) -> bool:
    """All its locks or none. A run after its yes must also find no other run admitted for its target, as must a reverse that is
    due: until now it was not active."""
    if run.state in _INACTIVE and await locks.in_the_way(tx, mode=run.mode, target=run.where, without=run.id):
        return False
    return await locks.take(tx, run_id=run.id, mode=run.mode, target=run.where, now=now)


async def heartbeat(
    tx: AsyncConnection, *, owner: str, run_ids: Sequence[str], lease_until: datetime
) -> dict[str, tuple[str | None, int]]:
    """Renew the lease of the runs that this process works on. Returns owner and fence of each, as they stand now."""
    if not run_ids:
        return {}
    held = and_(runs.c.owner == owner, runs.c.id.in_(run_ids))
    await tx.execute(update(runs).where(held).values(lease_until=lease_until))
    rows = await tx.execute(select(runs.c.id, runs.c.owner, runs.c.fence).where(runs.c.id.in_(run_ids)))
    return {row.id: (row.owner, row.fence) for row in rows}


async def recover(tx: AsyncConnection, *, now: datetime) -> list[str]:
    """Take back every claim of processes that are gone (SQLite: the file lock proves it, S20). Returns the runs' ids.

    A run that may have an effect on its way is woken at once: whoever claims it waits until that can no longer arrive and looks
    before anything else. One that has begun nothing gives back its locks.
    """
    held = [RunRow.of(row) for row in await tx.execute(select(*COLUMNS).where(runs.c.owner.is_not(None)))]
    for run in held:
        cursor = Cursor.from_json(run.cursor)
        wake_at = now if cursor.phase in (Phase.APPLY, Phase.LAND) else run.wake_at or now
        state = await give_back(tx, run.id, cursor) if untouched(cursor) else run.state
        free = {"owner": None, "lease_until": None, "state": state, "wake_at": wake_at}
        await tx.execute(update(runs).where(runs.c.id == run.id).values(**free))
    return [run.id for run in held]


async def stale_ready(connection: AsyncConnection, *, mode: str, admitted_before: datetime) -> list[str]:
    """Runs that nobody claimed in time, also because their target was busy: they go back to decision (S18)."""
    query = select(runs.c.id).where(
        and_(runs.c.mode == mode, runs.c.state == "ready", runs.c.owner.is_(None), runs.c.created_at < admitted_before)
    )
    return list((await connection.execute(query)).scalars())


async def next_due_at(
    connection: AsyncConnection,
    mode: str,
    *,
    grace: timedelta = timedelta(0),
    left_out: LeftOut = NOTHING,
) -> datetime | None:
    """The earliest time at which ``claim_due`` would find a run: one that is due, or one that was left in the middle."""
    waiting = and_(runs.c.wake_at.is_not(None), runs.c.mode == mode, runs.c.state != "ended", *left_out.conditions)
    free = select(runs.c.wake_at).where(and_(waiting, runs.c.owner.is_(None))).order_by(runs.c.wake_at).limit(1)
    left = select(func.min(runs.c.lease_until)).where(and_(waiting, runs.c.owner.is_not(None)))
    free_at = await connection.scalar(free)
    left_at = await connection.scalar(left)
    found = (free_at, None if left_at is None else left_at + grace)
    return min((at for at in found if at is not None), default=None)


async def needs_due(connection: AsyncConnection, *, mode: str, now: datetime) -> list[str]:
    """The different ``needs`` of the runs whose time has come."""
    due = and_(runs.c.mode == mode, runs.c.wake_at <= now, runs.c.state != "ended")
    return list((await connection.execute(select(runs.c.needs).where(due).distinct())).scalars())


async def unclaimed(connection: AsyncConnection, *, mode: str, due_before: datetime) -> list[RunRow]:
    """Runs that nobody holds although they have been due since before then: too many at once, or nobody knows their formats."""
    query = select(*COLUMNS).where(
        and_(runs.c.mode == mode, runs.c.wake_at < due_before, runs.c.state != "ended", runs.c.owner.is_(None))
    )
    return [RunRow.of(row) for row in await connection.execute(query.order_by(runs.c.wake_at).limit(100))]
