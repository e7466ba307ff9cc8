"""``remediator incidents``: what went wrong, and everything that was done and told."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from remediator.cli.options import DEFAULT_URL, LimitOption, Output, OutputOption, TokenFileOption, UrlOption
from remediator.cli.runs_text import show_run
from remediator.cli.service import Service, path_of
from remediator.cli.show import as_json, coloured, heading, line, table, when

_ALERTS = 10


def incidents(
    incident: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="one incident; without it all, newest first")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", help="open or closed")] = None,
    limit: LimitOption = 100,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List incidents, or tell the whole story of one.

    Example: remediator incidents --state open
    """
    service = Service(url, token_file)
    if incident is None:
        found = service.get("/incidents", {"state": state, "limit": limit})
        as_json(found) if output is Output.JSON else _list(found["incidents"])
        return
    story = service.get(path_of("incidents", incident))
    as_json(story) if output is Output.JSON else _tell(story)


def _list(found: list[dict[str, Any]]) -> None:
    rows = [
        (
            one["id"],
            coloured(one["state"]),
            coloured(one["severity"]),
            when(one["opened_at"]),
            one["mode"],
            one["title"],
        )
        for one in found
    ]
    table(("ID", "STATE", "SEVERITY", "OPENED", "MODE", "TITLE"), rows, "no incidents")


def _evidence(pieces: Sequence[dict[str, Any]]) -> None:
    for piece in pieces:
        line((piece["kind"], "bold"), indent=4)
        for text in piece["text"].expandtabs(4).split("\n"):
            line(text, indent=6)


def _tell(story: dict[str, Any]) -> None:
    one = story["incident"]
    line((one["title"], "bold"))
    line(
        "  ",
        coloured(one["state"]),
        ", ",
        coloured(one["severity"]),
        f", mode {one['mode']}, opened {when(one['opened_at'])}",
    )
    if story["past"] is not None:
        _tell_past(one, story["past"])
        return
    line(f"  target {one['target'] or 'not known'}; {story['firing']} of {story['alerts']} alerts firing")
    heading("Alerts")
    for alert in story["episodes"][:_ALERTS]:
        line(
            "  ",
            coloured(alert["state"]),
            f" {alert['alertname']} from {alert['source']}, since {when(alert['starts_at'])}",
        )
        line(", ".join(f"{name}={value}" for name, value in sorted(alert["labels"].items())), indent=4)
    if story["alerts"] > _ALERTS:
        line(f"  and {story['alerts'] - _ALERTS} more")
    heading("Decisions")
    for decision in story["decisions"]:
        line("  ", coloured(decision["verdict"]), f" {decision['playbook'] or 'no playbook'}")
        for reason in decision["reasons"]:
            line(reason["text"], indent=4)
    for run in story["runs"]:
        line()
        show_run(run)
    heading("Timeline")
    for event in story["timeline"]:
        line(f"  {when(event['at'])}  {event['text']}")
        _evidence((event["detail"] or {}).get("evidence", ()))
    if story["messages"]:
        heading("Messages")
        for message in story["messages"]:
            failed = f": {message['error']}" if message["error"] else ""
            line(
                f"  {when(message['created_at'])}  {message['channel']} {message['action']}, {message['state']}{failed}"
            )


def _tell_past(one: dict[str, Any], past: dict[str, Any]) -> None:
    """Its details are gone (settings: store.retention)."""
    line(f"  target {one['target'] or 'not known'}; closed {when(one['closed_at'])}; details are kept no longer")
    line(f"  {past['alerts']} alerts from {when(past['first_alert_at'])}: {', '.join(past['alertnames'])}")
    line(f"  {past['pages']} pages" + (f", the first at {when(past['paged_at'])}" if past["pages"] else ""))
    for run in past["runs"]:
        line()
        line("  ", coloured(run["outcome"]), f" {run['playbook']} on {run['target']} ({run['id']})")
        line(f"{when(run['created_at'])} to {when(run['ended_at'])}: {run['reason'] or 'no reason'}", indent=4)
