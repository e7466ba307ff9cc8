"""``remediator explain``: what would be decided about an alert, and why."""

from pathlib import Path
from typing import Annotated, Any

import typer

from remediator.cli.explain_text import show_explanation
from remediator.cli.options import (
    DEFAULT_URL,
    ConfigOption,
    Output,
    OutputOption,
    TokenFileOption,
    UrlOption,
    config_or_default,
)
from remediator.cli.service import Service
from remediator.cli.show import as_json, fail, fail_each


def explain(
    alert: Annotated[
        Path, typer.Argument(metavar="ALERT.json", help="an alert, a webhook body, or - for standard input")
    ],
    source: Annotated[
        str | None, typer.Option("--source", help="where it comes from; needed with several sources")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="say of playbooks that do not match which matcher says no")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="from settings and playbooks alone; store and cluster are not asked")
    ] = False,
    config: ConfigOption = None,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show for every playbook whether it matches, its target, its plan and each guard's answer. Changes nothing.

    Example: echo '{"labels": {"alertname": "ServiceDown", "namespace": "shop"}}' | remediator explain -
    """
    document = _document(alert)
    if offline:
        found = _offline(document, source, config)
    else:
        asked = {"alert": document} if source is None else {"alert": document, "source": source}
        found = Service(url, token_file).post("/explain", asked)
    as_json(found) if output is Output.JSON else show_explanation(found, every=every)


def _document(path: Path) -> Any:
    import json

    try:
        text = typer.get_text_stream("stdin").read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        fail(f"{path}: cannot be read as JSON: {error}", 2)


def _offline(document: Any, source: str | None, config: Path | None) -> dict[str, Any]:
    import os

    from remediator.cli.check import load
    from remediator.clock import SystemClock
    from remediator.engine.explain_offline import explain_offline
    from remediator.engine.refused import InvalidOrderError
    from remediator.errors import RemediatorError
    from remediator.settings import load_settings

    try:
        settings = load_settings(config_or_default(config), os.environ)
        loaded = load(settings.playbooks, settings)
        explained = explain_offline(document, settings=settings, loaded=loaded, source=source, now=SystemClock().now())
    except InvalidOrderError as error:
        fail(error, 2)
    except RemediatorError as error:
        fail_each(error)
    return explained.model_dump(mode="json")
