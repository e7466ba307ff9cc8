"""Rows of alerts, decisions, runs and steps, as intake, decider and runner write them; for tests of what people are told."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from remediator.ids import new_id
from remediator.runs import machine
from remediator.runs.cursor import Phase
from remediator.store import incidents
from remediator.store.database import Connection, Store, open_store
from remediator.store.schema import approvals, decisions, episodes, journal, runs
from tests.support.clock import T0
from tests.support.new_store import file_url

CHECKOUT = "kubernetes/prod/shop/deployment/checkout"


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Store]:
    """A fresh store, or the one that is there."""
    store = await open_store(file_url(directory))
    try:
        yield store
    finally:
        await store.close()


async def join(
    tx: Connection,
    *,
    target: str | None = CHECKOUT,
    mode: str = "live",
    severity: str = "critical",
    title: str = "HighErrorRate on shop/checkout",
    at: datetime = T0,
    now: datetime | None = None,
) -> str:
    """The incident of a target, as the decider joins it."""
    return await incidents.join(
        tx,
        key=incidents.incident_key(mode, target=target, source="prod", group_key="{}:{}"),
        target=target,
        mode=mode,
        severity=severity,
        title=title,
        at=at,
        now=now or at,
        reopen_within=timedelta(minutes=30),
    )


async def fire(
    tx: Connection,
    incident_id: str,
    *,
    severity: str = "critical",
    at: datetime = T0,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    state: str = "open",
    **columns: Any,
) -> str:
    """One alert of the incident. Returns its episode's id."""
    episode_id = new_id("epi")
    values = {
        "id": episode_id,
        "source": "prod",
        "fingerprint": episode_id[-16:],
        "state": state,
        "latest": True,
        "starts_at": at,
        "last_starts_at": at,
        "first_received_at": at,
        "last_received_at": at,
        "confirmed_at": at,
        "flaps": 0,
        "repeats": 0,
        "severity": severity,
        "alertname": "HighErrorRate",
        "labels": dict(labels or {"alertname": "HighErrorRate", "namespace": "shop"}),
        "annotations": dict(annotations or {}),
        "generator_url": "",
        "external_url": "",
        "receiver": "remediator",
        "group_key": "{}:{}",
        "incident_id": incident_id,
        "rank": 0,
    }
    await tx.execute(insert(episodes).values(**(values | columns)))
    return episode_id


async def close(tx: Connection, episode_id: str, at: datetime) -> None:
    """The alert resolved."""
    await tx.execute(
        update(episodes).where(episodes.c.id == episode_id).values(state="closed", closed_at=at, ended_at=at)
    )


async def answer(
    tx: Connection,
    incident_id: str,
    episode_id: str,
    verdict: str,
    *,
    playbook: str | None = "restart-it",
    kind: str | None = None,
    at: datetime = T0,
    reasons: Sequence[Mapping[str, Any]] = (),
    plan: Mapping[str, Any] | None = None,
) -> None:
    """The standing answer of an episode and playbook."""
    same = (decisions.c.episode_id == episode_id) & (decisions.c.playbook == playbook)
    await tx.execute(update(decisions).where(same).values(current=False))
    await tx.execute(
        insert(decisions).values(
            id=new_id("dec"),
            episode_id=episode_id,
            incident_id=incident_id,
            playbook=playbook,
            mode="live",
            verdict=verdict,
            kind=kind,
            reasons=list(reasons),
            plan=plan,
            answer_hash=verdict,
            times=1,
            decided_at=at,
            confirmed_at=at,
            current=True,
        )
    )


async def admit(
    tx: Connection, incident_id: str, episode_id: str, state: str = "running", *, at: datetime = T0, **columns: Any
) -> str:
    """A run. Returns its id."""
    run_id = new_id("run")
    values = {
        "id": run_id,
        "mode": "live",
        "incident_id": incident_id,
        "episode_id": episode_id,
        "playbook": "restart-it",
        "revision": "r1",
        "snapshot": {},
        "target": CHECKOUT,
        "source": "prod",
        "remedy": 0,
        "state": state,
        "cursor": machine.start(0, at).to_json(),
        "reminders": 0,
        "fence": 0,
        "created_at": at,
        "deadline_at": at + timedelta(hours=1),
    }
    await tx.execute(insert(runs).values(**(values | columns)))
    return run_id


async def move(tx: Connection, run_id: str, state: str, at: datetime, **columns: Any) -> None:
    """The run came to stand otherwise."""
    phase = {"needs_person": Phase.PERSON, "ended": Phase.ENDED}.get(state, Phase.WATCH)
    cursor = machine.start(0, at).to_json() | {"phase": phase}
    ended = {"ended_at": at} if state == "ended" else {}
    await tx.execute(update(runs).where(runs.c.id == run_id).values(state=state, cursor=cursor, **ended, **columns))


async def ask_approval(
    tx: Connection, run_id: str, *, at: datetime = T0, plan: Mapping[str, Any] | None = None
) -> None:
    """A request for a yes."""
    await tx.execute(
        insert(approvals).values(
            run_id=run_id,
            plan_hash="0123456789abcdef",
            plan=dict(plan or PLAN),
            requested_at=at,
            expires_at=at + timedelta(hours=1),
        )
    )


async def settle_approval(tx: Connection, run_id: str, said: str, at: datetime) -> None:
    """Somebody, or nobody, answered it."""
    await tx.execute(
        update(approvals).where(approvals.c.run_id == run_id).values(answer=said, answered_at=at, answered_by="ann")
    )


async def step(
    tx: Connection, run_id: str, *, at: datetime = T0, state: str = "done", error: str | None = None
) -> None:
    """A step in the run's journal."""
    await tx.execute(
        insert(journal).values(
            intent_id=new_id("int"),
            run_id=run_id,
            seq=1,
            remedy="restart",
            action="kubernetes.rollout_restart",
            direction="apply",
            state=state,
            plan={"summary": "restart deployment shop/checkout"},
            attempts=1,
            begun_at=at,
            first_begun_at=at,
            ended_at=at + timedelta(seconds=1),
            error=error,
            fence=1,
        )
    )


PLAN: Mapping[str, Any] = {
    "remedy": "restart",
    "hash": "0123456789abcdef",
    "steps": [
        {
            "action": "kubernetes.rollout_restart",
            "summary": "restart deployment shop/checkout",
            "target": CHECKOUT,
            "changes": ["spec.template: 'a' -> 'b'"],
            "calls": [],
            "fidelity": "server",
        }
    ],
}
