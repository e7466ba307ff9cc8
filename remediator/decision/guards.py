"""The guards: one small function each, every one of which can deny. Only a full set of yes acts.

A guard sees the playbook and the facts and returns a denial or None. A fact that it needs and that is absent is a denial, never a
pass; a guard that raises is a denial of kind ``wait`` (S8). The lists at the end are what is asked, and when (S10).
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from remediator.alerts.severity import Severity
from remediator.decision import autonomy
from remediator.decision.facts import Denial, Facts, Kind, Used
from remediator.durations import format_duration
from remediator.playbooks.model import Autonomy, Playbook

Guard = Callable[[Playbook, Facts], Denial | None]

ENDED_BADLY = frozenset({"refuted", "unknown", "failed"})
"""Outcomes after which a cooldown is for a person to look at, not to wait out (S8)."""


def pause(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny while anything that covers this playbook or target is paused (S23)."""
    if not facts.pauses:
        return None
    standing = facts.pauses[0]
    return Denial("pause", "paused", "refuse", f"paused ({standing.scope}) by {standing.by}: {standing.reason}")


def playbook_present(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny when the playbook is no longer in the active set (S22)."""
    if facts.playbook_present:
        return None
    return Denial("playbook_present", "playbook_gone", "refuse", f"playbook {playbook.name} is not in the active set")


def still_firing(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny when the alert has closed."""
    if facts.episode.firing:
        return None
    return Denial("still_firing", "not_firing", "refuse", "the alert is not firing any more")


def confirmed(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny an old or doubtful alert that nothing has confirmed of late (S2, S10)."""
    seen = facts.episode.confirmed_at
    if seen is None:
        return Denial(
            "confirmed",
            "not_confirmed",
            "wait",
            "it may be a late copy: no fresh delivery, and Alertmanager was not reachable",
        )
    old = facts.now - facts.episode.first_received_at > playbook.guards.max_alert_age
    if not old or facts.now - seen <= facts.max_unconfirmed:
        return None
    age = format_duration(_whole_seconds(facts.now - facts.episode.first_received_at))
    return Denial(
        "confirmed", "not_confirmed", "wait", f"first delivered {age} ago, and not shown firing in the last 5m"
    )


def severity(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny an alert whose severity says that it must never be remediated (S4)."""
    if facts.episode.severity is not Severity.NONE:
        return None
    return Denial("severity", "severity_none", "refuse", "severity none is never remediated")


def target(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny unless exactly one existing target was found."""
    if facts.target_problem is not None:
        problem = facts.target_problem
        return Denial("target", problem.code, problem.kind, problem.text)
    if facts.target is None:
        return Denial("target", "target_undetermined", "refuse", "no target was determined")
    return None


def namespaces(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny outside the namespaces that settings allow."""
    if facts.namespace_allowed:
        return None
    if facts.target is None:
        # The kind of the target's own denial: a cluster that did not answer is waited for (S8).
        kind: Kind = "refuse" if facts.target_problem is None else facts.target_problem.kind
        return Denial("namespaces", "target_undetermined", kind, "without a target its namespace is not known")
    if facts.target.provider == "aws":
        at = facts.target
        text = f"{at.kind}/{at.short} is not in settings accounts.<name>.targets of account {at.account}"
        return Denial("namespaces", "target_not_allowed", "refuse", text)
    cluster, namespace = facts.target.place, facts.target.namespace
    if facts.target.kind == "node":
        text = f"settings clusters.{cluster}.nodes is not set: work on nodes moves pods of every namespace"
        return Denial("namespaces", "nodes_not_allowed", "refuse", text)
    text = f"namespace {namespace} is not in settings clusters.{cluster}.namespaces"
    return Denial("namespaces", "namespace_not_allowed", "refuse", text, values={"namespace": namespace})


def own_ground(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny what remediator itself stands on; no playbook can lift it (S12)."""
    if facts.own_ground is None:
        return None
    return Denial("own_ground", "own_ground", "refuse", f"remediator stands on {facts.own_ground}")


def said_no(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny what a person cancelled or rejected: an alert that goes on firing is no reason to begin it again (S18)."""
    if facts.said_no is None:
        return None
    text = f"{facts.said_no}; that stands until the incident is over or the playbook is changed"
    return Denial("said_no", "said_no", "refuse", text)


def start_hold(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny acting by itself for a while after a first live start, a restore or a long outage (S10)."""
    until = facts.start_hold_until
    if until is None or facts.now >= until or autonomy.in_force(playbook, facts).level is not Autonomy.ACT:
        return None
    return Denial("start_hold", "start_hold", "wait", f"only watching until {until:%H:%M:%S}Z after the start", until)


def cooldown(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny while the last change of the target, by any playbook, is younger than the cooldown (S9)."""
    if facts.ledger is None:
        return _not_asked("cooldown", "what was changed before", facts)
    last = facts.ledger.last_change
    if last is None or facts.now >= (free_at := last.at + playbook.guards.cooldown):
        return None
    ended = f", which ended {last.outcome}" if last.outcome else ""
    span = format_duration(playbook.guards.cooldown)
    did = "looked at" if last.only_looked else "changed"
    text = f"last {did} {last.at:%H:%M:%S}Z by {last.playbook}{ended}; cooldown {span}, free at {free_at:%H:%M:%S}Z"
    kind: Kind = "refuse" if last.outcome in ENDED_BADLY else "wait"
    return Denial(
        "cooldown", "cooldown", kind, text, free_at, {"last_changed_at": last.at.isoformat(), "by": last.playbook}
    )


def budget(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny when this playbook has used up its runs on this target (S9)."""
    if facts.ledger is None:
        return _not_asked("budget", "what was changed before", facts)
    allowed = playbook.guards.budget
    what = f"{playbook.name} on this target"
    return _limit("budget", what, facts.ledger.runs_on_target, allowed.runs, allowed.per, facts.now)


def totals(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny when the totals over a playbook or over everything are used up (S9)."""
    if facts.ledger is None:
        return _not_asked("totals", "what was changed before", facts)
    limits, used, now = facts.limits, facts.ledger, facts.now
    of_playbook = _limit("totals", playbook.name, used.of_playbook, limits.total_per_playbook, limits.per, now)
    return of_playbook or _limit("totals", "all playbooks", used.of_everything, limits.total, limits.per, now)


def one_run(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny while another run has the target, or something that contains it (S17)."""
    if facts.busy is None:
        return _not_asked("one_run", "whether another run has it", facts)
    if not facts.busy:
        return None
    return Denial(
        "one_run", "target_busy", "wait", f"the target is busy: {facts.busy[0]}", values={"busy": list(facts.busy)}
    )


def facts_present(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny while a fact could not be had: not knowing is not a yes."""
    if not facts.missing:
        return None
    first = facts.missing[0]
    return Denial("facts_present", first.code, "wait", first.text, values={"missing": [p.text for p in facts.missing]})


def permissions(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny what the API server would refuse half-way. A playbook that may only propose needs no right to write."""
    acts = autonomy.in_force(playbook, facts).level.rank >= Autonomy.APPROVE.rank
    lacking = [one.text for one in facts.lacking if acts or not one.writes]
    if not lacking:
        return None
    return Denial("permissions", "permission_missing", "refuse", "; ".join(lacking), values={"lacking": lacking})


def remedy(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny unless a remedy applies for certain and its actions can be planned (S7)."""
    found = facts.remedy
    if found is None:
        return _not_asked("remedy", "whether a remedy applies", facts)
    values = {"asked": [f"{a.remedy}: {a.condition} = {a.answer} ({a.seen})" for a in found.asked]}
    if found.unknown is not None:
        text = f"whether remedy {found.unknown} applies is unknown, and nothing blunter is taken in its place"
        return Denial("remedy", "no_remedy_known", "wait", text, values=values)
    if found.chosen is None:
        return Denial("remedy", "no_remedy", "refuse", "no remedy applies", values=values)
    if found.refused is not None:
        return Denial("remedy", found.refused.code, found.refused.kind, found.refused.text, values=values)
    if not found.plans:
        return _missing("remedy", "the plan")
    return None


def owners(playbook: Playbook, facts: Facts) -> Denial | None:
    """Deny a lasting change of what somebody else keeps in shape, unless the playbook accepts the drift (S13)."""
    plans = () if facts.remedy is None else facts.remedy.plans
    found = sorted({owner for plan in plans for owner in plan.owners})
    if not found or playbook.guards.drift == "accept":
        return None
    text = (
        f"{', '.join(found)} keeps this in shape and would put it back: make the change there, "
        "or let the playbook say guards: {drift: accept}"
    )
    return Denial("owners", "owned", "refuse", text, values={"owners": found})


ONCE: tuple[Guard, ...] = (cooldown, budget, totals)
"""Asked for the decision and at the run's first apply; what the run itself does later never counts against it (S10)."""
ALWAYS: tuple[Guard, ...] = (
    pause,
    playbook_present,
    severity,
    still_firing,
    confirmed,
    target,
    namespaces,
    own_ground,
    one_run,
    facts_present,
    permissions,
    remedy,
    owners,
)
"""Asked before every apply and every next remedy (S10)."""
TO_ADMIT: tuple[Guard, ...] = (*ALWAYS, said_no, start_hold, *ONCE)
"""Asked for a decision."""
TO_UNDO: tuple[Guard, ...] = (pause, own_ground)
"""Asked before an undo, beside lease, uid and fields, which the action compares itself (S10, S25)."""


def denials(guards: Sequence[Guard], playbook: Playbook, facts: Facts) -> tuple[Denial, ...]:
    """Ask every guard, also after one has said no, so that people see every reason at once."""
    found: list[Denial] = []
    for guard in guards:
        name = getattr(guard, "__name__", "guard")
        try:
            denial = guard(playbook, facts)
        except Exception as error:  # a guard that cannot judge must not let anything pass (S8)
            denial = Denial(name, "guard_failed", "wait", f"guard {name} failed: {type(error).__name__}: {error}")
        if denial is not None:
            found.append(denial)
    return tuple(found)


def _limit(guard: str, what: str, used: Used, allowed: int, per: timedelta, now: datetime) -> Denial | None:
    if used.runs < allowed:
        return None
    free_at = used.free_at or now + per
    text = f"{used.runs} of {allowed} runs of {what} in {format_duration(per)} are used; free at {free_at:%H:%M:%S}Z"
    return Denial(guard, f"{guard}_used", "refuse", text, free_at, {"runs": used.runs, "allowed": allowed})


def _missing(guard: str, what: str) -> Denial:
    return Denial(guard, "facts_missing", "wait", f"{what} could not be read")


def _not_asked(guard: str, what: str, facts: Facts) -> Denial:
    """Of no target nothing is read: that must not look like a second failure beside the one that left it unknown."""
    if facts.target is not None:
        return _missing(guard, what)
    return Denial(guard, "facts_missing", "wait", f"without a target, {what} is not known")


def _whole_seconds(span: timedelta) -> timedelta:
    return timedelta(seconds=int(span.total_seconds()))
