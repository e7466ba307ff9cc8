"""Searching the model: spin makes a C program of it, which tries every order of steps.

The programs are kept in `${XDG_CACHE_HOME:-~/.cache}/remediator/model/`, by a hash of what they are made from.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.model.configurations import Configuration

MODEL = Path(__file__).with_name("run.pml")

_DEPTH = 3_000_000
_COMPILE = ("-w", "-DCOLLAPSE", "-DMEMLIM=8000")
_FAST_TO_COMPILE, _FAST_TO_RUN = "-O0", "-O2"
_SAFETY = ("-DSAFETY",)
_LIVENESS = ("-DNFAIR=3",)


class ModelError(Exception):
    """The model could not be searched to its end; the message has what spin, the compiler or the search said."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to."""

    error: str | None
    """The property that is broken, in the search's words; None when all hold."""
    states: int
    depth: int
    seconds: float


def missing() -> str | None:
    """What this machine lacks for it, or None."""
    return next((f"there is no {program}" for program in ("spin", "cc") if shutil.which(program) is None), None)


def search(configuration: Configuration, *, within_s: float) -> Found:
    """Search through everything that the configuration allows, or up to the first error.

    Raises:
        ModelError: it could not be built, or the search ended before its end (depth, memory, ``within_s``).
    """
    command = [
        str(_built(configuration)),
        "-n",
        "-w22",
        f"-m{_DEPTH}",
        *(("-a", "-f") if configuration.liveness else ()),
    ]
    with tempfile.TemporaryDirectory() as directory:  # an error leaves its trail there
        said = _run(command, within_s=within_s, cwd=directory, may_fail=True)
    if "max search depth too small" in said or "errors:" not in said:
        raise ModelError(f"{configuration.name}: the search did not come to its end:\n{said}")
    error = re.search(r"^pan:1: (.+?) \(at depth", said, re.MULTILINE)
    if (error is None) is not (_number(r"errors: (\d+)", said) == 0):
        raise ModelError(f"{configuration.name}: not understood:\n{said}")
    return Found(
        error=None if error is None else error[1],
        states=_number(r"(\S+) states, (?:stored|visited)", said),
        depth=_number(r"depth reached (\d+)", said),
        seconds=float(match[1]) if (match := re.search(r"elapsed time (\S+) seconds", said)) else 0.0,
    )


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return 0 if found is None else int(float(found[1]))


def _built(configuration: Configuration) -> Path:
    """The program that searches; made once."""
    switches = [f"-D{switch}" for switch in configuration.switches]
    optimised = _FAST_TO_COMPILE if configuration.short else _FAST_TO_RUN
    compiled = [optimised, *_COMPILE, *(_LIVENESS if configuration.liveness else _SAFETY)]
    made_from = MODEL.read_bytes() + repr((switches, compiled)).encode()
    program = _cache() / hashlib.sha256(made_from).hexdigest()[:20]
    if program.is_file():
        return program
    _cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_cache()) as directory:
        _run(["spin", *switches, "-a", str(MODEL)], within_s=60, cwd=directory)
        _run(["cc", *compiled, "-o", "pan", "pan.c"], within_s=120, cwd=directory)
        (Path(directory) / "pan").replace(program)
    return program


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remediator" / "model"


def _run(command: list[str], *, within_s: float, cwd: str, may_fail: bool = False) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=within_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{Path(command[0]).name} did not end within {within_s:g} s") from None
    if done.returncode != 0 and not may_fail:
        raise ModelError(f"{' '.join(command)}:\n{done.stdout}")
    return done.stdout
