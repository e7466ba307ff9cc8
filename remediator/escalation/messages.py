"""The words of a page: what fired, what was tried and seen, what state things are in, what to do next (for a tired reader).

The important parts come first and are the last to be left out. The result is what ``channels.pagerduty`` sends as the event's
``payload`` and ``links``; every text in it has been made safe and short enough (``safe_text``).
"""

from datetime import datetime
from typing import Any

from remediator.alerts.severity import PAGERDUTY_WORDS, Severity
from remediator.escalation.headline import age, headline
from remediator.escalation.next_steps import next_steps
from remediator.escalation.policy import Page
from remediator.escalation.safe_text import clean, fit, web_link
from remediator.escalation.situation import AlertLine, AnswerLine, RunLine, Situation

SUMMARY_LIMIT = 1024
"""PagerDuty's, in characters."""
DETAILS_LIMIT = 400_000
"""Bytes; PagerDuty takes 512 KB for the whole event, and the rest of ours has less than 100 KB."""

_ALERTS = 20
_LABELS = 30
_EVENTS = 40
_RUNS = 20
_LINKS = 20
_LEAST_FIRST = ("seen", "decided", "fired", "tried", "do_next")


def page(situation: Situation, why: Page) -> dict[str, Any]:
    """The message that tells people about an incident now."""
    told = clean(situation.title, 400)
    place = f" [{clean(situation.target, 300)}]" if situation.target else ""
    details = {
        "state": _state(situation),
        "do_next": [clean(step, 1_500) for step in next_steps(situation, why)],
        "tried": [line for run in situation.runs[-_RUNS:] for line in _tried(run)] or ["nothing was tried"],
        "fired": [_alert(alert) for alert in situation.alerts[:_ALERTS]] + _more(situation),
        "decided": [clean(_answer(answer), 2_000) for answer in situation.answers],
        "seen": [f"{at:%H:%M:%S}Z {clean(text, 500)}" for at, text in situation.events[-_EVENTS:]],
        "cause": why.cause,
        "policy": why.policy,
        "incident": situation.incident_id,
        "mode": situation.mode,
    }
    return {
        "summary": clean(f"{told}{place}: {headline(situation, why)}", SUMMARY_LIMIT),
        "source": clean(situation.target or "remediator", 255),
        "severity": PAGERDUTY_WORDS[situation.severity],
        "component": clean(situation.target.rpartition("/")[2], 255) if situation.target else None,
        "class": clean(situation.alerts[0].name, 255) if situation.alerts else None,
        "timestamp": situation.now.isoformat(timespec="milliseconds"),
        "custom_details": fit(details, _LEAST_FIRST, DETAILS_LIMIT),
        "links": _links(situation),
    }


def bare(incident_id: str, severity: Severity, why: Page, at: datetime) -> dict[str, Any]:
    """The message when ``page`` cannot be composed: nothing in it comes from outside."""
    return {
        "summary": f"remediator incident {incident_id} needs you: {why.word}; the details could not be put into words",
        "source": "remediator",
        "severity": PAGERDUTY_WORDS[severity],
        "timestamp": at.isoformat(timespec="milliseconds"),
        "custom_details": {"cause": why.cause, "policy": why.policy, "incident": incident_id},
        "links": [],
    }


def all_clear(incident_id: str, why: str, at: datetime) -> dict[str, Any]:
    """Kept with a resolve. PagerDuty takes no text with it; the timeline and the API show it."""
    return {
        "summary": clean(f"{incident_id}: {why}", SUMMARY_LIMIT),
        "timestamp": at.isoformat(timespec="milliseconds"),
    }


def _state(situation: Situation) -> list[str]:
    lines = []
    if situation.mode != "live":
        lines.append(f"mode {situation.mode}: nothing is changed and nobody is told")
    if situation.total:
        lines.append(f"{situation.firing} of {situation.total} alerts open, the first came {age(situation)} ago")
    if situation.recurrences:
        lines.append(f"came back {situation.recurrences} times after it was over: what was done did not last")
    lines += [
        clean(f"run {run.id} of {run.playbook} is in state {run.state}: {run.reason or 'under way'}", 800)
        for run in situation.runs
        if run.state != "ended"
    ]
    if not any(run.at_it for run in situation.runs):
        lines.append("no run is under way; remediator holds nothing on the target")
    return lines


def _tried(run: RunLine) -> list[str]:
    began = f"{run.created_at:%H:%M:%S}Z {run.playbook} ({run.id})"
    ended = f"{run.outcome or run.state}" + (f" at {run.ended_at:%H:%M:%S}Z" if run.ended_at else "")
    lines = [clean(f"{began}: {ended}: {run.reason or ''}".rstrip(": "), 1_000)]
    for step in run.steps:
        verb = "undo: " if step.direction == "undo" else ""
        end = f" at {step.ended_at:%H:%M:%S}Z" if step.ended_at else ""
        error = f": {step.error}" if step.error else ""
        lines.append(clean(f"{step.at:%H:%M:%S}Z {verb}{step.action}: {step.summary}: {step.state}{end}{error}", 1_000))
    return lines


def _alert(alert: AlertLine) -> dict[str, Any]:
    shown = {clean(name, 128): clean(value, 256) for name, value in sorted(alert.labels.items())[:_LABELS]}
    if len(alert.labels) > _LABELS:
        shown["..."] = f"{len(alert.labels) - _LABELS} more labels"
    said = {
        name: clean(alert.annotations[name], 500) for name in ("summary", "description") if name in alert.annotations
    }
    state = "firing" if alert.firing else "closed"
    return {
        "alert": clean(alert.name, 255),
        "state": f"{state}, first delivered {alert.since:%H:%M:%S}Z",
        "labels": shown,
    } | said


def _more(situation: Situation) -> list[str]:
    left = situation.total - len(situation.alerts[:_ALERTS])
    return [f"{left} more alerts"] if left > 0 else []


def _answer(answer: AnswerLine) -> str:
    kind = f" ({answer.kind})" if answer.kind else ""
    because = "; ".join((*answer.reasons, *answer.notes))
    return f"{answer.playbook or 'no playbook'}: {answer.verdict}{kind}" + (f": {because}" if because else "")


def _links(situation: Situation) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    if situation.external_url:
        found[f"{situation.external_url.rstrip('/')}/api/v1/incidents/{situation.incident_id}"] = (
            "Incident in remediator"
        )
    for runbook in situation.runbooks:
        found.setdefault(runbook, "Runbook of the playbook")
    for alert in situation.alerts:
        name = clean(alert.name, 100) or "alert"
        found.setdefault(alert.annotations.get("runbook_url", ""), f"Runbook of {name}")
        found.setdefault(alert.generator_url, f"Expression of {name}")
        found.setdefault(alert.external_url, "Alertmanager")
    safe = [{"href": link, "text": text} for href, text in found.items() if (link := web_link(href)) is not None]
    return safe[:_LINKS]
