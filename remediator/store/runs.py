"""Runs: admitted, moved on, ended. Every write of a claimed run names its fence, so that a process that lost its claim writes nothing
(engine.md 4). Claiming is ``store.claims``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Row, and_, bindparam, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.errors import RemediatorError
from remediator.ids import derived_id
from remediator.runs.cursor import Cursor, Phase
from remediator.store import ledger, locks
from remediator.store.columns import Instant, PlainText
from remediator.store.schema import approvals, runs
from remediator.targets import Target

ACTIVE_STATES = ("ready", "running", "waiting", "needs_person")
"""States in which a run stands in the way of others on its target."""
SCHEDULED = "scheduled"
"""A reverse that is not due yet: it holds nothing and stands in nobody's way (S39)."""
IN_HAND_STATES = ("approval", SCHEDULED, *ACTIVE_STATES)
"""States of a run that has not ended."""


class LostClaimError(RemediatorError):
    """Another process has claimed this run: stop at once, begin no further effect."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; columns as in ``schema.runs``."""

    id: str
    mode: str
    incident_id: str
    episode_id: str
    playbook: str
    revision: str
    snapshot: Mapping[str, Any]
    target: str
    source: str
    needs: str
    remedy: int
    state: str
    outcome: str | None
    reason: str | None
    cursor: Mapping[str, Any]
    question: Mapping[str, Any] | None
    wake_at: datetime | None
    owner: str | None
    fence: int
    created_at: datetime
    changed_at: datetime | None
    ended_at: datetime | None
    deadline_at: datetime
    cancel_at: datetime | None
    cancel_by: str | None
    answer: Mapping[str, Any] | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """From a row selected with ``COLUMNS``."""
        return cls(**row._mapping)

    @property
    def due_at(self) -> datetime | None:
        """When a scheduled one begins."""
        return self.wake_at if self.state == SCHEDULED else None

    @property
    def where(self) -> Target:
        """The target, parsed."""
        return Target.parse(self.target)


COLUMNS = tuple(runs.c[name] for name in RunRow.__slots__)
_ONE = select(*COLUMNS).where(runs.c.id == bindparam("run"))
_PENDING = select(*COLUMNS).where(
    runs.c.episode_id == bindparam("episode"),
    runs.c.mode == bindparam("mode"),
    runs.c.state.not_in(("ended", SCHEDULED)),
)


@dataclass(frozen=True, slots=True)
class Admission:
    """What a decision admits: everything that the run will ever need to know of it."""

    mode: str
    incident_id: str
    episode_id: str
    playbook: str
    revision: str
    snapshot: Mapping[str, Any]
    target: Target
    source: str
    needs: str
    cursor: Cursor
    wake_at: datetime
    deadline_at: datetime


async def admit(tx: AsyncConnection, admission: Admission, *, state: str, now: datetime) -> str:
    """Insert a run and reserve its place in the ledger (S9). Its id is derived, so that a repeat is the same run.

    Raises:
        IntegrityError: the target has an active run (the unique index that means "never twice").
    """
    attempt = await tx.scalar(
        select(func.count())
        .select_from(runs)
        .where(and_(runs.c.episode_id == admission.episode_id, runs.c.playbook == admission.playbook))
    )
    run_id = derived_id(
        "run", admission.mode, admission.playbook, str(admission.target), admission.episode_id, str(attempt)
    )
    await tx.execute(
        insert(runs).values(
            id=run_id,
            mode=admission.mode,
            incident_id=admission.incident_id,
            episode_id=admission.episode_id,
            playbook=admission.playbook,
            revision=admission.revision,
            snapshot=dict(admission.snapshot),
            target=str(admission.target),
            source=admission.source,
            needs=admission.needs,
            remedy=admission.cursor.remedy,
            state=state,
            cursor=admission.cursor.to_json(),
            wake_at=admission.wake_at,
            created_at=now,
            deadline_at=admission.deadline_at,
        )
    )
    await ledger.reserve(
        tx, run_id=run_id, mode=admission.mode, playbook=admission.playbook, target=admission.target.counted, now=now
    )
    return run_id


async def move(tx: AsyncConnection, run: RunRow, cursor: Cursor, **values: Any) -> None:
    """Store where a claimed run stands, with any other columns.

    Raises:
        LostClaimError: somebody else has claimed it; nothing was written.
    """
    moved = await tx.execute(
        update(runs)
        .where(and_(runs.c.id == run.id, runs.c.fence == run.fence, runs.c.owner == run.owner))
        .values(cursor=cursor.to_json(), outcome=cursor.outcome, reason=cursor.note or None, **values)
    )
    if moved.rowcount != 1:
        raise LostClaimError(f"run {run.id} was claimed by another process")


