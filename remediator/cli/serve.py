"""``remediator serve``: the service itself."""

from typing import Annotated, Any

import typer

from remediator.cli.options import ConfigOption, config_or_default
from remediator.cli.show import fail, fail_each


def serve(
    config: ConfigOption = None,
    live: Annotated[
        bool, typer.Option("--live", help="change things for real; without it every write is a dry-run")
    ] = False,
    insecure_no_auth: Annotated[
        bool, typer.Option("--insecure-no-auth", help="take alerts from anybody; for trying out on one machine only")
    ] = False,
    change_mode: Annotated[
        bool,
        typer.Option(
            "--change-mode", help="take a store that was used in another mode; what it had under way is cancelled"
        ),
    ] = False,
    pretty: Annotated[
        bool | None, typer.Option("--pretty/--json", help="logs for people, or JSON; by default pretty on a terminal")
    ] = None,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error")] = "info",
    host: Annotated[
        str | None, typer.Option("--host", help="address to listen on; overrides settings listen.host")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="overrides settings listen.port; 0 picks a free one")
    ] = None,
) -> None:
    """Run the service until SIGTERM. Starts in dry-run unless --live (or mode: live) is given.

    Example: remediator serve --config remediator.yaml --live
    """
    import asyncio
    import os
    import sys

    from remediator import logs
    from remediator.errors import RemediatorError
    from remediator.settings import load_settings

    given = {"mode": "live" if live else None, "listen.host": host, "listen.port": port}
    overrides: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    try:
        logs.configure(sys.stderr.isatty() if pretty is None else pretty, log_level, sys.stderr)
    except ValueError as error:
        fail(error, 2)
    try:
        settings = load_settings(config_or_default(config), os.environ, overrides)
        from remediator import app

        code = asyncio.run(app.serve(settings, insecure_no_auth=insecure_no_auth, change_mode=change_mode))
    except RemediatorError as error:
        fail_each(error)
    raise typer.Exit(code)
