"""Logs: every event and every field that the code writes is documented, and no other."""

import ast
from collections.abc import Iterator

from remediator.metrics import ALERT_RESULTS
from tests.docs.markdown import OPERATING, README, ROOT, first_column

LEVELS = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
LOGGERS = frozenset({"log", "bound", "structlog.contextvars"})

ALWAYS = {"event", "level", "timestamp", "exception"}
"""What the logging set-up adds."""
COUNTS = {*ALERT_RESULTS}
"""What ``**effects`` of the intake holds."""
ORDERS = {"approved", "rejected", "cancel_asked", "answered"}
"""Events of ``Operations._tell``, named by the order; documented in a sentence below the table."""


def calls() -> Iterator[tuple[ast.Call, str]]:
    """Every call on a logger in the program, and the method's name."""
    for path in sorted((ROOT / "remediator").rglob("*.py")):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if ast.unparse(node.func.value) in LOGGERS:
                yield node, node.func.attr


def bound_by_the_runner() -> set[str]:
    """Names in the dictionary that ``Runner._work`` binds to every line of a run."""
    tree = ast.parse((ROOT / "remediator" / "engine" / "runner.py").read_text())
    found = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "bound" and isinstance(node.value, ast.Dict)
    ]
    return {str(key.value) for key in found[0].keys if isinstance(key, ast.Constant)}


def of_the_banner() -> set[str]:
    """Names in the dictionary of ``app.banner``."""
    tree = ast.parse((ROOT / "remediator" / "app.py").read_text())
    [function] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "banner"]
    [returned] = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    assert isinstance(returned, ast.Dict)
    return {str(key.value) for key in returned.keys if isinstance(key, ast.Constant)}


def test_the_documented_fields_are_those_that_the_code_writes() -> None:
    named = {keyword.arg for call, _ in calls() for keyword in call.keywords if keyword.arg is not None}
    written = (named - {"exc_info"}) | ALWAYS | COUNTS | bound_by_the_runner() | of_the_banner()
    assert set(first_column(README, "Logs")) == written


def test_the_documented_events_are_those_that_the_code_writes() -> None:
    written = {
        str(call.args[0].value)
        for call, method in calls()
        if method in LEVELS and isinstance(call.args[0], ast.Constant)
    }
    assert set(first_column(OPERATING, "Log events")) == written
    assert all(f"`{event}`" in OPERATING.read_text() for event in ORDERS)


def test_events_are_fixed_words() -> None:
    elsewhere = {ast.unparse(call.args[0]) for call, method in calls() if method in LEVELS} - {
        repr(event) for event in first_column(OPERATING, "Log events")
    }
    assert elsewhere == {"event"}, "Operations._tell names its event by the order; everything else is a constant"
