"""What some tests need and a machine may lack. Such a test is `not run`, as the last line says; under `CI_REQUIRE_REAL=1` it fails."""

import os
from typing import NoReturn

import pytest

NOT_RUN = "NOT RUN: "


def not_run(reason: str) -> NoReturn:
    """End the test that needs what is not here."""
    if os.environ.get("CI_REQUIRE_REAL") == "1":
        pytest.fail(f"CI_REQUIRE_REAL=1, but {reason}", pytrace=False)
    pytest.skip(NOT_RUN + reason)


def was_not_run(report: pytest.CollectReport | pytest.TestReport) -> str | None:
    """The reason, if it ended so."""
    if report.skipped and isinstance(report.longrepr, tuple):
        _, found, reason = str(report.longrepr[2]).rpartition(NOT_RUN)
        return reason if found else None
    return None
