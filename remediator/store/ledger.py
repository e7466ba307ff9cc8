"""The ledger: which runs used which target and playbook when (S9). Reserved by the transaction that decides, in one place."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.decision.facts import ChangeFact, LedgerFacts, Limits, Used
from remediator.playbooks.rules import Budget
from remediator.store.columns import Instant
from remediator.store.schema import ledger


async def reserve(tx: AsyncConnection, *, run_id: str, mode: str, playbook: str, target: str, now: datetime) -> None:
    """Count a run from its admission on."""
    entry = {"run_id": run_id, "mode": mode, "playbook": playbook, "target": target}
    await tx.execute(insert(ledger).values(**entry, reserved_at=now, counted_at=now))


async def mark_changed(tx: AsyncConnection, run_id: str, now: datetime) -> None:
    """An effect begins: from now on the target counts as changed."""
    await tx.execute(update(ledger).where(ledger.c.run_id == run_id).values(changed_at=now, counted_at=now))


async def close(tx: AsyncConnection, run_id: str, *, outcome: str, changed: bool) -> None:
    """Keep the entry of a run that began an effect; release one that changed nothing."""
    if changed:
        await tx.execute(update(ledger).where(ledger.c.run_id == run_id).values(outcome=outcome))
    else:
        await tx.execute(delete(ledger).where(ledger.c.run_id == run_id))


_MINE = and_(ledger.c.mode == bindparam("mode"), ledger.c.run_id != bindparam("without"))
_OF_PLAYBOOK, _OF_TARGET = ledger.c.playbook == bindparam("playbook"), ledger.c.target == bindparam("target")
_LATELY = and_(_MINE, ledger.c.counted_at > bindparam("since"))
_HERE = and_(_MINE, _OF_PLAYBOOK, _OF_TARGET, ledger.c.counted_at > bindparam("budget_since"))
# The entry of a run that has ended without a change is kept only if it looked.
_LOOKED = and_(ledger.c.changed_at.is_(None), ledger.c.outcome.is_not(None), _OF_PLAYBOOK)
_AT = func.coalesce(ledger.c.changed_at, ledger.c.counted_at, type_=Instant)
_LAST = (
    select(_AT.label("at"), ledger.c.changed_at, ledger.c.playbook, ledger.c.outcome)
    .where(and_(_MINE, _OF_TARGET, or_(ledger.c.changed_at.is_not(None), _LOOKED)))
    .order_by(_AT.desc())
    .limit(1)
)
_COUNT_HERE = select(func.count()).select_from(ledger).where(_HERE)
_COUNTS = select(func.count(), func.count().filter(_OF_PLAYBOOK)).select_from(ledger).where(_LATELY)
_NEWEST_FIRST = select(ledger.c.counted_at).order_by(ledger.c.counted_at.desc())
_TIMES_HERE, _TIMES = _NEWEST_FIRST.where(_HERE), _NEWEST_FIRST.where(_LATELY)
_TIMES_OF_PLAYBOOK = _TIMES.where(_OF_PLAYBOOK)


async def facts(
    connection: AsyncConnection,
    *,
    mode: str,
    playbook: str,
    target: str,
    budget: Budget,
    limits: Limits,
    now: datetime,
    without: str | None,
) -> LedgerFacts:
    """What counts for this playbook and target now, counted in the database: nobody reads a thousand rows to learn that there is room.

    ``without`` is the run that asks: its own entry never counts against it.
    """
    asked = {
        "mode": mode,
        "playbook": playbook,
        "target": target,
        "without": without or "",
        "since": now - limits.per,
        "budget_since": now - budget.per,
    }
    last = (await connection.execute(_LAST, asked)).first()
    on_target = await connection.scalar(_COUNT_HERE, asked) or 0
    of_all, of_playbook = (await connection.execute(_COUNTS, asked)).one()

    async def used(runs: int, allowed: int, per: timedelta, newest_first: Select[Any]) -> Used:
        if runs < allowed:
            return Used(runs)
        counted = await connection.scalar(newest_first.offset(max(allowed - 1, 0)).limit(1), asked)
        return Used(runs, None if counted is None else counted + per)

    return LedgerFacts(
        last_change=None if last is None else ChangeFact(last.at, last.playbook, last.outcome, last.changed_at is None),
        runs_on_target=await used(on_target, budget.runs, budget.per, _TIMES_HERE),
        of_playbook=await used(of_playbook, limits.total_per_playbook, limits.per, _TIMES_OF_PLAYBOOK),
        of_everything=await used(of_all, limits.total, limits.per, _TIMES),
    )
