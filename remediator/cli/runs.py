"""``remediator runs``: what was done, step by step; and ``runs answer`` for a run that needs a person."""

from typing import Annotated

import typer
from typer.core import TyperGroup

from remediator.cli.options import (
    DEFAULT_URL,
    LimitOption,
    Output,
    OutputOption,
    ReasonOption,
    TokenFileOption,
    UrlOption,
)
from remediator.cli.runs_text import show_run
from remediator.cli.service import Service, path_of
from remediator.cli.show import as_json, coloured, fail, line, table, when


class _ShowUnlessAnswer(TyperGroup):
    """``runs`` and ``runs ID`` show; ``runs answer ID`` answers."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if (args[:1] or ["show"])[0] not in (*self.commands, "-h", "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args or ["show"])


app = typer.Typer(
    cls=_ShowUnlessAnswer,
    rich_markup_mode=None,
    subcommand_metavar="[ID] [--state S] [--incident ID] | answer RUN ...",
    help="List runs, show one with its steps (runs ID), or answer one that needs a person (runs answer ID).\n\n"
    "Examples: remediator runs --state needs_person; remediator runs run_01; remediator runs show --help",
)


@app.command()
def show(
    run: Annotated[str | None, typer.Argument(metavar="[ID]", help="one run; without it all, newest first")] = None,
    state: Annotated[
        str | None, typer.Option("--state", help="approval, scheduled, ready, running, waiting, needs_person or ended")
    ] = None,
    incident: Annotated[str | None, typer.Option("--incident", help="only of this incident")] = None,
    limit: LimitOption = 100,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List runs, or show one with its journal; the word show may be left out.

    Example: remediator runs --state needs_person
    """
    service = Service(url, token_file)
    if run is not None:
        found = service.get(path_of("runs", run))
        as_json(found) if output is Output.JSON else show_run(found)
        return
    found = service.get("/runs", {"state": state, "incident": incident, "limit": limit})
    if output is Output.JSON:
        as_json(found)
        return
    rows = [
        (
            one["id"],
            coloured(one["state"]),
            coloured(one["outcome"]) if one["due_at"] is None else f"due {when(one['due_at'])}",
            one["playbook"],
            one["target"],
            when(one["created_at"]),
        )
        for one in found["runs"]
    ]
    table(("ID", "STATE", "OUTCOME", "PLAYBOOK", "TARGET", "CREATED"), rows, "no runs")


@app.command()
def answer(
    run: Annotated[str, typer.Argument(metavar="RUN", help="the run that asks")],
    reason: ReasonOption,
    landed: Annotated[str | None, typer.Option("--landed", help="did the step happen? yes, no or unknown")] = None,
    then: Annotated[str | None, typer.Option("--then", help="how it goes on: continue, undo or abandon")] = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Answer a run that waits for a person. `remediator runs RUN` shows what it asks and which answers it takes.

    Example: remediator runs answer run_01 --landed yes --reason "saw the new pods"
    """
    if (landed is None) == (then is None):
        fail("give exactly one of --landed yes|no|unknown and --then continue|undo|abandon", 2)
    for option, given, accepted in (
        ("--landed", landed, ("yes", "no", "unknown")),
        ("--then", then, ("continue", "undo", "abandon")),
    ):
        if given is not None and given not in accepted:
            fail(f"{option} takes {', '.join(accepted)}", 2)
    found = Service(url, token_file).post(path_of("runs", run, "answer"), {"said": landed or then, "reason": reason})
    as_json(found) if output is Output.JSON else line(found["said"])
