"""Several replicas under kill, freeze, partition and trouble with the database: nothing acknowledged is lost, nothing is done twice,
nothing is left hanging, and no replica acts without its lease."""

import os
from pathlib import Path

import pytest

from tests.chaos import disturbances
from tests.chaos.disturbances import Disturbance
from tests.chaos.play import play
from tests.chaos.tcp_proxy import Network
from tests.crash.nursery import Nursery
from tests.support.database_server import DatabaseServer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

_SEED = os.environ.get("REMEDIATOR_CRASH_SEED", "1")

PLAYS: dict[str, Disturbance] = {
    "killed at random": disturbances.killed_at_random,
    "killed at points": disturbances.killed_at_points,
    "frozen at points": disturbances.frozen_at_points,
    "frozen at random": disturbances.frozen_at_random,
    "cut off from the store": disturbances.cut_off("store", Network.SILENT),
    "refused by the store": disturbances.cut_off("store", Network.REFUSED),
    "slow store": disturbances.slow_store,
    "cut off from the cluster": disturbances.cut_off("kubernetes", Network.SILENT),
    "cut off from PagerDuty": disturbances.nobody_reaches("pagerduty", Network.SILENT),
    "cut off from Alertmanager": disturbances.cut_off("alertmanager", Network.REFUSED),
    "clocks step": disturbances.clocks_step,
}


@pytest.mark.parametrize("name", PLAYS)
async def test_on_postgresql(name: str, tmp_path: Path, nursery: Nursery, server: DatabaseServer) -> None:
    async with nursery.attached():
        await play(PLAYS[name], tmp_path / "play", nursery, seed=f"{_SEED}:{name}", server=server)