async def park(
    tx: AsyncConnection, run: RunRow, cursor: Cursor, *, wake_at: datetime | None, state: str = "waiting"
) -> None:
    """Give up the claim until ``wake_at`` (None: until somebody answers), or at once if a cancel came meanwhile.

    Locks stay with a run that has begun anything (engine.md 5); one that has not holds none while it waits (S18).
    """
    question = None if cursor.question is None else {"kind": cursor.question, "text": cursor.note}
    if untouched(cursor):
        state = await give_back(tx, run.id, cursor)
    wake: Any = wake_at if cursor.cancelled else func.coalesce(runs.c.cancel_at, literal(wake_at, Instant))
    await move(tx, run, cursor, state=state, wake_at=wake, owner=None, lease_until=None, question=question, answer=None)


def untouched(cursor: Cursor) -> bool:
    """Has its run begun nothing?"""
    begun = cursor.changed or cursor.attempts > 0 or cursor.parts_since is not None
    return cursor.phase in (Phase.SETTLE, Phase.CHECK) and not begun


async def give_back(tx: AsyncConnection, run_id: str, cursor: Cursor) -> str:
    """Give back the locks of a run that has begun nothing. Returns the state in which such a run waits."""
    await locks.release(tx, run_id)
    if cursor.reverses is not None:
        return SCHEDULED
    asked = await tx.scalar(select(approvals.c.run_id).where(approvals.c.run_id == run_id))
    return "ready" if asked is None else "approval"


async def end(tx: AsyncConnection, run: RunRow, cursor: Cursor, now: datetime) -> None:
    """End a claimed run: its locks are given back, its ledger entry kept only if it began an effect."""
    changed = await tx.scalar(select(runs.c.changed_at).where(runs.c.id == run.id)) is not None
    ended = {"state": "ended", "ended_at": now, "wake_at": None, "owner": None, "lease_until": None}
    await move(tx, run, cursor, **ended, question=None, answer=None)
    await locks.release(tx, run.id)
    await ledger.close(tx, run.id, outcome=str(cursor.outcome), changed=changed)


async def end_unclaimed(tx: AsyncConnection, run_id: str, *, outcome: str, reason: str, now: datetime) -> bool:
    """End a run that nobody holds and that changed nothing (a withdrawn request). Returns whether it did."""
    run = await get(tx, run_id)
    if run is None or run.state == "ended" or run.owner is not None or run.changed_at is not None:
        return False
    cursor = dict(run.cursor) | {"phase": Phase.ENDED, "since": now.isoformat(), "outcome": outcome, "note": reason}
    ended = await tx.execute(
        update(runs)
        .where(and_(runs.c.id == run_id, runs.c.owner.is_(None), runs.c.state != "ended"))
        .values(state="ended", outcome=outcome, reason=reason, ended_at=now, wake_at=None, cursor=cursor)
    )
    if ended.rowcount != 1:
        return False
    await locks.release(tx, run_id)
    await ledger.close(tx, run_id, outcome=outcome, changed=False)
    return True


async def get(connection: AsyncConnection, run_id: str) -> RunRow | None:
    """One run, or None."""
    row = (await connection.execute(_ONE, {"run": run_id})).first()
    return None if row is None else RunRow.of(row)


async def pending_of(connection: AsyncConnection, *, episode_id: str, mode: str) -> RunRow | None:
    """The run that was admitted for this episode and has not ended, if any. One that waits to reverse another is none."""
    row = (await connection.execute(_PENDING, {"episode": episode_id, "mode": mode})).first()
    return None if row is None else RunRow.of(row)


async def listing(
    connection: AsyncConnection,
    *,
    states: Sequence[str] = (),
    target: str | None = None,
    incident_id: str | None = None,
    limit: int = 100,
) -> list[RunRow]:
    """Runs for people, newest first."""
    query = select(*COLUMNS).order_by(runs.c.created_at.desc(), runs.c.id).limit(limit)
    if states:
        query = query.where(runs.c.state.in_(states))
    if target is not None:
        query = query.where(runs.c.target == target)
    if incident_id is not None:
        query = query.where(runs.c.incident_id == incident_id)
    return [RunRow.of(row) for row in await connection.execute(query)]


async def ask_cancel(tx: AsyncConnection, run_id: str, *, by: str, now: datetime) -> bool:
    """Ask a run to cancel (S18). Returns False when it has ended. Safe to repeat: the first word stands."""
    asked = await tx.execute(
        update(runs)
        .where(and_(runs.c.id == run_id, runs.c.state != "ended"))
        .values(
            cancel_at=func.coalesce(runs.c.cancel_at, literal(now, Instant)),
            cancel_by=func.coalesce(runs.c.cancel_by, literal(by, PlainText)),
            wake_at=now,
        )
    )
    return asked.rowcount == 1


async def give_answer(tx: AsyncConnection, run_id: str, *, said: str, by: str, reason: str, now: datetime) -> bool:
    """Answer a run that needs a person (S19). Returns False when it asks nothing."""
    given = await tx.execute(
        update(runs)
        .where(and_(runs.c.id == run_id, runs.c.state == "needs_person"))
        .values(answer={"said": said, "by": by, "reason": reason}, wake_at=now)
    )
    return given.rowcount == 1
