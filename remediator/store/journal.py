"""The journal: each step is marked as begun before its effect, and settled after it (engine.md 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Row, bindparam, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.runs.plan import Plan
from remediator.store.columns import Instant
from remediator.store.dialect import insert
from remediator.store.schema import journal, runs


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step; columns as in ``schema.journal``."""

    intent_id: str
    run_id: str
    seq: int
    remedy: str
    action: str
    direction: str
    state: str
    plan: Mapping[str, Any]
    attempts: int
    begun_at: datetime
    first_begun_at: datetime
    ended_at: datetime | None
    applied: Mapping[str, Any] | None
    error: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From a row selected with ``COLUMNS``."""
        return cls(**row._mapping)


COLUMNS = tuple(journal.c[name] for name in StepRow.__slots__)
_ONE = select(*COLUMNS).where(journal.c.intent_id == bindparam("intent"))
_OF_RUN = select(*COLUMNS).where(journal.c.run_id == bindparam("run")).order_by(journal.c.seq)


async def begin(
    tx: AsyncConnection,
    *,
    intent_id: str,
    run_id: str,
    remedy: str,
    direction: str,
    plan: Plan,
    fence: int,
    now: datetime,
) -> None:
    """Mark a step as begun; a later attempt at the same intent raises its counter and keeps its first begun mark."""
    seq = await tx.scalar(select(func.count()).select_from(journal).where(journal.c.run_id == run_id)) or 0
    statement = insert(journal).values(
        intent_id=intent_id,
        run_id=run_id,
        seq=seq + 1,
        remedy=remedy,
        action=plan.action,
        direction=direction,
        state="begun",
        plan=plan.to_json(),
        attempts=1,
        begun_at=now,
        first_begun_at=now,
        fence=fence,
    )
    again = {
        "state": "begun",
        "plan": statement.excluded.plan,
        "attempts": journal.c.attempts + 1,
        "begun_at": now,
        "fence": fence,
        "ended_at": None,
        "error": None,
    }
    await tx.execute(statement.on_conflict_do_update(index_elements=["intent_id"], set_=again))
    await tx.execute(
        update(runs)
        .where(runs.c.id == run_id)
        .values(changed_at=func.coalesce(runs.c.changed_at, literal(now, Instant)))
    )


async def settle(
    tx: AsyncConnection,
    intent_id: str,
    *,
    state: str,
    now: datetime,
    applied: Mapping[str, Any] | None = None,
    error: str | None = None,
) -> None:
    """Say how a begun step ended: ``done``, ``failed`` (nothing changed) or ``unsettled`` (nobody knows yet)."""
    await tx.execute(
        update(journal)
        .where(journal.c.intent_id == intent_id)
        .values(state=state, ended_at=now, error=error, **({} if applied is None else {"applied": applied}))
    )


async def get(connection: AsyncConnection, intent_id: str) -> StepRow | None:
    """One step, or None."""
    row = (await connection.execute(_ONE, {"intent": intent_id})).first()
    return None if row is None else StepRow.of(row)


async def of_run(connection: AsyncConnection, run_id: str) -> list[StepRow]:
    """Every step of a run, in order."""
    return [StepRow.of(row) for row in await connection.execute(_OF_RUN, {"run": run_id})]
