"""One test bed for all workers of a test run: made by the first that needs it, ended with the process that owns it."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane.access import Access, read_tokens
from tests.controlplane.build import Say, ensure
from tests.controlplane.processes import StartError
from tests.controlplane.recipes import KUBERNETES
from tests.controlplane.server import ControlPlane
from tests.controlplane.toolchain import BuildError

DIRECTORY = "TEST_BED_OF_REMEDIATOR"
"""Environment variable: the directory of this run's test bed; workers have it from the process that started them."""
_ROOT = Path(__file__).parents[2]
_START_WITHIN_S = 120.0
_END_WITHIN_S = 20.0

_started: list["subprocess.Popen[bytes]"] = []


class Owner:
    """Who holds this (the process that pytest was started as) keeps the test bed alive. Nothing is started yet.

    A test bed that runs already, by hand, belongs to nobody here and is left alone.
    """

    def __init__(self, variable: str = DIRECTORY) -> None:
        """``variable`` is where its processes and the workers find the directory."""
        self._variable = variable
        self._directory: Path | None = None
        if not (Path(os.environ.get(variable, "")) / "ready.json").is_file():
            self._directory = Path(tempfile.mkdtemp(prefix="remediator-test-bed-"))
            os.mkfifo(self._directory / "alive")
            # Also for reading, or else opening would wait for a reader.
            self._alive = os.open(self._directory / "alive", os.O_RDWR)
            os.environ[variable] = str(self._directory)

    def close(self) -> None:
        """End the test bed, if any was started, and remove its files."""
        if self._directory is None:
            return
        os.close(self._alive)
        until = time.monotonic() + _END_WITHIN_S
        while _runs(self._directory) and time.monotonic() < until:
            time.sleep(0.05)
        shutil.rmtree(self._directory, ignore_errors=True)
        del os.environ[self._variable]


def control_plane(say: Say) -> ControlPlane:
    """The one of this test run, built and started if nobody has yet. Raises StartError, in every worker the same."""
    directory = Path(os.environ[DIRECTORY])
    url = started(directory, "tests.controlplane.bed", before=lambda: ensure(KUBERNETES, say))
    return ControlPlane(url, Access(directory, read_tokens(directory)))


def started(directory: Path, module: str, *, before: Callable[[], object] = lambda: None) -> str:
    """The URL of what ``module`` serves from this directory, started if nobody has yet.

    Raises:
        StartError: it, or what had to be done ``before``, failed; in every worker the same.
    """
    ready, failed = directory / "ready.json", directory / "failed.txt"
    with locked(directory / "starting.lock"):
        if failed.exists():
            raise StartError(failed.read_text())
        if not ready.exists():
            try:
                before()
                _start(directory, module, ready)
            except (BuildError, StartError) as error:
                failed.write_text(str(error))
                raise StartError(str(error)) from error
    return str(json.loads(ready.read_text())["url"])


def reap() -> None:
    """After the owner has let it end: wait for what this process started."""
    for bed in _started:
        bed.wait(_START_WITHIN_S)


def _start(directory: Path, module: str, ready: Path) -> None:
    log = directory / "bed.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", module, str(directory)]
        # A session of its own: an interrupt at the terminal is for pytest, which then ends the test bed in order.
        bed = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=_ROOT, start_new_session=True
        )
    _started.append(bed)
    until = time.monotonic() + _START_WITHIN_S
    while not ready.exists():
        if bed.poll() is not None or time.monotonic() > until:
            bed.kill()
            raise StartError(f"{module} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process of the test run at a time."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def hold_running(directory: Path) -> int:
    """For the test bed's process: it runs for as long as it has this descriptor."""
    descriptor = os.open(directory / "running.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _runs(directory: Path) -> bool:
    try:
        with (directory / "running.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


async def without_owner(directory: Path) -> None:
    """Returns when nobody keeps the test bed alive any more."""
    descriptor = os.open(directory / "alive", os.O_RDONLY | os.O_NONBLOCK)
    reader = asyncio.StreamReader()
    with os.fdopen(descriptor, "rb", buffering=0) as pipe:
        try:
            if pipe.read(1) == b"":  # gone already
                return
        except BlockingIOError:
            pass
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            await reader.read()
        finally:
            transport.close()
