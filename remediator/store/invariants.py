"""What always holds of the rows of a store, as pure judgements: facts in, findings out. ``check`` reads the facts.

Every finding names rows by their ids and says what a person does about it. What a run or an alert may look like in the middle of its
work is no finding: all of this holds between any two transactions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from remediator.targets import Target

REPORT = "Keep a copy of the store and report it: this is a defect of remediator, or rows were changed by hand"
_HOLDING = frozenset({"running", "waiting", "needs_person"})
"""States in which a run may hold locks (S18)."""
_SETTLED = frozenset({"verified", "informed", "refuted", "overtaken"})
"""Outcomes with which no step may be left that was begun and not looked at (S15)."""
_BY_EVENT_ONLY = frozenset({"observe", "no_playbook"})
"""Verdicts after which an alert is decided again only by events (S5)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be."""

    rule: str
    """A fixed word."""
    rows: tuple[str, ...]
    """Ids of the rows that it is about."""
    text: str
    """What is wrong, one sentence."""
    remedy: str
    """What a person does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run's entry in the ledger."""

    mode: str
    playbook: str
    target: str
    outcome: str | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, and what stands in other tables about it."""

    id: str
    mode: str
    playbook: str
    target: str
    state: str
    outcome: str | None
    owner: str | None
    lease_until: datetime | None
    wake_at: datetime | None
    deadline_at: datetime
    ended_at: datetime | None
    looked: bool
    """A step was begun, also one that only looks."""
    changed: bool
    """It changed the world."""
    reverse: bool
    """It puts back what another run made for a time; its change is counted with that one."""
    asks: bool
    """A question to a person is stored."""
    locks: Sequence[str]
    entry: Entry | None
    requested: bool
    """There is an approval request."""
    unanswered: bool
    """... and nobody has closed it."""
    begun: Sequence[str]
    """Steps that the journal has as begun: nobody has looked since whether they happened."""


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """One episode that is not closed, and what stands elsewhere about it."""

    id: str
    latest: bool
    severity: str
    heartbeat: bool
    """It is the Watchdog: no problem, never decided (S30)."""
    decide_again_at: datetime | None
    incident_id: str | None
    incident_open: bool
    verdicts: frozenset[str]
    run_in_hand: bool
    told: bool
    """There is a message about its incident, sent or not."""


@dataclass(frozen=True, slots=True)
class IncidentFacts:
    """One open incident."""

    id: str
    look_again_at: datetime | None
    unclosed: int
    run_in_hand: bool


def of_run(run: RunFacts, now: datetime) -> Iterator[Finding]:
    """Claims, locks, ledger, requests and journal of one run agree with its state (S9, S15, S18, S19)."""
    yield from _claim(run)
    yield from _locks(run, now)
    yield from _ledger(run)
    yield from _waits(run)
    if run.state == "ended" and run.begun and run.outcome in _SETTLED:
        text = f"run {run.id} ended {run.outcome}, and nobody looked whether {', '.join(run.begun)} happened"
        yield Finding("step_left_begun", (run.id, *run.begun), text, f"Look at {run.target} by hand. {REPORT}")


def _claim(run: RunFacts) -> Iterator[Finding]:
    if (run.owner is None) != (run.lease_until is None):
        text = f"run {run.id} is {run.state} with owner {run.owner or 'nobody'} and " + (
            "no lease: nobody will take it over" if run.lease_until is None else "a lease of nobody"
        )
        remedy = "Restart remediator, which takes claims back (on SQLite). " + REPORT
        yield Finding("claim_without_lease", (run.id,), text, remedy)
    if run.state == "ended" and run.owner is not None:
        yield Finding("ended_run_claimed", (run.id,), f"run {run.id} has ended and is claimed by {run.owner}", REPORT)


def _locks(run: RunFacts, now: datetime) -> Iterator[Finding]:
    if run.locks and run.state not in _HOLDING:
        text = f"run {run.id} is {run.state} and holds {', '.join(run.locks)}: other runs wait for nothing"
        yield Finding("lock_without_a_run", (run.id, *run.locks), text, REPORT)
    elif run.locks and run.deadline_at < now:
        text = f"run {run.id} holds {', '.join(run.locks)} past its deadline {run.deadline_at:%Y-%m-%d %H:%M:%S}Z"
        if run.state == "needs_person":
            remedy = f"Somebody must answer it: remediator runs answer {run.id} --help"
        else:
            remedy = f"Is the service running? Else: remediator cancel {run.id} --reason '...'"
        yield Finding("lock_past_deadline", (run.id, *run.locks), text, remedy)
    if run.changed and run.state in _HOLDING and not run.locks:
        text = f"run {run.id} has changed {run.target}, is {run.state} and holds no lock: another run may interfere"
        yield Finding("change_without_lock", (run.id,), text, f"remediator pause --target {run.target}. {REPORT}")


def _ledger(run: RunFacts) -> Iterator[Finding]:
    """A run is counted while it is in hand, and for good if it began anything; a reverse is counted with its original (S9, S39)."""
    counted = not run.reverse and (run.state != "ended" or run.looked)
    if run.entry is None:
        if counted:
            text = f"run {run.id} of {run.playbook} on {run.target} is not in the ledger: its limits count too few"
            yield Finding("run_not_in_ledger", (run.id,), text, REPORT)
        return
    if not counted:
        text = f"the ledger counts run {run.id}, which began nothing: its limits count too many"
        yield Finding("ledger_counts_nothing", (run.id,), text, REPORT)
        return
    expected = Entry(
        run.mode, run.playbook, Target.parse(run.target).counted, run.outcome if run.state == "ended" else None
    )
    if run.entry != expected:
        text = f"the ledger has {run.entry} for run {run.id}, which is {expected}"
        yield Finding("ledger_differs", (run.id,), text, REPORT)


def _waits(run: RunFacts) -> Iterator[Finding]:
    """Something will move every run on: a time, a claim, or a person who is asked."""
    if run.state == "ended":
        if run.ended_at is None or run.outcome is None:
            text = f"run {run.id} has ended, and nobody wrote down when or how"
            yield Finding("ended_run_without_outcome", (run.id,), text, REPORT)
        if run.unanswered:
            text = f"run {run.id} has ended and its approval request is still open"
            yield Finding("request_without_a_run", (run.id,), text, REPORT)
        return
    if run.ended_at is not None:
        text = f"run {run.id} is {run.state} with an end in its row"
        yield Finding("run_in_hand_with_an_end", (run.id,), text, REPORT)
    if run.state == "needs_person":
        if not run.asks:
            text = f"run {run.id} needs a person and asks nothing"
            yield Finding("asks_nothing", (run.id,), text, f"remediator cancel {run.id} --reason '...'. {REPORT}")
        return
    if run.owner is None and run.wake_at is None:
        text = f"run {run.id} is {run.state} and nothing will ever wake it"
        yield Finding("run_never_wakes", (run.id,), text, f"remediator cancel {run.id} --reason '...'. {REPORT}")
    if run.state == "approval" and not run.requested:
        text = f"run {run.id} waits for approval and nobody was asked"
        yield Finding("run_without_request", (run.id,), text, f"remediator cancel {run.id} --reason '...'. {REPORT}")


def of_alert(alert: AlertFacts) -> Iterator[Finding]:
    """No alert is forgotten (S5), and the newest episode of an alert is the open one (S2)."""
    if not alert.latest:
        text = f"episode {alert.id} is open and not the newest of its alert"
        yield Finding("two_open_episodes", (alert.id,), text, REPORT)
    if alert.decide_again_at is not None or alert.heartbeat:
        return
    if alert.incident_id is not None and not alert.incident_open:
        text = f"episode {alert.id} is open, its incident {alert.incident_id} is closed, and nobody decides it again"
        yield Finding("alert_of_closed_incident", (alert.id, alert.incident_id), text, _DECIDE_AGAIN)
        return
    by_event = alert.severity == "none" or alert.verdicts & _BY_EVENT_ONLY
    if not (by_event or alert.run_in_hand or alert.told):
        text = f"episode {alert.id} is open: no run, no request, no page, and nobody decides it again"
        yield Finding("alert_forgotten", (alert.id, *_ids(alert.incident_id)), text, _DECIDE_AGAIN)


_DECIDE_AGAIN = f"Restart remediator, which decides every open alert again. {REPORT}"


def _ids(*of: str | None) -> tuple[str, ...]:
    return tuple(one for one in of if one is not None)


def of_incident(incident: IncidentFacts) -> Iterator[Finding]:
    """An open incident has something that can end it (S35)."""
    if incident.look_again_at is None and not incident.unclosed and not incident.run_in_hand:
        text = f"incident {incident.id} is open without an open alert or a run, and nobody judges it again"
        yield Finding("incident_never_closes", (incident.id,), text, REPORT)


def begun_again_without_a_look(events: Sequence[tuple[str, str]]) -> bool:
    """Of one run's story, (event, text) in order: was a step begun again without a look that said no, or an answer that proves that
    nothing was done (S15)?"""
    excused = True
    for event, text in events:
        if event == "step_begun":
            if not excused and "(attempt" in text:
                return True
            excused = False
        elif event == "step_failed" or (event == "step_looked_at" and "? no:" in text):
            excused = True
    return False
