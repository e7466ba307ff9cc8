"""``remediator demo``: the whole path on a simulated world."""

from typing import Annotated

import typer


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="end after the scenario; exit code 0 only if all went as told")
    ] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="where the service listens; by default 8080 if free")
    ] = None,
) -> None:
    """Play incidents against a simulated cluster, live, then keep serving so that you can send alerts of your own.

    Nothing outside this machine is touched. Example: remediator demo --once
    """
    from remediator.drills.demo import play

    raise typer.Exit(play(once=once, port=port))
