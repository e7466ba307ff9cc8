"""From an incident's rows to what a page says of it (``escalation.situation``)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from remediator.alerts.severity import Severity
from remediator.escalation.situation import AlertLine, AnswerLine, RunLine, Situation, StepLine
from remediator.playbooks.model import Playbook
from remediator.store.incidents import Story
from remediator.store.journal import StepRow
from remediator.store.runs import RunRow


def situation(
    story: Story, *, now: datetime, external_url: str, playbook_named: Callable[[str], Playbook | None]
) -> Situation:
    """Everything that a page may say of this incident."""
    incident = story.incident
    return Situation(
        now=now,
        incident_id=incident.id,
        title=incident.title,
        target=incident.target,
        mode=incident.mode,
        severity=Severity(incident.severity),
        opened_at=incident.opened_at,
        recurrences=incident.recurrences,
        alerts=tuple(
            AlertLine(
                name=episode.alertname,
                severity=episode.severity,
                firing=episode.state != "closed",
                since=episode.first_received_at,
                labels=episode.labels,
                annotations=episode.annotations,
                generator_url=episode.generator_url,
                external_url=episode.external_url,
            )
            for episode in story.episodes
        ),
        total=story.alerts,
        firing=story.firing,
        answers=_answers(story),
        runs=tuple(_run(run, story) for run in story.runs),
        events=tuple((event["at"], event["text"]) for event in story.timeline),
        runbooks=_runbooks(story, playbook_named),
        external_url=external_url,
    )


def _answers(story: Story) -> tuple[AnswerLine, ...]:
    still = {episode.id for episode in story.episodes if episode.state != "closed"}
    lines = [_answer(row) for row in story.decisions if row["episode_id"] in still]
    return tuple(dict.fromkeys(lines))


def _answer(row: Mapping[str, Any]) -> AnswerLine:
    notes = [reason["text"] for reason in row["reasons"] if reason["code"] == "note"]
    denials = [_denial(reason) for reason in row["reasons"] if reason["code"] != "note"]
    notes += [f"asked: {asked}" for reason in row["reasons"] for asked in _asked(reason)]
    return AnswerLine(row["playbook"], row["verdict"], row["kind"], tuple(denials), tuple(notes), _plan(row["plan"]))


def _denial(reason: Mapping[str, Any]) -> str:
    earliest = reason.get("earliest")
    until = f" (until {datetime.fromisoformat(earliest):%H:%M:%S}Z at least)" if earliest else ""
    return f"{reason['text']}{until}"


def _asked(reason: Mapping[str, Any]) -> Sequence[str]:
    """What was seen where no remedy applies: what hinders a remedy is often what a person has to see to."""
    if reason["code"] not in ("no_remedy", "no_remedy_known"):
        return ()
    asked: Sequence[str] = (reason.get("values") or {}).get("asked") or ()
    return asked


def _plan(plan: Mapping[str, Any] | None) -> tuple[str, ...]:
    if plan is None:
        return ()
    return tuple(
        f"{step['action']}: {step['summary']}" + (f" [{', '.join(step['changes'])}]" if step.get("changes") else "")
        for step in plan.get("steps", ())
    )


def _run(run: RunRow, story: Story) -> RunLine:
    request = story.approvals.get(run.id)
    waits = request is not None and request["answer"] is None and run.state == "approval"
    question = run.question or {}
    return RunLine(
        id=run.id,
        playbook=run.playbook,
        state=run.state,
        outcome=run.outcome,
        reason=run.reason,
        reverses=run.cursor.get("reverses") is not None,
        created_at=run.created_at,
        ended_at=run.ended_at,
        steps=tuple(_step(step) for step in story.steps.get(run.id, ())),
        question=question.get("kind"),
        question_text=question.get("text", ""),
        plan_hash=request["plan_hash"] if request is not None and waits else None,
        expires_at=request["expires_at"] if request is not None and waits else None,
        plan=_plan(request["plan"]) if request is not None and waits else (),
    )


def _step(step: StepRow) -> StepLine:
    summary = str(step.plan.get("summary", ""))
    return StepLine(step.begun_at, step.action, step.direction, summary, step.state, step.ended_at, step.error)


def _runbooks(story: Story, playbook_named: Callable[[str], Playbook | None]) -> tuple[str, ...]:
    names = dict.fromkeys([run.playbook for run in story.runs] + [row["playbook"] for row in story.decisions])
    found = [playbook_named(name) for name in names if name is not None]
    return tuple(dict.fromkeys(one.metadata.runbook for one in found if one is not None and one.metadata.runbook))
