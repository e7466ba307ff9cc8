"""An explanation as text."""

from typing import Any

from remediator.cli.runs_text import show_plan
from remediator.cli.show import coloured, line, when


def show_explanation(found: dict[str, Any], *, every: bool) -> None:
    """As ``/api/v1/explain`` gives it. ``every``: also what playbooks that do not match say."""
    for number, alert in enumerate(found["alerts"]):
        if number:
            line()
        _alert(alert, every)
    for rejected in found["rejected"]:
        line(("cannot be understood, would be a dead letter: ", "red"), rejected)
    if found["left_out"]:
        line(f"{found['left_out']} more alerts are not explained")


def _alert(alert: dict[str, Any], every: bool) -> None:
    firing = "firing" if alert["firing"] else "resolved"
    name = alert["alertname"] or "an alert without alertname"
    line(
        (name, "bold"),
        f", {firing}, severity ",
        coloured(alert["severity"]),
        f", source {alert['source']}, mode {alert['mode']}",
    )
    if alert["episode_id"]:
        under_way = f", run {alert['run_id']} is under way" if alert["run_id"] else ""
        line(f"  known: {alert['episode_id']}{under_way}")
    for verdict in alert["verdicts"]:
        line(("  => ", "bold"), (verdict, "bold"))
    silent = 0
    for playbook in alert["playbooks"]:
        if playbook["matches"]:
            _playbook(playbook)
        elif every:
            _no_match(playbook)
        else:
            silent += 1
    if silent:
        line(f"  {silent} other playbook{'s do' if silent > 1 else ' does'} not match (--all says why)")


def _playbook(one: dict[str, Any]) -> None:
    line()
    line("  ", (one["playbook"], "bold"), f" matches, priority {one['priority']}")
    for matched in one["match"]:
        if matched["holds"]:
            line(f"by      {', '.join(matched['matchers'])}", indent=4)
    line("target  ", one["target"] or (f"none: {one['target_problem']}", "red"), indent=4)
    line(f"level   {one['autonomy']['level']}, held by {one['autonomy']['held_by']}", indent=4)
    for asked in one["when"]:
        line(
            f"when    {asked['remedy']}: {asked['condition']}: ",
            coloured(asked["answer"]),
            f" ({asked['seen']})",
            indent=4,
        )
    if one["remedy"]:
        line(f"remedy  {one['remedy']}", indent=4)
    if one["plan"]:
        line(f"plan    {one['plan']['hash']}", indent=4)
        show_plan(one["plan"], 12)
    for guard in one["guards"]:
        _guard(guard)
    for facts in one["not_asked"]:
        line(("not asked  ", "yellow"), facts, indent=4)


def _guard(guard: dict[str, Any]) -> None:
    name = f"{guard['guard']:<17}"
    if guard["passes"]:
        line("guard   ", name, coloured("yes"), indent=4)
        return
    free = f", earliest {when(guard['earliest'])}" if guard["earliest"] else ""
    line("guard   ", name, coloured("no"), f"  {guard['kind']}: {guard['text']}{free}", indent=4)


def _no_match(one: dict[str, Any]) -> None:
    line(f"  {one['playbook']} does not match", f": {one['why_not']}" if one["why_not"] else "")
    for matched in one["match"]:
        for no in matched["said_no"]:
            line(no, indent=4)
