"""From an admitting decision to a run: what is frozen into it, how long it may take, when a waiting request is withdrawn."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from remediator.actions import action_named
from remediator.actions.base import effect_within
from remediator.decision.decide import Decision, Verdict
from remediator.engine.formats import needs_of
from remediator.engine.survey import shown
from remediator.playbooks.model import Playbook, Remedy
from remediator.runs import machine, verification
from remediator.runs.cursor import RemedyShape, Shape
from remediator.runs.plan import plans_hash
from remediator.settings import Settings
from remediator.store import approvals, runs
from remediator.store.database import Connection
from remediator.store.episodes import EpisodeRow
from remediator.store.runs import RunRow
from remediator.targets import Target


def shape_of(playbook: Playbook, *, mode: str, settings: Settings) -> Shape:
    """What the run machine must know of a playbook, in the mode of the run."""
    return Shape(
        remedies=tuple(_remedy_shape(remedy) for remedy in playbook.remedies),
        rehearsal=mode == "dry-run",
        settle=settings.timings.settle,
        look=settings.timings.look,
    )


def _remedy_shape(remedy: Remedy) -> RemedyShape:
    verify = remedy.verify
    last = remedy.steps[-1]
    action = action_named(last.action)
    default = action.if_refuted(action.params.model_validate(last.params))
    return RemedyShape(
        steps=len(remedy.steps),
        within=timedelta(0) if verify is None else verify.within,
        hold=timedelta(0) if verify is None else verify.hold,
        if_refuted=remedy.if_refuted or default,
        writes=remedy.writes,
        effect_within=max(effect_within(action_named(step.action)) for step in remedy.steps),
    )


def longest(shape: Shape, settings: Settings) -> timedelta:
    """How long a run can take before it must have ended or wait for a person: the sum of its own limits."""
    each_call = machine.LAND_WITHIN + 4 * settings.timings.request
    remedies = sum(
        ((each_call + r.effect_within) * 2 * r.steps + r.within + 2 * r.hold for r in shape.remedies), timedelta(0)
    )
    return settings.timings.approval + shape.settle + remedies + verification.WATCH_FOR


def target_of(answers: Sequence[Decision]) -> Target | None:
    """The target of the playbook that took the alert, else the first that was found."""
    takers = [one for one in answers if one.verdict in (Verdict.RUN, Verdict.APPROVE, Verdict.PROPOSE)]
    found = [one.facts.target for one in (*takers, *answers) if one.facts is not None and one.facts.target is not None]
    return found[0] if found else None


def shown_plan(decision: Decision) -> dict[str, Any] | None:
    """The plan of a decision for people, with the hash that a yes is bound to; None when there is none."""
    playbook, found = decision.playbook, decision.facts
    if (
        playbook is None
        or found is None
        or found.remedy is None
        or found.remedy.chosen is None
        or not found.remedy.plans
    ):
        return None
    plans = found.remedy.plans
    return shown(playbook.remedies[found.remedy.chosen], plans, plans_hash(plans))


async def admit(
    tx: Connection,
    *,
    decision: Decision,
    episode: EpisodeRow,
    incident_id: str,
    mode: str,
    settings: Settings,
    now: datetime,
) -> str:
    """Insert the run of an admitting decision, or keep the request that already asks for the same plan. Returns its id."""
    playbook, found, plan = decision.playbook, decision.facts, shown_plan(decision)
    if playbook is None or found is None or found.target is None or found.remedy is None or plan is None:
        raise ValueError("an admitting decision has a playbook, a target, a remedy and a plan")
    kept = await keep_or_withdraw(
        tx,
        episode=episode,
        mode=mode,
        taker=playbook.name,
        now=now,
        why="its plan or its autonomy changed",
        plan_hash=plan["hash"] if decision.verdict is Verdict.APPROVE else None,
    )
    if kept is not None:
        return kept
    shape = shape_of(playbook, mode=mode, settings=settings)
    asks = decision.verdict is Verdict.APPROVE
    expires_at = now + settings.timings.approval
    run_id = await runs.admit(
        tx,
        runs.Admission(
            mode=mode,
            incident_id=incident_id,
            episode_id=episode.id,
            playbook=playbook.name,
            revision=playbook.revision,
            snapshot=playbook.to_snapshot(),
            target=found.target,
            source=episode.source,
            needs=needs_of(playbook),
            cursor=machine.start(found.remedy.chosen or 0, now),
            wake_at=expires_at if asks else now + shape.settle,
            deadline_at=now + longest(shape, settings),
        ),
        state="approval" if asks else "ready",
        now=now,
    )
    if asks:
        await approvals.request(tx, run_id=run_id, plan_hash=plan["hash"], plan=plan, now=now, expires_at=expires_at)
    return run_id


async def may_be_withdrawn(tx: Connection, pending: RunRow) -> bool:
    """Does it wait for an answer? Any other run, also one that was answered and not claimed yet, is the runner's to end."""
    if pending.state != "approval":
        return False
    request = await approvals.get(tx, pending.id)
    return request is not None and request["answer"] is None


async def keep_or_withdraw(
    tx: Connection,
    *,
    episode: EpisodeRow,
    mode: str,
    taker: str | None,
    now: datetime,
    why: str,
    plan_hash: str | None = None,
) -> str | None:
    """Keep the waiting request of this episode if ``taker`` still asks for the same plan; else withdraw it (S34).

    Returns the kept run's id. A request that was answered belongs to the runner and is left alone.
    """
    pending = await runs.pending_of(tx, episode_id=episode.id, mode=mode)
    if pending is None or pending.state != "approval" or (taker is not None and pending.playbook != taker):
        return None
    request = await approvals.get(tx, pending.id)
    if request is not None and plan_hash is not None and request["plan_hash"] == plan_hash:
        return pending.id
    if await approvals.settle(tx, pending.id, said="withdrawn", by="remediator", reason=why, now=now):
        await runs.end_unclaimed(
            tx, pending.id, outcome="cancelled", reason=f"the request was withdrawn: {why}", now=now
        )
    return None
