"""The programs of the test bed: installed ones, or ours, built once and kept outside the repository.

`python -m tests.controlplane.build` builds whatever is missing and says how it goes. The results lie in
`${XDG_CACHE_HOME:-~/.cache}/remediator/controlplane/`, by version and by a hash of what they are made from.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.controlplane.recipes import ALL, KUBERNETES, Recipe
from tests.controlplane.toolchain import BuildError, go

ASSETS = "KUBEBUILDER_ASSETS"
"""Environment variable: a directory with etcd, kube-apiserver and perhaps more, as the ecosystem's tools use it."""
_INSTALLED = {
    "alertmanager": ("alertmanager", "prometheus-alertmanager"),
    "amtool": ("amtool",),
    "prometheus": ("prometheus",),
}
_SAY_EVERY_S = 20.0

Say = Callable[[str], None]


def say(line: str) -> None:
    """To the terminal, at once."""
    print(f"test bed: {line}", flush=True)


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "remediator" / "controlplane"


def recipe_of(program: str) -> Recipe:
    """What makes the program."""
    return next(recipe for recipe in ALL if program in recipe.programs)


def command(program: str) -> list[str] | None:
    """How to start a program: the installed one, else ours; None when it has to be built."""
    assets = os.environ.get(ASSETS)
    if assets and (given := Path(assets) / program).is_file():
        return [str(given)]
    for name in _INSTALLED.get(program, ()):
        if (found := shutil.which(name)) is not None:
            return [found]
    recipe = recipe_of(program)
    file, *arguments = recipe.programs[program]
    built = cache() / recipe.key / file
    return [str(built), *arguments] if built.is_file() else None


def missing(recipe: Recipe) -> list[str]:
    """Programs of the recipe that are neither installed nor built."""
    return [one for one in recipe.programs if command(one) is None]


def ensure(recipe: Recipe, say: Say = say) -> None:
    """Build what is missing; waits for another process that builds it already. Raises BuildError."""
    if not missing(recipe):
        return
    cache().mkdir(parents=True, exist_ok=True)
    with _alone(
        cache() / f"{recipe.name}.lock", lambda: say(f"waits for the build of {recipe.name} that is under way")
    ):
        if not missing(recipe):
            return
        say(f"builds {recipe.name} {recipe.version}, once ({recipe.cost}); it is kept in {cache()}")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"{recipe.name}-", dir=cache()) as work:
            made = _build(recipe, Path(work), go(cache(), say), say)
            made.rename(cache() / recipe.key)
        say(f"{recipe.name} is built ({_span(began)})")


def _build(recipe: Recipe, work: Path, go: Path, say: Say) -> Path:
    source, out = work / "source", work / "out"
    shutil.copytree(recipe.folder, source)
    out.mkdir()
    # What somebody has set for their own Go programs must not change these.
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
    }
    if recipe.page is not None:
        _add_page(recipe, source, go, environment)
    target = str(out / next(iter(recipe.programs.values()))[0]) if len(recipe.packages) == 1 else f"{out}/"
    building = [str(go), "build", "-v", *recipe.build_flags(), "-o", target, *recipe.packages]
    process = subprocess.Popen(building, cwd=source, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    done = threading.Event()
    teller = threading.Thread(target=_tell_progress, args=(recipe.name, lines, done, say))
    teller.start()
    try:
        with process.stderr:
            lines.extend(process.stderr)  # one for each package that was compiled, then errors
        if process.wait() != 0:
            raise BuildError(f"{recipe.name} cannot be built: {''.join(lines[-15:]).strip()}")
    finally:
        process.kill()
        process.wait()
        done.set()
        teller.join()
    if recipe.files is not None:
        for file in _module(recipe, source, go, environment).glob(recipe.files):
            shutil.copyfile(file, out / file.name)
    return out


def _module(recipe: Recipe, source: Path, go: Path, environment: dict[str, str]) -> Path:
    """Where Go keeps the component's sources."""
    got = _run([str(go), "mod", "download", "-json", recipe.module], source, environment)
    return Path(json.loads(got)["Dir"])


def _add_page(recipe: Recipe, source: Path, go: Path, environment: dict[str, str]) -> None:
    """Build from a copy of the module that has the page; Go lets nothing be laid over its module cache."""
    assert recipe.page is not None
    copy = source / "module"
    shutil.copytree(_module(recipe, source, go, environment), copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    page = copy / recipe.page
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<!doctype html><title>no user interface in the test bed</title>\n")
    _run([str(go), "mod", "edit", f"-replace={recipe.module}=./module"], source, environment)


def _run(command: list[str], where: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[1:4])} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
    return done.stdout


def _tell_progress(name: str, lines: list[str], done: threading.Event, say: Say) -> None:
    began = time.monotonic()
    while not done.wait(_SAY_EVERY_S):
        doing = f"{compiled} packages compiled" if (compiled := _compiled(lines)) else "fetching modules"
        say(f"{name}: {doing}, {_span(began)}")


def _compiled(lines: list[str]) -> int:
    return sum(not line.startswith(("go: ", "#")) for line in lines)


def _span(began: float) -> str:
    seconds = round(time.monotonic() - began)
    return f"{seconds // 60} min {seconds % 60:02d} s"


@contextmanager
def _alone(lock: Path, when_waiting: Callable[[], None]) -> Iterator[None]:
    with lock.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            when_waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Build everything that is missing; what tests wait for longest comes first. Exit status 1 when something cannot be had."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends Go's compiler too
    failed = False
    for recipe in sorted(ALL, key=lambda one: one is not KUBERNETES):
        try:
            ensure(recipe)
        except BuildError as error:
            say(f"{recipe.name} cannot be had: {error}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
