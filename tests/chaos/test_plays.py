"""Several replicas under kill, freeze, partition and trouble with the database: nothing acknowledged is lost, nothing is done twice,
nothing is left hanging, and no replica acts without its lease."""

import os
from pathlib import Path

import pytest

from tests.chaos import database_trouble, disturbances
from tests.chaos.disturbances import Disturbance
from tests.chaos.play import play
from tests.chaos.tcp_proxy import Network
from tests.crash.nursery import Nursery
from tests.support.database_server import DatabaseServer, own_server

pytestmark = [pytest.mark.crash, pytest.mark.slow]

_SEED = os.environ.get("REMEDIATOR_CRASH_SEED", "1")

ON_POSTGRESQL: dict[str, Disturbance] = {
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
TO_THE_SERVER: dict[str, Disturbance] = {
    "restarted": database_trouble.restarted,
    "sessions ended": database_trouble.sessions_ended,
    "crowded": database_trouble.crowded,
    "stalled": database_trouble.stalled,
}
ON_SQLITE: dict[str, Disturbance] = {
    "killed at random": disturbances.killed_at_random,
    "killed at points": disturbances.killed_at_points,
    "frozen at points": disturbances.frozen_at_points,
    "cut off from the cluster": disturbances.cut_off("kubernetes", Network.SILENT),
    "cut off from PagerDuty": disturbances.nobody_reaches("pagerduty", Network.SILENT),
    "clocks step": disturbances.clocks_step,
}


@pytest.mark.real
@pytest.mark.parametrize("name", ON_POSTGRESQL)
async def test_on_postgresql(name: str, tmp_path: Path, nursery: Nursery, server: DatabaseServer) -> None:
    async with nursery.attached():
        await play(ON_POSTGRESQL[name], tmp_path / "play", nursery, seed=f"{_SEED}:{name}", server=server)


@pytest.mark.real
@pytest.mark.parametrize("name", TO_THE_SERVER)
async def test_with_the_server_in_trouble(name: str, tmp_path: Path, nursery: Nursery) -> None:
    with own_server(durable=True, settings=database_trouble.CROWDED) as server:
        async with nursery.attached():
            await play(TO_THE_SERVER[name], tmp_path / "play", nursery, seed=f"{_SEED}:{name}", server=server)


@pytest.mark.parametrize("name", ON_SQLITE)
async def test_on_sqlite(name: str, tmp_path: Path, nursery: Nursery) -> None:
    async with nursery.attached():
        await play(ON_SQLITE[name], tmp_path / "play", nursery, seed=f"{_SEED}:{name}", server=None)
