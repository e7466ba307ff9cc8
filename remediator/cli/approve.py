"""``remediator approve``: a yes to one plan."""

from typing import Annotated

import typer

from remediator.cli.options import DEFAULT_URL, Output, OutputOption, ReasonOption, TokenFileOption, UrlOption
from remediator.cli.service import Service, path_of
from remediator.cli.show import as_json, line


def approve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="the run that waits")],
    plan: Annotated[str, typer.Option("--plan", help="hash of the plan that you saw; a yes is bound to it")],
    reason: ReasonOption,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say yes to exactly the plan that was shown. A changed plan needs a new look.

    Example: remediator approve run_01 --plan 3f2a9c0d1e4b5a67 --reason "agreed with ann"
    """
    found = Service(url, token_file).post(path_of("runs", run, "approve"), {"plan": plan, "reason": reason})
    as_json(found) if output is Output.JSON else line(found["said"])
