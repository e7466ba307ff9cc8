"""``remediator demo`` as people run it: a real process, its output, its exit code, and nothing left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

from tests.support.needs import NOT_RUN

pytestmark = [pytest.mark.slow, pytest.mark.serial]

PROGRAM = "from remediator.cli import main; main()"
NEVER_CURED = """
from remediator.sandbox.world import World
sicken = World.sicken
def for_good(self, namespace, name, behaviour="crash-until-restart", **more):
    sicken(self, namespace, name, "crash-loop", **more)
World.sicken = for_good
"""
LONGEST_S = 240.0
"""It takes half a minute; a machine that is busy with other tests may need much longer."""


class Demo:
    """The running process; its lines as they come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._coming: Queue[str | None] = Queue()
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._coming.put(line.rstrip("\n"))
        self._coming.put(None)

    def until(self, words: str, *, within_s: float = LONGEST_S) -> list[str]:
        """The lines up to the first that holds these words, counted from the last call."""
        begun, give_up_at = len(self.lines), time.monotonic() + within_s
        while True:
            try:
                line = self._coming.get(timeout=max(0.0, give_up_at - time.monotonic()))
            except Empty:
                pytest.fail(f"no line with {words!r} in {within_s:.0f} s:\n" + "\n".join(self.lines))
            if line is None:
                pytest.fail(f"it ended without a line with {words!r}:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if words in line:
                return self.lines[begun:]

    def end(self, *, within_s: float = LONGEST_S) -> int:
        """The exit code; every line is in ``lines`` then."""
        code = self.process.wait(timeout=within_s)
        while (line := self._coming.get(timeout=10)) is not None:
            self.lines.append(line)
        return code

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@contextmanager
def demo(directory: Path, *options: str, before: str = "") -> Iterator[Demo]:
    """Started on a free port, with its temporary files in ``directory``; killed if the test leaves it running."""
    with subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, "demo", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env={**os.environ, "TMPDIR": str(directory), "PYTHONUTF8": "1"},
        cwd=directory,
    ) as process:
        try:
            yield Demo(process)
        finally:
            if process.poll() is None:
                process.kill()


def test_every_scene_goes_as_told_and_nothing_is_left_behind(tmp_path: Path) -> None:
    begun = time.monotonic()
    with demo(tmp_path, "--once") as shown:
        first = shown.until("== 2/5")
        second = shown.until("== 3/5")
        third = shown.until("== 4/5")
        shown.until("== 5/5")
        assert shown.end() == 0, shown.text
    assert time.monotonic() - begun < LONGEST_S
    _in_order(
        first,
        "its pods crash-loop",
        "Alertmanager delivers ServiceDown firing; answered 200",
        "service-down: RUN",
        "restart the 3 pods of deployment shop/checkout",
        "rolling out",
        "service-down ended verified",
        "closed:",
        "restarted exactly once",
        "nobody was paged",
    )
    _in_order(second, "service-down: DENY, and waits", "cooldown 15m, free at", "still restarted only once")
    _in_order(
        third,
        "rollout-stuck: RUN",
        "rollout-stuck ended refuted",
        "the page tells what was tried",
        "PagerDuty #1, critical, triggered",
        "tried:",
        "kubernetes.rollout_restart: restart the 3 pods of deployment shop/payments: done",
    )
    _in_order(
        shown.lines,
        "database-failover: ",
        "fail rds-instance orders over",
        "nothing is sent before somebody says yes",
        "remediator approve run_",
        "done: AWS took the change",
        "database-failover ended verified",
        "failed over exactly once",
    )
    assert re.search(r"new 0, repeats 1.*runs: 2 before, 2 after.*pages: 1 before, 1 after", shown.text, re.DOTALL)
    assert "All 5 scenes went as told" in shown.text
    assert "\x1b" not in shown.text  # plain lines where there is no terminal
    assert list(tmp_path.iterdir()) == []


def test_a_restart_that_never_cures_ends_it_with_what_was_expected_and_what_was_seen(tmp_path: Path) -> None:
    with demo(tmp_path, "--once", before=NEVER_CURED) as shown:
        assert shown.end(within_s=2 * LONGEST_S) == 1, shown.text
    assert re.search(r"expected\s+the run ends verified", shown.text), shown.text
    assert re.search(r"seen\s+it ended refuted", shown.text), shown.text
    assert "2/5" not in shown.text
    [kept] = tmp_path.iterdir()
    assert str(kept / "service.log") in shown.text
    assert '"event":"run_ended"' in (kept / "service.log").read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason=f"{NOT_RUN}no curl on this machine")
def test_it_keeps_serving_and_the_printed_commands_work_as_pasted_until_sigterm(tmp_path: Path) -> None:
    with demo(tmp_path) as shown:
        lines = shown.until("playbooks that are read again")
        begin = next(number for number, line in enumerate(lines) if line.startswith("curl "))
        end = next(number for number, line in enumerate(lines) if number > begin and not line)
        answer = subprocess.run(
            ["sh", "-c", "\n".join(lines[begin:end])], capture_output=True, text=True, check=True, timeout=30
        )
        assert '"new":1' in answer.stdout, answer
        told = shown.until("ServiceDown on shop/catalog: closed")
        _in_order(told, "incident opened", "service-down: RUN", "shop/catalog: rolling out", "ended verified")

        listed = _look_around(lines, "incidents \\")
        assert re.search(r"closed\s.*ServiceDown on shop/catalog", listed), listed
        assert re.search(r"open\s.*RolloutStuck on shop/payments", listed), listed
        assert "refuted" in _look_around(lines, "incidents inc_")

        shown.process.send_signal(signal.SIGTERM)
        assert shown.end() == 0, shown.text
    assert "Traceback" not in shown.text
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_in_the_middle_ends_it_cleanly(tmp_path: Path) -> None:
    with demo(tmp_path, "--once") as shown:
        shown.until("service-down: RUN")
        shown.process.send_signal(signal.SIGINT)
        assert shown.end() == 130, shown.text
    assert "Traceback" not in shown.text
    assert list(tmp_path.iterdir()) == []


def _look_around(lines: list[str], command: str) -> str:
    """What a printed command says; it goes on in the line after it."""
    number = next(number for number, line in enumerate(lines) if f"remediator {command}" in line)
    arguments = f"{lines[number].partition('remediator ')[2].removesuffix(chr(92))} {lines[number + 1]}".split()
    program = [sys.executable, "-c", PROGRAM]  # the console script need not be on this machine's path
    return subprocess.run([*program, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def _in_order(lines: list[str], *words: str) -> None:
    """Each of these words stands in a line after that of the one before."""
    rest = iter(lines)
    for word in words:
        assert any(word in line for line in rest), f"{word!r} is missing, or too early, in:\n" + "\n".join(lines)
