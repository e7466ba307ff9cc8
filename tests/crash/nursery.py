"""The test's side of ``victim``: starts services in processes of their own and hears what becomes of them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]

Kill = tuple[str, int]
"""A point and which time it is reached, from 1."""


@dataclass
class Victim:
    """One process."""

    name: str
    log: Path
    pid: int = 0
    reached: list[str] = field(default_factory=list)
    dying_at: str | None = None
    """The point at which it signalled itself as ordered: it dies, or stands still."""
    owner: str = ""
    """What stands in its claims."""
    refused: str | None = None
    status: int | None = None
    """Exit status as ``subprocess`` tells it: minus the signal's number if it was killed."""
    born: asyncio.Event = field(default_factory=asyncio.Event)
    serving: asyncio.Event = field(default_factory=asyncio.Event)
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    """It has reached its point."""
    exited: asyncio.Event = field(default_factory=asyncio.Event)

    def signal(self, number: signal.Signals) -> None:
        """Nothing happens when it is gone."""
        if not self.exited.is_set() and self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def last_words(self, lines: int = 25) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else "no log"

    def hear(self, told: Mapping[str, Any]) -> None:
        match told["event"]:
            case "born":
                self.pid = told["pid"]
                self.born.set()
            case "reached":
                self.reached.append(told["point"])
            case "dying":
                self.dying_at = told["point"]
                self.struck.set()
            case "refused":
                self.refused = told["message"]
            case "named":
                self.owner = told["owner"]
            case "serving":
                self.serving.set()
            case "exited":
                self.status = told["status"]
                self.born.set()
                self.exited.set()


class Nursery:
    """One parent process for many tests; ``attached`` within each."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.victim"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_ROOT
        )
        self._victims: dict[str, Victim] = {}
        self._numbers = count(1)
        self._hearing: asyncio.Task[None] | None = None

    def close(self) -> None:
        """End everything that was started."""
        self._parent.communicate()

    @asynccontextmanager
    async def attached(self) -> AsyncIterator[None]:
        """Hear events while inside; afterwards nothing that was started inside lives on."""
        assert self._parent.stdout is not None
        reader = asyncio.StreamReader()
        pipe = os.fdopen(os.dup(self._parent.stdout.fileno()), "rb")
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        self._hearing = hearing = asyncio.create_task(self._hear(reader))
        try:
            yield
        finally:
            for victim in self._victims.values():
                await self._born(victim)  # also one whose order nobody waited for any more
                victim.signal(signal.SIGKILL)
                await victim.exited.wait()
            self._victims.clear()
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing
            transport.close()

    async def start(
        self,
        *,
        settings: Path,
        overrides: Mapping[str, Any],
        log: Path,
        kill: Kill | None = None,
        armed: Path | None = None,
        clock: Path | None = None,
        through: str = "probe",
    ) -> Victim:
        """Start a service; returns once the process is there.

        ``kill``: where it kills itself. ``armed``: a file that may come later and says where it signals itself, how often that point is
        passed until then, and by which signal. ``clock``: the file that steps its wall clock. ``through`` "serve": exactly as the
        command does, with none of these.
        """
        victim = Victim(f"victim-{next(self._numbers)}", log)
        self._victims[victim.name] = victim
        order = {
            "name": victim.name,
            "settings": str(settings),
            "overrides": dict(overrides),
            "log": str(log),
            "kill": kill,
            "armed": None if armed is None else str(armed),
            "clock": None if clock is None else str(clock),
            "as": through,
        }
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(order).encode() + b"\n")
        self._parent.stdin.flush()
        await self._born(victim)
        return victim

    async def _born(self, victim: Victim) -> None:
        """A parent that has ended makes no more children: that is no reason to wait for ever."""
        assert self._hearing is not None
        waiting = asyncio.create_task(victim.born.wait())
        await asyncio.wait({waiting, self._hearing}, return_when=asyncio.FIRST_COMPLETED)
        if not victim.born.is_set():
            waiting.cancel()
            raise RuntimeError("the victims' parent process has ended")

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            told = json.loads(line)
            if (victim := self._victims.get(told["name"])) is not None:
                victim.hear(told)
