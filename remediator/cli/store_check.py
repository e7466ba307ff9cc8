"""``remediator store check``: does everything hold that must always hold of the store's rows?"""

from collections import Counter
from typing import TYPE_CHECKING

import typer

from remediator.cli.options import ConfigOption, Output, OutputOption, config_or_default
from remediator.cli.show import as_json, fail_each, line

if TYPE_CHECKING:
    from remediator.settings import Settings
    from remediator.store.invariants import Finding


def check(config: ConfigOption = None, output: OutputOption = Output.TEXT) -> None:
    """Read the whole store and name every row that should not be as it is, and what to do; exit code 1 if there is one.

    Changes nothing, and may run beside the service: it reads one state of the store throughout.
    Example: remediator store check --config remediator.yaml
    """
    import asyncio
    import os

    from remediator.errors import RemediatorError
    from remediator.settings import load_settings

    try:
        settings = load_settings(config_or_default(config), os.environ)
        found = asyncio.run(_findings(settings))
    except RemediatorError as error:
        fail_each(error)
    _print(found, output)
    if found:
        raise typer.Exit(1)


async def _findings(settings: "Settings") -> "list[Finding]":
    from remediator.clock import SystemClock
    from remediator.store.check import findings
    from remediator.store.reading import open_for_reading

    now, watchdog = SystemClock().now(), settings.escalation.watchdog
    at = settings.store
    async with open_for_reading(at.url, password_file=at.password_file) as connection:
        return [finding async for finding in findings(connection, now=now, watchdog=watchdog)]


def _print(found: "list[Finding]", output: Output) -> None:
    if output is Output.JSON:
        shown = [{"rule": one.rule, "rows": list(one.rows), "message": one.text, "remedy": one.remedy} for one in found]
        as_json({"ok": not found, "findings": shown})
        return
    for finding in found:
        line((f"{finding.rule}: ", "red"), finding.text)
        line(f"{finding.remedy}.", indent=2)
    if found:
        kinds = Counter(finding.rule for finding in found)
        line(f"{len(found)} finding{'s' if len(found) > 1 else ''} of {len(kinds)} kind{'s' if len(kinds) > 1 else ''}")
    else:
        line(("everything holds", "green"))
