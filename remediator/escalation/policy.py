"""When a person is told, and when it is over (S31, S35): an incident's facts in, one judgement out.

``judge`` gathers every cause that stands, each with the instant at which it becomes due, and pages the most important one that is
due and was not told. What a playbook's ``escalate:`` leaves out waits for ``unfixed``; nothing makes an unfixed incident silent.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from remediator import settings
from remediator.escalation import levels
from remediator.escalation.facts import IncidentFacts, RunFacts
from remediator.playbooks.rules import Escalation

Rules = Mapping[str, Sequence[Escalation]]
"""``escalate:`` of the playbooks concerned, by name."""

FAILED = frozenset({"refuted", "unknown", "failed", "cancelled", "needs_person"})
"""What the word ``failed`` stands for (S39)."""
NOTICE_LASTS = timedelta(hours=1)
"""A notice has no alert that could close: its incident gives way to the next hour's, and what it told stays (S31)."""
_DEFAULT_PAGE_AFTER = timedelta(minutes=15)

_APPROVE = "approve"
_UNFIXED = "unfixed"


@dataclass(frozen=True, slots=True)
class Page:
    """A person is to be told."""

    word: str
    """refuse, propose, approve, observe, no_playbook, needs_person, unfixed, notice, or a run's outcome."""
    cause: str
    """The word with what it is about: one message per key and cause, however often it is judged."""
    policy: str
    """Name of the policy in settings."""
    since: datetime
    """Since when it was due."""
    about: str = ""
    """The run or the playbook that it is about; empty when it is about the incident as a whole."""
    reminder: int = 0
    """How often it is repeated by now (S19)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do now, and when to look again (None: only at an event)."""

    page: Page | None
    resolve: bool
    close: bool
    look_again_at: datetime | None
    why: str
    verified_at: datetime | None = None
    """End of the run that fixed it, while nothing else has ended since."""


@dataclass(frozen=True, slots=True)
class _Cause:
    word: str
    about: str
    policy: str
    due_at: datetime
    reminder: int = 0
    even_if_told: bool = False
    """Worth a message of its own while the incident is already triggered: it says something that a person must act on."""

    @property
    def name(self) -> str:
        name = f"{self.word}:{self.about}" if self.about else self.word
        return f"{name}#{self.reminder}" if self.reminder else name


def judge(facts: IncidentFacts, rules: Rules, escalation: settings.Escalation) -> Judgement:
    """Judge one open incident."""
    key = levels.dedup_key(facts.incident_id, facts.recurrences)
    triggered = levels.triggered(facts.told)
    if _is_over(facts):
        return Judgement(None, bool(triggered), True, None, "its alerts are closed and no run is active")
    notice_ends_at = facts.opened_at + NOTICE_LASTS
    if not facts.had_alerts and facts.now >= notice_ends_at:
        return Judgement(None, False, True, None, "an hour has passed; a later one is told anew")
    ended = [run for run in facts.runs if run.ended and not run.withdrawn]
    last = max(ended, key=lambda run: run.since, default=None)
    verified_at = last.since if last is not None and last.outcome == "verified" else None
    causes = tuple(_causes(facts, rules, escalation, last, verified_at))
    suffix = f"+{count}" if (count := levels.resolves(facts.told, key)) else ""
    told = {message.cause for message in facts.told if message.dedup_key == key and message.action == "trigger"}
    fresh = [
        cause for cause in causes if cause.name + suffix not in told and (cause.even_if_told or key not in triggered)
    ]
    due = [cause for cause in fresh if cause.due_at <= facts.now]
    later = [cause.due_at for cause in fresh if cause.due_at > facts.now]
    later += [reminder for run in facts.runs if (reminder := _next_reminder(run, facts, escalation)) is not None]
    if not facts.had_alerts:
        later.append(notice_ends_at)
    if len(due) > 1:
        later.append(facts.now)
    if due:
        first = due[0]
        page = Page(first.word, first.name + suffix, first.policy, first.due_at, first.about, first.reminder)
        return Judgement(
            page, False, False, min(later, default=None), f"{first.name} since {first.due_at:%H:%M:%S}Z", verified_at
        )
    standing = any(cause.due_at <= facts.now for cause in causes)
    requests_only = all(cause.startswith(f"{_APPROVE}:") for cause in levels.holding(facts.told, key))
    if key in triggered and requests_only and not standing:
        # The page was a request and nothing but a request, and nobody need answer it any more (S34).
        return Judgement(None, True, False, min([*later, facts.now]), "the request no longer stands", verified_at)
    return Judgement(None, False, False, min(later, default=None), "nothing to tell now", verified_at)


def _is_over(facts: IncidentFacts) -> bool:
    """All its alerts closed, no run active. A request that nobody answered holds nothing open: it is being withdrawn."""
    active = any(not run.ended and not run.asks_approval for run in facts.runs)
    return facts.had_alerts and not facts.unclosed and not active


