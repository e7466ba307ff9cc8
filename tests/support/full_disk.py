"""Disks that become full under a running service, and free again: a small file system, or the kernel's limit of a file's size."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """Where the store of a service lies."""

    directory: Path

    def fill(self, pid: int) -> None:
        """From now on no write of this process gets through."""

    def free(self, pid: int) -> None:
        """There is room again."""


class SmallDisk:
    """A file system of a few MiB: the kernel says ENOSPC."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._rest = directory / "rest"

    def fill(self, pid: int) -> None:
        del pid
        with self._rest.open("wb", buffering=0) as rest:
            for size in (2**16, 2**12, 1):
                try:
                    while rest.write(b"\0" * size):
                        pass
                except OSError:
                    continue

    def free(self, pid: int) -> None:
        del pid
        self._rest.unlink()


class LimitedFiles:
    """No file may grow any more (``ulimit -f``): the kernel says EFBIG. Needs no privilege, and its log is a file, too."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def fill(self, pid: int) -> None:
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))

    def free(self, pid: int) -> None:
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def small_disk(directory: Path) -> Iterator[SmallDisk | None]:
    """Mounted, as long as this lasts. None: only root may mount, or not here."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "remediator-test", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield SmallDisk(directory)
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], capture_output=True, check=True)


@contextmanager
def limited_files(directory: Path) -> Iterator[LimitedFiles]:
    """Of every machine."""
    directory.mkdir()
    yield LimitedFiles(directory)
