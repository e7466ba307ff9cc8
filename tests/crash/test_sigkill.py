"""SIGKILL at every point, then a fresh start: nothing acknowledged is lost, nothing is done twice, nothing is left hanging.

A first play of each scenario, without a kill, writes down which points it passes. Then it is played again for each of them, and the
process is killed there. ``REMEDIATOR_CRASH_ALL=1`` kills at every time that a point is passed, not only at some.
``REMEDIATOR_CRASH_SEED`` makes another choice, ``REMEDIATOR_CRASH_AT_ONCE`` plays more at once (4).
``REMEDIATOR_CRASH_ONLY=<scenario>:<point>:<nth>[,<point>:<nth>]`` plays one alone; failures print it.
"""

from pathlib import Path

import pytest

from tests.crash import killing, points
from tests.crash.nursery import Nursery
from tests.crash.scenarios import SCENARIOS

pytestmark = [pytest.mark.crash, pytest.mark.slow]

_died_at: dict[str, set[str]] = {}
"""Points at which a process really died, by scenario."""


@pytest.mark.parametrize("name", SCENARIOS)
async def test_killed_anywhere_it_loses_nothing_and_repeats_nothing(
    name: str, tmp_path: Path, nursery: Nursery
) -> None:
    async with nursery.attached():
        chosen = (
            killing.only(name) if killing.ONLY else killing.kills_for(name, await killing.passed(tmp_path, nursery))
        )
        if not chosen:
            pytest.skip(f"REMEDIATOR_CRASH_ONLY={killing.ONLY}")
        _died_at[name] = await killing.played({name: chosen}, tmp_path, nursery)


async def test_on_postgresql_neither(tmp_path: Path, nursery: Nursery, database_server: str) -> None:
    """All scenarios at once, since each waits much of its time: a lease must be over before a run is taken over there."""
    async with nursery.attached():
        passed = await killing.passed(tmp_path, nursery)
        chosen = {
            name: killing.only(name) if killing.ONLY else killing.some_of(name, killing.kills_for(name, passed))
            for name in killing.ON_POSTGRESQL
        }
        await killing.played(chosen, tmp_path, nursery, server=database_server)


async def test_every_point_of_the_code_is_passed_and_killed_at(tmp_path: Path, nursery: Nursery) -> None:
    """Last, so that it knows all kills; without the tests above (``-k``) it only asks what the scenarios pass."""
    known = set(points.enumerated())
    async with nursery.attached():
        passed = await killing.passed(tmp_path, nursery)
        reached = {point for points_passed in passed.values() for point in points_passed}
        assert known - reached == set(), "no scenario passes these points: write one"
        assert reached - known == set(), "points.py does not find these in the code"
        if _died_at.keys() == SCENARIOS.keys() and not killing.ONLY:
            # The last pass that was chosen does not come in every play.
            missed = known - set().union(*_died_at.values())
            died = await killing.played(killing.at_first(missed, passed), tmp_path, nursery) if missed else set()
            assert missed - died == set(), "never really killed at"
