"""Approval requests (S18, S34): bound to a plan's hash, with an end."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store.schema import approvals, runs

_OF_RUN = select(approvals).where(approvals.c.run_id == bindparam("run"))


async def request(
    tx: AsyncConnection, *, run_id: str, plan_hash: str, plan: Mapping[str, Any], now: datetime, expires_at: datetime
) -> None:
    """Ask people for a yes."""
    await tx.execute(
        insert(approvals).values(
            run_id=run_id, plan_hash=plan_hash, plan=dict(plan), requested_at=now, expires_at=expires_at
        )
    )


async def answer(
    tx: AsyncConnection, *, run_id: str, plan_hash: str | None, said: str, by: str, reason: str, now: datetime
) -> str | None:
    """Record a yes or no. Returns None when it counts, else why it does nothing.

    The first answer wins. A yes must name the hash of the plan that was shown.
    """
    row = (await tx.execute(select(approvals).where(approvals.c.run_id == run_id))).first()
    if row is None:
        return "this run waits for no approval"
    if row.answer is not None:
        return f"it was {row.answer} at {row.answered_at:%H:%M:%S}Z by {row.answered_by}"
    if now >= row.expires_at:
        return f"the request expired at {row.expires_at:%H:%M:%S}Z"
    if said == "approved" and plan_hash != row.plan_hash:
        return f"the plan is {row.plan_hash}, not {plan_hash}: look at it again"
    await settle(tx, run_id, said=said, by=by, reason=reason, now=now)
    return None


async def settle(tx: AsyncConnection, run_id: str, *, said: str, by: str, reason: str, now: datetime) -> bool:
    """Close an open request with any word, and wake its run. Returns False when it was closed before."""
    settled = await tx.execute(
        update(approvals)
        .where(and_(approvals.c.run_id == run_id, approvals.c.answer.is_(None)))
        .values(answer=said, answered_at=now, answered_by=by, reason=reason)
    )
    if settled.rowcount != 1:
        return False
    await tx.execute(update(runs).where(and_(runs.c.id == run_id, runs.c.state == "approval")).values(wake_at=now))
    return True


async def get(connection: AsyncConnection, run_id: str) -> dict[str, Any] | None:
    """The request of a run, or None."""
    row = (await connection.execute(_OF_RUN, {"run": run_id})).first()
    return None if row is None else dict(row._mapping)
