"""Decisions: the standing answer of each episode and playbook, and every earlier one (S5)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.ids import new_id
from remediator.store.schema import decisions


@dataclass(frozen=True, slots=True)
class Answer:
    """One decision, ready to be recorded."""

    playbook: str | None
    revision: str | None
    verdict: str
    kind: str | None
    target: str | None
    reasons: Sequence[Mapping[str, Any]]
    plan: Mapping[str, Any] | None
    decide_again_at: datetime | None
    run_id: str | None = None

    @property
    def hash(self) -> str:
        """Equal for equal answers: times and counts inside the reasons' texts do not make a new one."""
        codes = [[reason["guard"], reason["code"], reason["kind"]] for reason in self.reasons]
        plan = None if self.plan is None else self.plan.get("hash")
        same = [self.verdict, self.kind, self.revision, self.target, codes, plan, self.run_id]
        return hashlib.sha256(json.dumps(same).encode()).hexdigest()[:16]


async def record(
    tx: AsyncConnection, *, episode_id: str, incident_id: str, mode: str, answers: Sequence[Answer], now: datetime
) -> bool:
    """Make these the standing answers of the episode. Returns whether anything changed.

    An unchanged answer raises its counter and shows its newest values; a changed one is a new row. Answers of playbooks that no
    longer match stop standing.
    """
    standing = {
        row.playbook: row
        for row in await tx.execute(
            select(decisions.c.id, decisions.c.playbook, decisions.c.answer_hash, decisions.c.mode).where(
                and_(decisions.c.episode_id == episode_id, decisions.c.current)
            )
        )
    }
    changed = False
    for answer in answers:
        former = standing.pop(answer.playbook, None)
        shown = {
            "reasons": list(answer.reasons),
            "plan": answer.plan,
            "confirmed_at": now,
            "decide_again_at": answer.decide_again_at,
        }
        if former is not None and (former.answer_hash, former.mode) == (answer.hash, mode):
            await tx.execute(
                update(decisions).where(decisions.c.id == former.id).values(times=decisions.c.times + 1, **shown)
            )
            continue
        changed = True
        if former is not None:
            await tx.execute(update(decisions).where(decisions.c.id == former.id).values(current=False))
        await tx.execute(
            insert(decisions).values(
                id=new_id("dec"),
                episode_id=episode_id,
                incident_id=incident_id,
                playbook=answer.playbook,
                revision=answer.revision,
                mode=mode,
                verdict=answer.verdict,
                kind=answer.kind,
                target=answer.target,
                answer_hash=answer.hash,
                times=1,
                decided_at=now,
                run_id=answer.run_id,
                current=True,
                **shown,
            )
        )
    if standing:
        changed = True
        gone = [row.id for row in standing.values()]
        await tx.execute(update(decisions).where(decisions.c.id.in_(gone)).values(current=False))
    return changed


async def record_first(
    tx: AsyncConnection, *, episode_ids: Sequence[str], incident_id: str, mode: str, answer: Answer, now: datetime
) -> None:
    """One and the same answer for episodes that have none yet, with one statement."""
    row = {
        "incident_id": incident_id,
        "playbook": answer.playbook,
        "revision": answer.revision,
        "mode": mode,
        "verdict": answer.verdict,
        "kind": answer.kind,
        "target": answer.target,
        "reasons": list(answer.reasons),
        "plan": answer.plan,
        "answer_hash": answer.hash,
        "times": 1,
        "decided_at": now,
        "confirmed_at": now,
        "decide_again_at": answer.decide_again_at,
        "run_id": answer.run_id,
        "current": True,
    }
    await tx.execute(insert(decisions), [{"id": new_id("dec"), "episode_id": one, **row} for one in episode_ids])


async def listing(
    connection: AsyncConnection, *, episode_id: str | None = None, incident_id: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Decisions for people, newest first."""
    query = select(decisions).order_by(decisions.c.decided_at.desc(), decisions.c.id.desc()).limit(limit)
    if episode_id is not None:
        query = query.where(decisions.c.episode_id == episode_id)
    if incident_id is not None:
        query = query.where(decisions.c.incident_id == incident_id)
    return [dict(row._mapping) for row in await connection.execute(query)]
