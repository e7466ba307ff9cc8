"""The one sentence that a person reads on the lock screen."""

from datetime import timedelta

from remediator.durations import format_duration
from remediator.escalation.policy import Page
from remediator.escalation.situation import AnswerLine, RunLine, Situation


def run_of(situation: Situation, why: Page) -> RunLine | None:
    """The run that the page is about, if it is about one."""
    return next((run for run in situation.runs if run.id == why.about), None)


def answer_of(situation: Situation, why: Page) -> AnswerLine | None:
    """The decision that the page is about, if it is about one."""
    verdict = "deny" if why.word == "refuse" else why.word
    return next(
        (one for one in situation.answers if (one.playbook or "") == why.about and one.verdict == verdict), None
    )


def age(situation: Situation) -> str:
    """How long ago its first alert came, to the second."""
    passed = max(situation.now - situation.opened_at, timedelta(0))
    return format_duration(timedelta(seconds=passed // timedelta(seconds=1)))


def headline(situation: Situation, why: Page) -> str:
    """What happened, for the summary of a page."""
    run, answer = run_of(situation, why), answer_of(situation, why)
    if run is not None:
        return _of_run(run, why)
    match why.word:
        case "notice":
            return "look at it; remediator cannot"
        case "refuse":
            return "remediator does nothing: " + ("; ".join(answer.reasons) if answer is not None else "it must not")
        case "propose":
            plan = "; ".join(answer.plan) if answer is not None else ""
            return f"nothing was done; proposed: {plan or 'see the plan'}"
        case "observe":
            return "only observed, nothing was done"
        case "no_playbook":
            return "no playbook matches, nothing was done"
        case _:
            return _unfixed(situation)


def _of_run(run: RunLine, why: Page) -> str:
    because = f": {run.reason}" if run.reason else ""
    match why.word:
        case "approve":
            until = f" until {run.expires_at:%H:%M:%S}Z" if run.expires_at else ""
            return f"{run.playbook} waits for your yes{until}: {'; '.join(run.plan) or 'see the plan'}"
        case "needs_person":
            again = f" (reminder {why.reminder})" if why.reminder else ""
            asked = run.question_text or run.reason or run.question
            return f"{run.playbook} stopped and needs your answer{again}: {asked}"
        case "refuted":
            return f"{run.playbook} was tried and did not work{because}"
        case "unknown":
            return f"{run.playbook} was tried; whether it worked is not known{because}"
        case _:
            return f"{run.playbook} ended {why.word}{because}"


def _unfixed(situation: Situation) -> str:
    old = age(situation)
    tried = [run for run in situation.runs if not run.reverses]
    if any(run.at_it and run.state != "needs_person" for run in tried):
        return f"not fixed {old} after the first alert; remediator is still at it"
    if tried and tried[-1].outcome == "verified":
        return f"still firing {old} after the first alert, although {tried[-1].playbook} was verified"
    held = [reason for answer in situation.answers if answer.verdict == "deny" for reason in answer.reasons]
    return f"not fixed {old} after the first alert" + (f": {'; '.join(held)}" if held else "")
