"""What some tests need and a machine may lack. Such a test is `not run`, as the last line says; under `CI_REQUIRE_REAL=1` it fails."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.controlplane import build
from tests.controlplane.toolchain import BuildError

NOT_RUN = "NOT RUN: "

Programs = Callable[[str], list[str]]
"""The command line that starts a program of the test bed. It is built if need be; where it cannot be, the test is not run."""


def not_run(reason: str, *, may_lack: bool = False) -> NoReturn:
    """End the test that needs what is not here. ``may_lack``: also where what is real is required, it is only listed."""
    if os.environ.get("CI_REQUIRE_REAL") == "1" and not may_lack:
        pytest.fail(f"CI_REQUIRE_REAL=1, but {reason}", pytrace=False)
    pytest.skip(NOT_RUN + reason)


def was_not_run(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """The reason, if it ended so."""
    if report.skipped and isinstance(report.longrepr, tuple):
        _, found, reason = str(report.longrepr[2]).rpartition(NOT_RUN)
        return reason if found else None
    return None


def programs(say: build.Say) -> Programs:
    """Each is looked for once."""
    failed: dict[str, str] = {}

    def find(program: str) -> list[str]:
        if (found := build.command(program)) is not None:
            return found
        recipe = build.recipe_of(program)
        if recipe.name not in failed:
            try:
                build.ensure(recipe, say)
            except BuildError as error:
                failed[recipe.name] = str(error)
        if (found := build.command(program)) is None:
            not_run(f"no {program}: {failed[recipe.name]}")
        return found

    return find


def teller(config: pytest.Config) -> build.Say:
    """Speaks to the terminal past the capture, also from a worker: a build takes minutes."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\ntest bed: {line}", file=sys.stderr, flush=True)

    return say
