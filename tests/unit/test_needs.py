"""A test whose needs are not met says so, and fails where they must be met."""

import pytest

from tests.support.needs import NOT_RUN, not_run, was_not_run


def report(reason: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid="a", location=("a", 1, "a"), keywords={}, outcome="skipped", longrepr=("a", 1, reason), when="setup"
    )


def test_it_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI_REQUIRE_REAL", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"{NOT_RUN}no prometheus"):
        not_run("no prometheus")


def test_it_fails_where_the_real_thing_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_REQUIRE_REAL", "1")
    with pytest.raises(pytest.fail.Exception, match="no prometheus"):
        not_run("no prometheus")


def test_what_a_machine_may_lack_is_only_listed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_REQUIRE_REAL", "1")
    with pytest.raises(pytest.skip.Exception, match=f"{NOT_RUN}no spin"):
        not_run("no spin", may_lack=True)


def test_what_was_not_run_is_told_apart_from_what_was_skipped() -> None:
    assert was_not_run(report(f"Skipped: {NOT_RUN}no prometheus")) == "no prometheus"
    assert was_not_run(report("Skipped: only on Windows")) is None
