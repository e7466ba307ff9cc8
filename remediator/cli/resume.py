"""``remediator resume``: the end of a pause."""

from remediator.cli.options import DEFAULT_URL, Output, OutputOption, TokenFileOption, UrlOption
from remediator.cli.scope import NamespaceOption, PlaybookOption, TargetOption, scope_of
from remediator.cli.service import Service
from remediator.cli.show import as_json, line


def resume(
    playbook: PlaybookOption = None,
    namespace: NamespaceOption = None,
    target: TargetOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """End the pause of exactly this scope. Every open alert is then decided anew; nothing goes on by an old plan.

    Example: remediator resume --namespace shop
    """
    found = Service(url, token_file).post("/resume", {"scope": scope_of(playbook, namespace, target)})
    if output is Output.JSON:
        as_json(found)
        return
    line(("resumed ", "green"), found["scope"])
    for other in found["still_paused"]:
        line(("still paused: ", "yellow"), other, indent=2)
