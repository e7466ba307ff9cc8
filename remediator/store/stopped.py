"""Runs that were stopped from outside: by a person's word that goes on standing, or because the store changed its mode."""

from datetime import datetime

from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store import ledger, locks
from remediator.store.runs import SCHEDULED
from remediator.store.schema import approvals, incidents, runs

_BY_PERSON = (
    select(runs.c.reason, runs.c.cursor)
    .join(incidents, incidents.c.id == runs.c.incident_id)
    .outerjoin(approvals, approvals.c.run_id == runs.c.id)
    .where(and_(runs.c.target == bindparam("target"), runs.c.mode == bindparam("mode"), runs.c.outcome == "cancelled"))
    .where(and_(runs.c.playbook == bindparam("playbook"), runs.c.revision == bindparam("revision")))
    .where(and_(incidents.c.state == "open", or_(runs.c.cancel_by.is_not(None), approvals.c.answer == "rejected")))
    .order_by(runs.c.created_at.desc())
)


async def said_no(connection: AsyncConnection, *, mode: str, playbook: str, revision: str, target: str) -> str | None:
    """How a person last stopped this playbook on this target by a cancel or a no, while that run's incident is open.

    Who cancels a reverse wants the change to stay: that is no word against the playbook.
    """
    asked = {"mode": mode, "playbook": playbook, "revision": revision, "target": target}
    found = (await connection.execute(_BY_PERSON, asked)).all()
    return next((row.reason for row in found if row.cursor.get("reverses") is None), None)


async def cancel_mode(tx: AsyncConnection, *, mode: str, why: str, now: datetime) -> int:
    """End everything that another mode had under way (S21). No process may hold any of it. Returns how many.

    A reverse that is not due is not under way: it stays for when its mode returns, or what was made for a time would be forgotten.
    """
    query = select(runs.c.id, runs.c.incident_id, runs.c.cursor, runs.c.changed_at).where(
        and_(runs.c.mode == mode, runs.c.state.not_in(("ended", SCHEDULED)))
    )
    found = (await tx.execute(query)).all()
    for row in found:
        cursor = dict(row.cursor) | {"phase": "ended", "since": now.isoformat(), "outcome": "cancelled", "note": why}
        ended = {"state": "ended", "outcome": "cancelled", "reason": why, "ended_at": now, "cursor": cursor}
        await tx.execute(
            update(runs).where(runs.c.id == row.id).values(**ended, wake_at=None, owner=None, lease_until=None)
        )
        await locks.release(tx, row.id)
        await ledger.close(tx, row.id, outcome="cancelled", changed=row.changed_at is not None)
        await tx.execute(
            update(approvals)
            .where(and_(approvals.c.run_id == row.id, approvals.c.answer.is_(None)))
            .values(answer="withdrawn", answered_at=now, answered_by="remediator", reason=why)
        )
        # What its incident told is judged again when its mode returns; nothing else would look at it then.
        await tx.execute(
            update(incidents)
            .where(and_(incidents.c.id == row.incident_id, incidents.c.state == "open"))
            .values(look_again_at=now)
        )
    return len(found)
