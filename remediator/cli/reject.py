"""``remediator reject``: a no to a request."""

from typing import Annotated

import typer

from remediator.cli.options import DEFAULT_URL, Output, OutputOption, ReasonOption, TokenFileOption, UrlOption
from remediator.cli.service import Service, path_of
from remediator.cli.show import as_json, line


def reject(
    run: Annotated[str, typer.Argument(metavar="RUN", help="the run that waits")],
    reason: ReasonOption,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Say no to a run that waits for approval. Nothing is changed.

    Example: remediator reject run_01 --reason "we roll back by hand"
    """
    found = Service(url, token_file).post(path_of("runs", run, "reject"), {"reason": reason})
    as_json(found) if output is Output.JSON else line(found["said"])
