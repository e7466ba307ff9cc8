"""``remediator cancel``: begin nothing more in a run."""

from typing import Annotated

import typer

from remediator.cli.options import DEFAULT_URL, Output, OutputOption, ReasonOption, TokenFileOption, UrlOption
from remediator.cli.service import Service, path_of
from remediator.cli.show import as_json, line


def cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="the run to cancel")],
    reason: ReasonOption,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Cancel a run. What was begun is settled and looked at once; nothing is undone.

    Example: remediator cancel run_01 --reason "wrong service"
    """
    found = Service(url, token_file).post(path_of("runs", run, "cancel"), {"reason": reason})
    as_json(found) if output is Output.JSON else line(found["said"])
