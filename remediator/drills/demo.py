"""``remediator demo``: scenes in a simulated world, then a service that is left running to play with."""

import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from remediator.drills.demo_timeline import Timeline


def play(*, once: bool, port: int | None = None, out: Console | None = None) -> int:
    """Play the demo; returns the exit code. Blocks until it is over, or (without ``once``) until Ctrl-C or SIGTERM.

    0: every step went as told. 1: one did not, or the service could not start; what was expected and seen is printed, and the
    directory with its log kept. 130, 143: ended by Ctrl-C or SIGTERM before the last scene was over.
    ``port`` None: 8080 if it is free, else any free one; 0: any free one.
    """
    with Timeline(out or _console()) as timeline:
        timeline.title(
            "remediator demo",
            "A simulated Kubernetes cluster, AWS, Alertmanager, Prometheus and PagerDuty on this machine, and a live remediator that "
            "refuses any address that is not loopback. Every line is read from its store or from the cluster; times are UTC.",
        )
        timeline.waiting("starting ...")
        try:
            return _play(timeline, once=once, port=port)
        except KeyboardInterrupt:  # before the show could listen for it
            timeline.stopped()
            return 130


def _play(timeline: Timeline, *, once: bool, port: int | None) -> int:
    import asyncio

    from remediator import logs
    from remediator.drills.demo_show import Show  # takes seconds on a slow machine: people should see something before

    directory = Path(tempfile.mkdtemp(prefix="remediator-demo-"))
    code = 1
    try:
        with (directory / "service.log").open("w", encoding="utf-8") as log:
            logs.configure(pretty=False, level="info", stream=log)
            try:
                code = asyncio.run(Show(timeline, directory, once=once, port=port).run())
            finally:
                logs.configure(pretty=False, level="warning", stream=sys.stderr)
        if code == 1:
            timeline.gap()
            timeline.say(f"What the service logged: {directory / 'service.log'} (kept, with its store)")
        return code
    finally:
        if code != 1:
            shutil.rmtree(directory, ignore_errors=True)


def _console() -> Console:
    # Whatever a label holds: a terminal that cannot show it must not end the demo.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False)
