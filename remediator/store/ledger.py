"""The ledger: which runs used which target and playbook when (S9). Reserved by the transaction that decides, in one place."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
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
    mine = [ledger.c.mode == mode]
    if without is not None:
        mine.append(ledger.c.run_id != without)
    # The entry of a run that has ended without a change is kept only if it looked.
    looked = and_(ledger.c.changed_at.is_(None), ledger.c.outcome.is_not(None), ledger.c.playbook == playbook)
    at = func.coalesce(ledger.c.changed_at, ledger.c.counted_at, type_=Instant)
    last = (
        await connection.execute(
            select(at.label("at"), ledger.c.changed_at, ledger.c.playbook, ledger.c.outcome)
            .where(and_(*mine, ledger.c.target == target, or_(ledger.c.changed_at.is_not(None), looked)))
            .order_by(at.desc())
            .limit(1)
        )
    ).first()

    counted_at = ledger.c.counted_at
    here = and_(*mine, ledger.c.playbook == playbook, ledger.c.target == target, counted_at > now - budget.per)
    lately = and_(*mine, counted_at > now - limits.per)
    on_target = await connection.scalar(select(func.count()).where(here)) or 0
    of_all, of_playbook = (
        await connection.execute(
            select(func.count(), func.count().filter(ledger.c.playbook == playbook)).select_from(ledger).where(lately)
        )
    ).one()

    async def used(runs: int, allowed: int, per: timedelta, which: ColumnElement[bool]) -> Used:
        if runs < allowed:
            return Used(runs)
        newest_first = select(counted_at).where(which).order_by(counted_at.desc())
        counted = (await connection.execute(newest_first.offset(max(allowed - 1, 0)).limit(1))).scalar()
        return Used(runs, None if counted is None else counted + per)

    by_playbook = and_(lately, ledger.c.playbook == playbook)
    return LedgerFacts(
        last_change=None if last is None else ChangeFact(last.at, last.playbook, last.outcome, last.changed_at is None),
        runs_on_target=await used(on_target, budget.runs, budget.per, here),
        of_playbook=await used(of_playbook, limits.total_per_playbook, limits.per, by_playbook),
        of_everything=await used(of_all, limits.total, limits.per, lately),
    )
