"""One showing of the demo: scenes, then serving, and what a signal means at each time."""

import asyncio
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from remediator.clock import SystemClock
from remediator.drills import demo_scenes, demo_serving
from remediator.drills.demo_stage import NotAsToldError, Stage, open_stage
from remediator.drills.demo_story import Narrator
from remediator.drills.demo_timeline import Timeline
from remediator.errors import RemediatorError

USUAL_PORT = 8080


@dataclass
class Show:
    """Played once. ``directory`` takes everything that it writes."""

    timeline: Timeline
    directory: Path
    once: bool
    port: int | None
    played: bool = False
    """Every scene went as told."""
    stopped_by: int | None = None
    """The signal that ended it."""

    async def run(self) -> int:
        """The exit code, as ``demo.play`` returns it."""
        loop, this = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int) -> None:
            if self.stopped_by is None and this is not None:  # asked once is enough: what is open must be closed
                self.stopped_by = number
                this.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        try:
            await self._show()
        except asyncio.CancelledError:
            if self.stopped_by is None:
                raise
            self.timeline.stopped()
            return 0 if self.played else 128 + self.stopped_by
        except NotAsToldError as error:
            self.timeline.failed(error.step, error.expected, error.seen)
            return 1
        except (RemediatorError, OSError) as error:
            self.timeline.failed("the demo starts", "a running service", str(error))
            return 1
        return 0

    async def _show(self) -> None:
        clock = SystemClock()
        begun = clock.boottime()
        port = free_port(USUAL_PORT) if self.port is None else self.port or free_port(0)
        async with open_stage(self.directory, port, self.timeline, clock) as stage:
            await demo_scenes.set_the_stage(stage)
            narrator = Narrator(stage)
            trouble: NotAsToldError | None = None
            async with asyncio.TaskGroup() as group:
                following = group.create_task(narrator.run())
                try:
                    await demo_scenes.play_all(stage, narrator)
                    await self._go_on(stage, clock.boottime() - begun)
                except NotAsToldError as error:  # kept: the group would wrap it
                    await narrator.catch_up()
                    trouble = error
                finally:
                    following.cancel()
            if trouble is not None:
                raise trouble
            self.timeline.waiting("stopping ...")

    async def _go_on(self, stage: Stage, took_s: float) -> None:
        self.played = True
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
