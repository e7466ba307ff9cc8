"""A wall clock that a test steps from outside the process, as an administrator or a broken NTP server does."""

from datetime import datetime, timedelta
from pathlib import Path

from remediator.clock import SystemClock


class SteppedClock(SystemClock):
    """The machine's clocks; the wall clock is wrong by the seconds that stand in a file. Time since boot never steps."""

    def __init__(self, offset: Path) -> None:
        self._offset = offset

    def now(self) -> datetime:
        try:
            offset_s = float(self._offset.read_text())
        except FileNotFoundError:  # not stepped yet
            offset_s = 0.0
        return super().now() + timedelta(seconds=offset_s)


def step(offset: Path, seconds: float) -> None:
    """From now on the wall clock of whoever reads this file is wrong by so much."""
    new = offset.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(offset)
