"""What every benchmark shares: how big it is, what a result is, and what the machine was."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Scale:
    """``quick`` shows that everything runs, ``full`` is what claims rest on, ``soak`` has the longest histories."""

    name: str

    def of(self, *, quick: T, full: T, soak: T | None = None) -> T:
        """The value for this scale; soak is as full where nothing else is said."""
        if self.name == "quick":
            return quick
        return soak if self.name == "soak" and soak is not None else full


QUICK, FULL, SOAK = Scale("quick"), Scale("full"), Scale("soak")


@dataclass(frozen=True)
class Aim:
    """What a figure should be."""

    text: str
    met: bool


@dataclass(frozen=True)
class Row:
    """One measurement. Units stand in the figures' names."""

    benchmark: str
    case: Mapping[str, str | int]
    figures: Mapping[str, float]
    floor: str = ""
    """What ``ratio`` compares with, measured in the same run."""
    ratio: float | None = None
    aim: Aim | None = None
    note: str = ""


@dataclass(frozen=True)
class Process:
    """What a process has used, from /proc."""

    pid: int

    def cpu_s(self) -> float:
        """CPU time of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """What it has in memory now."""
        return self._status("VmRSS")

    def peak_mib(self) -> float:
        """The most that it ever had."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    python: str = field(default_factory=platform.python_version)
    system: str = field(default_factory=lambda: f"{platform.system()} {platform.machine()}")
    load_before: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))
    """Above a tenth of the cores something else was running: then only ratios and CPU times say anything."""
