"""The test bed as a process: how fast it starts, and that nothing is left when its owner is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.controlplane import shared
from tests.support.needs import Programs

ROOT = Path(__file__).parents[2]
OWNER = """
import time
from tests.controlplane import shared
owner = shared.Owner()
began = time.monotonic()
shared.control_plane(print)
print(shared.os.environ[shared.DIRECTORY], time.monotonic() - began, flush=True)
time.sleep(600)
"""
STARTED_WITHIN_S = 20.0


def until(holds: Callable[[], bool], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def processes_of(directory: str) -> list[str]:
    """Command lines that name it."""
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if directory in line]


@pytest.mark.slow
def test_it_starts_in_time_and_ends_when_its_owner_is_killed(program: Programs) -> None:
    program("kube-scheduler")
    environment = {key: value for key, value in os.environ.items() if key != shared.DIRECTORY}
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        try:
            directory, took_s = owner.stdout.readline().split()
            assert float(took_s) < STARTED_WITHIN_S
            assert len(processes_of(directory)) == 5  # four of Kubernetes and ours
        finally:
            owner.send_signal(signal.SIGKILL)
    assert until(lambda: processes_of(directory) == [], 15.0), processes_of(directory)
    assert until(lambda: not Path(directory).exists(), 5.0)
