"""Processes of the test bed: they die with the one that started them, and their words are kept for the error message."""

import asyncio
import ctypes
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STOP_WITHIN_S = 5.0


class StartError(Exception):
    """A process of the test bed did not come up."""


@dataclass(frozen=True)
class Program:
    """One running process."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    def check(self) -> None:
        """Raises StartError with the end of its log when it has ended."""
        if self.process.returncode is not None:
            raise StartError(f"{self.name} ended with {self.process.returncode}:\n{self.last_words()}")

    def last_words(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    async def stop(self) -> None:
        """Ends it, at first politely."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def start(name: str, command: Sequence[str], log: Path) -> Program:
    """Start a process whose output goes to `log`. It gets SIGKILL when the calling thread ends (on Linux)."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=_die_with_parent
        )
    return Program(name, process, log)


def free_ports(count: int) -> list[int]:
    """Different ports of 127.0.0.1 that nobody listens on now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
