"""What the person who was paged can do next, the exact command first."""

from collections.abc import Iterator

from remediator.escalation.headline import answer_of, run_of
from remediator.escalation.policy import FAILED, Page
from remediator.escalation.situation import AnswerLine, RunLine, Situation

CHOICES = {
    "landed": "--landed yes|no|unknown",
    "paused": "--then continue|undo|abandon",
    "undo_failed": "--then continue|abandon",
}
"""How each question of ``runs.cursor.Question`` is answered on the command line."""


def next_steps(situation: Situation, why: Page) -> list[str]:
    """Never empty; what the page is about comes first."""
    steps: list[str] = []
    about = run_of(situation, why)
    for run in sorted(situation.runs, key=lambda run: run is not about):
        steps += _of_run(run)
    chosen = answer_of(situation, why)
    for answer in sorted(situation.answers, key=lambda one: one is not chosen):
        steps += _of_answer(answer)
    if why.word == "notice":
        steps.append(
            "remediator could not read what it was sent: look at the sender, and keep an eye on Alertmanager itself"
        )
    if why.word == "informed":
        steps.append(f"Nothing was changed; read what was seen: remediator incidents {situation.incident_id}")
    if not steps and any(run.at_it for run in situation.runs):
        steps.append("A run is under way: watch it before you change the same thing")
    asks = any(run.plan_hash is not None or run.state == "needs_person" for run in situation.runs)
    if why.word in FAILED and not asks:
        steps.insert(0, _take_over(situation))
    if not steps:
        steps.append("Take over: follow the runbook; nothing of remediator's stands in the way")
    return list(dict.fromkeys(steps))


def _take_over(situation: Situation) -> str:
    """After the cooldown the playbook may try again: whoever works on the target pauses it first."""
    said = "Take over: follow the runbook (links)"
    if situation.target is None:
        return said
    return f'{said}; so that nothing is tried beside you: remediator pause --target {situation.target} --reason "..."'


def _of_run(run: RunLine) -> Iterator[str]:
    if run.plan_hash is not None:
        until = f" (until {run.expires_at:%H:%M:%S}Z)" if run.expires_at else ""
        yield f'Approve{until}: remediator approve {run.id} --plan {run.plan_hash} --reason "..."'
        yield f'Reject: remediator reject {run.id} --reason "..."'
        yield from (f"It would do: {line}" for line in run.plan)
    if run.state == "needs_person":
        how = CHOICES.get(run.question or "", CHOICES["landed"])
        yield f'Find out, then: remediator runs answer {run.id} {how} --reason "..."'
        yield f"It asks: {run.question_text or run.reason or run.question}"
    if run.state == "ended" and run.outcome in ("refuted", "unknown", "failed", "cancelled"):
        left = [step for step in run.steps if step.state in ("done", "unsettled")]
        undone = {step.summary for step in left if step.direction == "undo"}
        for step in left:
            if step.direction == "apply":
                yield f"Left behind by {run.id}: {step.action}: {step.summary} ({step.state})" + (
                    "; undone since" if undone else ""
                )


def _of_answer(answer: AnswerLine) -> Iterator[str]:
    name = answer.playbook
    if answer.verdict in ("propose", "observe", "approve"):
        yield from (f"Proposed by {name}: {line}" for line in answer.plan)
        # The decision's own note says what holds it (S14): the file, settings or the ladder.
        yield from (note for note in answer.notes if note.startswith("held at"))
    if answer.verdict == "deny":
        yield from (
            f"{name} waits for: {reason}" if answer.kind == "wait" else f"{name} must not: {reason}"
            for reason in answer.reasons
        )
    if answer.verdict == "no_playbook":
        yield "No playbook matches: follow the alert's runbook"
