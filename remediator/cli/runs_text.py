"""One run as text: where it stands, what it asks and how to answer, its plan and its steps."""

import shlex
from typing import Any

from remediator.cli.show import coloured, line, plain, when


def show_run(detail: dict[str, Any]) -> None:
    """A run as ``/api/v1/runs/{id}`` gives it."""
    run, approval = detail["run"], detail["approval"]
    outcome = f", {run['outcome']}" if run["outcome"] else ""
    line(("Run ", "bold"), (run["id"], "bold"), "  ", coloured(run["state"]), outcome)
    line(f"  {run['playbook']} on {run['target']}, mode {run['mode']}, incident {run['incident_id']}")
    line(f"  admitted {when(run['created_at'])}" + (f", ended {when(run['ended_at'])}" if run["ended_at"] else ""))
    if run["due_at"]:
        line(f"  due {when(run['due_at'])}; until then it holds nothing, and `remediator cancel` makes the change stay")
    if run["reason"]:
        line(f"  {run['reason']}")
    if run["cancel_at"] and run["state"] != "ended":
        line(f"  cancel asked {when(run['cancel_at'])} by {run['cancel_by']}")
    if approval is not None:
        _approval(run, approval)
    for step in detail["steps"]:
        line("  ", coloured(step["state"]), f" {step['direction']} {step['plan'].get('summary', step['action'])}")
        line(f"{when(step['first_begun_at'])}, attempt {step['attempts']}, {step['intent_id']}", indent=4)
        if step["error"]:
            line(step["error"], indent=4)
    if run["state"] == "needs_person" and run["question"]:
        _question(run, detail["accepted_answers"])


def show_plan(plan: dict[str, Any], indent: int) -> None:
    """Exact calls and changes."""
    for step in plan.get("steps", ()):
        line(f"{step['summary']} (a dry-run of it proves: {step['fidelity']})", indent=indent)
        for change in step["changes"]:
            line(f"change {change}", indent=indent + 2)
        for call in step["calls"]:
            line(f"call   {call}", indent=indent + 2)


def _approval(run: dict[str, Any], approval: dict[str, Any]) -> None:
    if approval["answer"] is not None:
        said = f"{approval['answer']} by {approval['answered_by']} {when(approval['answered_at'])}"
        line(f"  {said}" + (f": {approval['reason']}" if approval["reason"] else ""))
        return
    line(("  waits for a yes", "yellow"), f" until {when(approval['expires_at'])}, plan {approval['plan_hash']}")
    show_plan(approval["plan"], 4)
    name = shlex.quote(plain(run["id"]))
    line(f"remediator approve {name} --plan {shlex.quote(plain(approval['plan_hash']))} --reason ...", indent=4)
    line(f"remediator reject {name} --reason ...", indent=4)


def _question(run: dict[str, Any], accepted: list[str]) -> None:
    option = "--landed" if run["question"]["kind"] == "landed" else "--then"
    line(("  needs a person: ", "red"), run["question"]["text"])
    if run["answer"]:
        line(f"answered {run['answer']['said']} by {run['answer']['by']}, being taken up", indent=4)
        return
    line(f"remediator runs answer {shlex.quote(plain(run['id']))} {option} {'|'.join(accepted)} --reason ...", indent=4)
