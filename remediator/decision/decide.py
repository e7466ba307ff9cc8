"""The decision itself: playbooks and their facts in, one answer for each out, with every reason (S5, S6, S8).

``decide`` is the whole of it: judge every candidate, then let the first in order of priority take the alert.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from remediator.alerts.severity import Severity
from remediator.decision import autonomy, guards
from remediator.decision.facts import Denial, Facts, Kind
from remediator.playbooks.model import Autonomy, Playbook

SOONEST = timedelta(seconds=30)
LATEST = timedelta(minutes=15)
"""Bounds of ``decide_again_at`` (S5)."""
UNTIMED = timedelta(minutes=1)
"""When a denial cannot say when it could pass."""


class Verdict(StrEnum):
    RUN = "run"
    APPROVE = "approve"
    PROPOSE = "propose"
    OBSERVE = "observe"
    DENY = "deny"
    SUPERSEDED = "superseded"
    NO_PLAYBOOK = "no_playbook"


TAKES = frozenset({Verdict.RUN, Verdict.APPROVE, Verdict.PROPOSE})
"""Verdicts by which a playbook takes the alert (S6)."""
BY_EVENT_ONLY = frozenset({Verdict.OBSERVE, Verdict.NO_PLAYBOOK, Verdict.SUPERSEDED})
"""Verdicts that only an event can change, or another playbook's (S5)."""

_BY_LEVEL = {
    Autonomy.OBSERVE: Verdict.OBSERVE,
    Autonomy.PROPOSE: Verdict.PROPOSE,
    Autonomy.APPROVE: Verdict.APPROVE,
    Autonomy.ACT: Verdict.RUN,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one episode and one playbook. ``playbook`` is None for ``no_playbook``."""

    playbook: Playbook | None
    verdict: Verdict
    denials: tuple[Denial, ...] = ()
    notes: tuple[str, ...] = ()
    kind: Kind | None = None
    decide_again_at: datetime | None = None
    facts: Facts | None = None

    def reasons(self) -> list[dict[str, Any]]:
        """Denials, then notes, as JSON."""
        notes = [Denial("", "note", "wait", note).to_json() | {"kind": None} for note in self.notes]
        return [*(denial.to_json() for denial in self.denials), *notes]


def decide(candidates: Sequence[tuple[Playbook, Facts]], now: datetime) -> tuple[Decision, ...]:
    """Judge every candidate, in order of priority (higher first); the first that can takes the alert (S6)."""
    if not candidates:
        return (Decision(None, Verdict.NO_PLAYBOOK, notes=("no playbook matches this alert",)),)
    ordered = sorted(candidates, key=lambda pair: (-pair[0].priority, pair[0].name))
    return _take([judge(playbook, facts) for playbook, facts in ordered], now)


def judge(playbook: Playbook, facts: Facts) -> Decision:
    """One playbook by itself."""
    level = autonomy.in_force(playbook, facts)
    denials = guards.denials(guards.TO_ADMIT, playbook, facts)
    notes: tuple[str, ...] = ()
    if level.level.rank < Autonomy.ACT.rank:
        notes = (f"held at {level.level} by {level.held_by}",)
    if level.level is Autonomy.OBSERVE or facts.episode.severity is Severity.NONE:
        # Nothing will be done whatever the guards say: their reasons are kept as notes, the page is not held back by a `wait`.
        observed = tuple(f"would also be denied: {denial.text}" for denial in denials)
        return Decision(playbook, Verdict.OBSERVE, notes=(*notes, *observed), facts=facts)
    if denials:
        return _denied(playbook, denials, notes, facts)
    again = facts.now + LATEST if level.level is Autonomy.PROPOSE else None
    return Decision(playbook, _BY_LEVEL[level.level], notes=notes, decide_again_at=again, facts=facts)


def _denied(playbook: Playbook, denials: tuple[Denial, ...], notes: tuple[str, ...], facts: Facts) -> Decision:
    kind: Kind = "refuse" if any(denial.kind == "refuse" for denial in denials) else "wait"
    again = decide_again_at(denials, facts.now)
    return Decision(playbook, Verdict.DENY, denials, notes, kind, again, facts)


def decide_again_at(denials: Sequence[Denial], now: datetime) -> datetime:
    """When all denials could have passed, between ``SOONEST`` and ``LATEST`` from now (S5)."""
    earliest = max((denial.earliest or now + UNTIMED for denial in denials), default=now + UNTIMED)
    return min(max(earliest, now + SOONEST), now + LATEST)


def _take(judged: list[Decision], now: datetime) -> tuple[Decision, ...]:
    takers = [decision for decision in judged if decision.verdict in TAKES]
    if not takers:
        return tuple(judged)
    best = _priority(takers[0])
    rivals = [decision for decision in takers if _priority(decision) == best]
    if len(rivals) > 1:
        return tuple(_rivalry(decision, rivals, now) for decision in judged)
    return tuple(_beside(decision, rivals[0]) for decision in judged)


def _beside(decision: Decision, taker: Decision) -> Decision:
    """The others are superseded and never page; one of higher priority that was denied keeps its reasons."""
    if decision is taker:
        return decision
    text = f"superseded by {_name(taker)}, priority {_priority(taker)}"
    reasons = tuple(f"would also be denied: {denial.text}" for denial in decision.denials)
    return replace(
        decision,
        verdict=Verdict.SUPERSEDED,
        denials=(),
        kind=None,
        decide_again_at=None,
        notes=(text, *decision.notes, *reasons),
    )


def _rivalry(decision: Decision, rivals: list[Decision], now: datetime) -> Decision:
    if decision.verdict not in TAKES:
        return decision
    if decision not in rivals:
        return _beside(decision, rivals[0])
    names = ", ".join(_name(rival) for rival in rivals)
    text = f"equal priority {_priority(decision)}: {names}; give one a higher `priority`, or make them remedies of one playbook"
    denial = Denial("one_playbook", "equal_priority", "refuse", text)
    again = decide_again_at((denial,), now)
    return replace(decision, verdict=Verdict.DENY, kind="refuse", denials=(denial,), decide_again_at=again)


def _priority(decision: Decision) -> int:
    return decision.playbook.priority if decision.playbook is not None else 0


def _name(decision: Decision) -> str:
    return decision.playbook.name if decision.playbook is not None else "none"
