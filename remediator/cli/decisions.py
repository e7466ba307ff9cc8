"""``remediator decisions``: why it acted, and why it did not."""

from typing import Annotated

import typer

from remediator.cli.options import DEFAULT_URL, LimitOption, Output, OutputOption, TokenFileOption, UrlOption
from remediator.cli.service import Service
from remediator.cli.show import as_json, coloured, line, when


def decisions(
    incident: Annotated[str | None, typer.Option("--incident", help="only of this incident")] = None,
    episode: Annotated[str | None, typer.Option("--episode", help="only of this alert")] = None,
    limit: LimitOption = 20,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List decisions with every reason, newest first.

    Example: remediator decisions --limit 5
    """
    found = Service(url, token_file).get("/decisions", {"incident": incident, "episode": episode, "limit": limit})
    if output is Output.JSON:
        as_json(found)
        return
    for one in found["decisions"]:
        kind = f" ({one['kind']})" if one["kind"] else ""
        standing = "" if one["current"] else ", replaced since"
        line(
            f"{when(one['decided_at'])}  ",
            coloured(one["verdict"]),
            f"{kind}  {one['playbook'] or 'no playbook'}  {one['target'] or 'no target'}  {one['incident_id']}{standing}",
        )
        for reason in one["reasons"]:
            line(reason["text"], indent=4)
    if not found["decisions"]:
        line("no decisions")
