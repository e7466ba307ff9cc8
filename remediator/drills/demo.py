"""``remediator demo``: four scenes in a simulated world, then a service that is left running to play with."""

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from remediator import logs
from remediator.clock import SystemClock
from remediator.drills import demo_scenes, demo_serving
from remediator.drills.demo_stage import NotAsToldError, Stage, open_stage
from remediator.drills.demo_story import Narrator
from remediator.drills.demo_timeline import Timeline
from remediator.errors import RemediatorError

USUAL_PORT = 8080


def play(*, once: bool, port: int | None = None, out: Console | None = None) -> int:
    """Play the demo; returns the exit code. Blocks until it is over, or (without ``once``) until Ctrl-C or SIGTERM.

    0: every step went as told. 1: one did not, or the service could not start; what was expected and seen is printed, and the
    directory with its log kept. 130, 143: ended by Ctrl-C or SIGTERM before the last scene was over.
    ``port`` None: 8080 if it is free, else any free one.
    """
    directory = Path(tempfile.mkdtemp(prefix="remediator-demo-"))
    code = 1
    try:
        with (directory / "service.log").open("w", encoding="utf-8") as log, Timeline(out or _console()) as timeline:
            logs.configure(pretty=False, level="info", stream=log)
            try:
                code = asyncio.run(_Show(timeline, directory, once=once, port=port).run())
            except KeyboardInterrupt:  # before the show could listen for it
                code = 130
            finally:
                logs.configure(pretty=False, level="warning", stream=sys.stderr)
            if code == 1:
                timeline.gap()
                timeline.say(f"What the service logged: {directory / 'service.log'} (kept, with its store)")
        return code
    finally:
        if code != 1:
            shutil.rmtree(directory, ignore_errors=True)


@dataclass
class _Show:
    """One showing: scenes, then serving, and what a signal means at each time."""

    timeline: Timeline
    directory: Path
    once: bool
    port: int | None
    played: bool = False
    stopped_by: int | None = None

    async def run(self) -> int:
        loop, this = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            if self.stopped_by is None and this is not None:  # asked once is enough: what is open must be closed
                self.stopped_by = number
                this.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        try:
            return await self._show()
        except asyncio.CancelledError:
            if self.stopped_by is None:
                raise
            self.timeline.idle()
            self.timeline.gap()
            self.timeline.say("Stopped; everything of the demo is removed.")
            return 0 if self.played else 128 + self.stopped_by
        except NotAsToldError as error:
            self.timeline.failed(error.step, error.expected, error.seen)
            return 1
        except (RemediatorError, OSError) as error:
            self.timeline.failed("the demo starts", "a running service", str(error))
            return 1

    async def _show(self) -> int:
        clock, begun = SystemClock(), SystemClock().boottime()
        port = free_port(USUAL_PORT) if self.port is None else self.port
        self.timeline.title(
            "remediator demo",
            below=(
                "A simulated Kubernetes cluster, Alertmanager, Prometheus and PagerDuty on this machine, and a live remediator that "
                "refuses any address that is not loopback. Every line is read from its store or from the cluster; times are UTC.",
            ),
        )
        self.timeline.waiting("starting ...")
        async with open_stage(self.directory, port or free_port(0), self.timeline, clock) as stage:
            narrator = Narrator(stage)
            await demo_scenes.set_the_stage(stage)
            trouble: NotAsToldError | None = None
            async with asyncio.TaskGroup() as group:
                following = group.create_task(narrator.run())
                try:
                    await self._acts(stage, narrator, begun)
                except NotAsToldError as error:  # a group would wrap it
                    await narrator.catch_up()
                    trouble = error
                finally:
                    following.cancel()
            if trouble is not None:
                raise trouble
        return 0

    async def _acts(self, stage: Stage, narrator: Narrator, begun: float) -> None:
        await demo_scenes.play_all(stage, narrator)
        self.played = True
        took_s = stage.clock.boottime() - begun
        self.timeline.idle()
        self.timeline.gap()
        self.timeline.say(f"All {demo_scenes.SCENES} scenes went as told, in {took_s:.0f} s.", style="bold green")
        if not self.once:
            await demo_serving.serve(stage)


def free_port(wanted: int) -> int:
    """``wanted`` if it can be had on 127.0.0.1 (0: any), else one that is free now."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no port is free on 127.0.0.1")


def _console() -> Console:
    # Whatever a label holds: a terminal that cannot show it must not end the demo.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(highlight=False)