def _causes(
    facts: IncidentFacts,
    rules: Rules,
    escalation: settings.Escalation,
    last: RunFacts | None,
    verified_at: datetime | None,
) -> Iterator[_Cause]:
    """Every cause that stands, the most important first."""
    if facts.severity.told_as.value not in escalation.pages:
        return
    if not facts.had_alerts:
        yield _cause("notice", "", None, facts.opened_at, facts, rules, escalation)
        return
    busy = any(run.under_way for run in facts.runs)
    for run in facts.runs:
        if run.state == "needs_person" and not busy:
            reminders = (facts.now - run.since) // escalation.remind
            asked = _cause("needs_person", run.id, run.playbook, run.since, facts, rules, escalation, even_if_told=True)
            yield replace(asked, reminder=reminders)
    for run in facts.runs:
        if run.asks_approval:
            yield _cause(_APPROVE, run.id, run.playbook, run.since, facts, rules, escalation, even_if_told=True)
    for run in facts.runs:
        watching = not run.ended and run.outcome == "unknown" and run.state != "needs_person"
        word = run.outcome or ""
        if (run is last or watching) and not busy and _at_once(word, run.playbook, rules):
            yield _cause(word, run.id, run.playbook, run.since, facts, rules, escalation, even_if_told=True)
    if not busy:
        yield from _from_answers(facts, rules, escalation, verified_at)
    if any(severity.told_as.value in escalation.pages for severity in facts.firing):
        yield _unfixed(facts, rules, escalation, verified_at)


def _from_answers(
    facts: IncidentFacts, rules: Rules, escalation: settings.Escalation, verified_at: datetime | None
) -> Iterator[_Cause]:
    words = {"deny": "refuse", "propose": "propose", "observe": "observe", "no_playbook": "no_playbook"}
    for answer in facts.answers:
        word = words.get(answer.verdict)
        if word is None or answer.severity.told_as.value not in escalation.pages:
            continue
        if word == "refuse":
            settling = verified_at is not None and answer.beside_wait
            if answer.kind != "refuse" or settling or not _at_once(word, answer.playbook, rules):
                continue
        plan = word == "propose"
        about = answer.playbook or ""
        yield _cause(word, about, answer.playbook, answer.since, facts, rules, escalation, even_if_told=plan)


def _unfixed(
    facts: IncidentFacts, rules: Rules, escalation: settings.Escalation, verified_at: datetime | None
) -> _Cause:
    """Not verified ``page_after`` its first alert; after a verified run, not closed ``close_within`` its end."""
    severity = facts.severity.told_as.value
    default = next((after for name, after in escalation.page_after.items() if name == severity), _DEFAULT_PAGE_AFTER)
    concerned = {answer.playbook for answer in facts.answers} | {run.playbook for run in facts.runs}
    said = [
        (default if rule.after is None else rule.after, rule.policy)
        for name in sorted(name for name in concerned if name is not None)
        for rule in rules.get(name, ())
        if _UNFIXED in rule.words
    ]
    after, policy = min(said, default=(default, severity))
    due_at = facts.opened_at + after if verified_at is None else verified_at + escalation.close_within
    return _Cause(_UNFIXED, "", policy, due_at + _level_after(policy, escalation))


def _cause(
    word: str,
    about: str,
    playbook: str | None,
    at: datetime,
    facts: IncidentFacts,
    rules: Rules,
    escalation: settings.Escalation,
    *,
    even_if_told: bool = False,
) -> _Cause:
    rule = _rule(word, rules.get(playbook or "", ()))
    policy = facts.severity.told_as.value if rule is None else rule.policy
    after = timedelta(0) if rule is None or rule.after is None else rule.after
    return _Cause(word, about, policy, at + after + _level_after(policy, escalation), even_if_told=even_if_told)


def _at_once(word: str, playbook: str | None, rules: Rules) -> bool:
    """Does this ending or refusal page by itself? Without ``escalate:`` the failures do; with it, what it lists does."""
    own = rules.get(playbook or "", ())
    if not own:
        return word in FAILED or word == "refuse"
    return _rule(word, own) is not None


def _rule(word: str, own: Sequence[Escalation]) -> Escalation | None:
    """The rule that names the word, before one that means it by ``failed``."""
    named = [rule for rule in own if word in rule.words]
    meant = [rule for rule in own if word in FAILED and "failed" in rule.words]
    return next(iter([*named, *meant]), None)


def _level_after(policy: str, escalation: settings.Escalation) -> timedelta:
    return escalation.policies.get(policy, settings.Policy()).levels[0].after


def _next_reminder(run: RunFacts, facts: IncidentFacts, escalation: settings.Escalation) -> datetime | None:
    if run.state != "needs_person" or facts.severity.told_as.value not in escalation.pages:
        return None
    return run.since + ((facts.now - run.since) // escalation.remind + 1) * escalation.remind
