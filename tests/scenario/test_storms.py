"""Storms against ``remediator serve`` as a process, while a run is under way and a critical alert comes in the middle.

What must hold, and is measured: memory stays within a bound over the idle process, heartbeats and the journal are not starved, every
answer is 200 or 503, comes in time, and every 200 is in the store after a kill. ``REMEDIATOR_SOAK=1`` blows harder; ``-s`` shows the
figures.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from remediator.sandbox.world import World
from remediator.store.database import open_store
from remediator.store.schema import episodes
from tests.scenario.test_the_way_of_an_alert import crashing
from tests.support import alertmanager as am
from tests.support import vitals
from tests.support.needs import Programs
from tests.support.served import Served
from tests.support.service import API_TOKEN, RESTART, TOKEN, body, firing, settings_document
from tests.support.storm import Blown, Storm, blowing

pytestmark = [pytest.mark.slow, pytest.mark.serial]

SOAK = os.environ.get("REMEDIATOR_SOAK") == "1"
GONE = {"alertname": "ServiceDown", "namespace": "shop", "deployment": "gone"}
"""Labels of noise that a playbook matches, so that each alert asks the cluster."""

MEMORY_MB = 80.0
"""What a storm may take over the idle process; measured were 5 to 50."""
ANSWER_S = 15.0
"""The longest that an answer may take: after that Alertmanager's peers send it again. Two time-outs of a commit, and the reading."""
STARVED_S = 3.0 if SOAK else 1.0
"""Heartbeats and journal writes: the 99th percentile of the wait for their turn, beside what the machine keeps from the process. It is
a third of the lease of these settings; a harder storm on a machine that does other things besides has the whole lease."""
STALLED_S = 1.0
"""The event loop: the 99th percentile of its lag. Quiet machines show a tenth."""
FIRST_CALL_S = 10.0
"""From a critical alert's delivery in the middle of the storm to its write in the cluster, where an idle process takes 0.3 s."""

STORMS = {
    "one group of 10,000": Storm(0, TOKEN, "group", connections=1, bodies=1, alerts=10_000),
    "many groups at once": Storm(
        0, TOKEN, "groups", connections=500 if SOAK else 300, bodies=1_000, alerts=20 if SOAK else 4
    ),
    "many that ask the cluster": Storm(0, TOKEN, "asking", connections=100, bodies=2_000 if SOAK else 400, labels=GONE),
    "the same over and over": Storm(0, TOKEN, "same", connections=200, bodies=100_000 if SOAK else 6_000, same=True),
}


@dataclass
class House:
    """The service, its world, and what is looked at from outside."""

    world: World
    served: Served
    store_url: str
    session: aiohttp.ClientSession

    async def alert(self, deployment: str) -> None:
        """Critical, and remedied by a restart."""
        alert = firing(namespace="shop", deployment=deployment)
        async with self.session.post(f"{self.served.url}/webhook/alertmanager", json=body(alert)) as answer:
            assert answer.status == 200, await answer.text()

    async def called(self, deployment: str, within_s: float) -> float:
        """Seconds until the workload has been written to."""
        began = time.monotonic()
        async with asyncio.timeout(within_s):
            while not self.world.kubernetes.changes("deployments", "shop", deployment, "spec.template"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # it looks at what another process does
        return time.monotonic() - began

    async def runs_ended(self, count: int, within_s: float = 60.0) -> list[dict[str, Any]]:
        async with asyncio.timeout(within_s):
            while True:
                runs: list[dict[str, Any]] = (await self.served.get("runs"))["runs"]
                if len(runs) >= count and all(run["state"] == "ended" for run in runs):
                    return runs
                await asyncio.sleep(0.2)

    async def stored(self) -> set[str]:
        """The fingerprints in the store; no process may use it."""
        store = await open_store(self.store_url)
        async with store.read() as connection:
            found = set((await connection.execute(select(episodes.c.fingerprint))).scalars())
        await store.close()
        return found


@asynccontextmanager
async def house(directory: Path, store_url: str, **store: Any) -> AsyncIterator[House]:
    """Two workloads that crash until they are restarted, and a service that may do that."""
    (directory / "playbooks").mkdir()
    (directory / "playbooks" / "restart.yaml").write_text(RESTART)
    async with World(speed=4) as world, aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        for name in ("checkout", "cart"):
            await crashing(world, name)
        document = settings_document(world, directory)
        served = Served(directory, {**document, "store": {"url": store_url, **store}}, API_TOKEN)
        try:
            await served.start()
            yield House(world, served, store_url, session)
        finally:
            await served.end()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.real, pytest.mark.live])])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty store."""
    if request.param == "postgresql":
        found: str = request.getfixturevalue("database_url")
        return found
    return f"sqlite:///{tmp_path}/remediator.sqlite"


@pytest.mark.parametrize("kind", STORMS)
async def test_a_storm_harms_neither_the_run_under_way_nor_what_comes_in_the_middle(
    tmp_path: Path, url: str, kind: str
) -> None:
    async with house(tmp_path, url) as at:
        idle_mb = vitals.memory_mb(at.served.pid)
        await at.alert("checkout")
        storm = replace(STORMS[kind], port=at.served.port)
        async with blowing(storm, tmp_path) as blown:
            await asyncio.sleep(0.5)  # into the storm
            await at.alert("cart")
            first_call_s = await at.called("cart", within_s=FIRST_CALL_S)
            told = await blown
        seen = await vitals.metrics(at.served.url)
        more_mb = vitals.memory_mb(at.served.pid) - idle_mb
        show(kind, told, seen, more_mb=more_mb, first_call_s=first_call_s)
        assert_answers(told)
        assert len(told.stored) == (1 if storm.same else storm.bodies * storm.alerts)
        assert more_mb <= MEMORY_MB
        assert seen.quantile("remediator_loop_lag_seconds", 0.99) <= STALLED_S
        assert heartbeat_and_journal_p99(seen) <= STARVED_S + seen.quantile("remediator_loop_lag_seconds", 1.0)
        await at.served.kill()
        stored = await at.stored()
        assert set(told.stored) <= stored
        await at.served.start()
        runs = await at.runs_ended(2)
        assert {run["outcome"] for run in runs} == {"verified"}
        for name in ("checkout", "cart"):
            assert len(at.world.kubernetes.changes("deployments", "shop", name, "spec.template")) == 1


async def test_what_the_store_cannot_take_is_answered_503_in_time_and_what_was_answered_200_is_there(
    tmp_path: Path,
) -> None:
    """The disk is in somebody else's hands three times for a while, and few may wait."""
    url = f"sqlite:///{tmp_path}/remediator.sqlite"
    async with house(tmp_path, url, commit_timeout="500ms", queue=50) as at:
        storm = Storm(at.served.port, TOKEN, "refused", connections=100, bodies=250, alerts=2)
        async with blowing(storm, tmp_path) as blown:
            other = sqlite3.connect(tmp_path / "remediator.sqlite", isolation_level=None)
            for _ in range(3):
                other.execute("BEGIN IMMEDIATE")
                await asyncio.sleep(0.8)
                other.execute("ROLLBACK")
                await asyncio.wait({blown}, timeout=0.8)
            other.close()
            told = await blown
        assert_answers(told)
        assert told.answers.get("503", 0) > 0
        assert told.answers["200"] == storm.bodies
        assert told.slowest_s["503"] <= 3.0
        await at.served.kill()
        assert set(told.stored) <= await at.stored()


async def test_a_cluster_that_does_not_answer_holds_up_no_critical_alert(tmp_path: Path) -> None:
    """Each look at the low alerts' target takes as long as a request may, and there are far more than may look at once."""
    async with house(tmp_path, f"sqlite:///{tmp_path}/remediator.sqlite") as at:
        at.world.kubernetes.faults.add(match="GET /apis/apps/v1/namespaces/shop/*/gone", kind="delay 5", times=100_000)
        storm = Storm(at.served.port, TOKEN, "slow", connections=20, bodies=1, alerts=300, labels=GONE)
        async with blowing(storm, tmp_path) as blown:
            assert (await blown).answers == {"200": 1}
            await at.alert("checkout")
            assert await at.called("checkout", within_s=FIRST_CALL_S) < 3.0


async def test_a_real_alertmanager_delivers_the_rest_after_it_was_refused(tmp_path: Path, program: Programs) -> None:
    groups = 1_000 if SOAK else 300
    async with house(tmp_path, f"sqlite:///{tmp_path}/remediator.sqlite", commit_timeout="500ms") as at:
        other = sqlite3.connect(tmp_path / "remediator.sqlite", isolation_level=None)
        async with am.running(_in_groups(at.served.url), tmp_path, program("alertmanager")) as alertmanager:
            other.execute("BEGIN IMMEDIATE")
            names = {f"host-{number}" for number in range(groups)}
            alerts = [{"labels": {"alertname": "Noise", "severity": "info", "host": name}} for name in sorted(names)]
            async with alertmanager.session.post(f"{alertmanager.url}/api/v2/alerts", json=alerts) as answer:
                assert answer.status == 200, await answer.text()
            await _until_refused(at, groups // 2)
            other.execute("ROLLBACK")
            began = time.monotonic()
            async with asyncio.timeout(40):
                while len(found := _hosts(other)) < groups:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.1)
            refused = await _refused(at)
        other.close()
        print(f"{groups} groups, {refused:.0f} refused, all there {time.monotonic() - began:.1f} s after the store was")
        assert found == names


def _in_groups(url: str) -> str:
    """Alertmanager's configuration: every host is a group."""
    return f"""
route: {{receiver: remediator, group_by: [alertname, host], group_wait: 0s, group_interval: 5s, repeat_interval: 1h}}
receivers:
  - name: remediator
    webhook_configs:
      - url: {url}/webhook/alertmanager
        http_config: {{authorization: {{type: Bearer, credentials: {TOKEN}}}, follow_redirects: false}}
"""


async def _until_refused(at: House, times: int) -> None:
    async with asyncio.timeout(60):
        while await _refused(at) < times:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.1)


async def _refused(at: House) -> float:
    return (await vitals.metrics(at.served.url)).value("remediator_webhook_requests_total", code="503")


def _hosts(database: sqlite3.Connection) -> set[str]:
    found = database.execute("SELECT labels ->> 'host' FROM episodes WHERE alertname = 'Noise'").fetchall()
    return {host for (host,) in found}


def assert_answers(told: Blown) -> None:
    """Every answer is a promise or a plea to come again, and there is one."""
    assert told.answers.keys() <= {"200", "503"}, told.answers
    assert told.without_retry_after == 0
    assert max(told.slowest_s.values()) <= ANSWER_S


def heartbeat_and_journal_p99(seen: vitals.Metrics) -> float:
    """The worst of their waits for a turn to write."""
    kinds = ("heartbeat", "begin_step", "end_step", "advance_run")
    return max(seen.quantile("remediator_commit_wait_seconds", 0.99, kind=kind) for kind in kinds)


def show(kind: str, told: Blown, seen: vitals.Metrics, *, more_mb: float, first_call_s: float) -> None:
    """The figures, for ``-s`` and for a test that fails."""
    lag = {share: seen.quantile("remediator_loop_lag_seconds", share) for share in (0.5, 0.99, 1.0)}
    print(
        f"{kind}: {told.answers} in {told.seconds:.1f} s, slowest {told.slowest_s}, memory +{more_mb:.0f} MB, "
        f"heartbeat and journal p99 <= {heartbeat_and_journal_p99(seen)} s, loop lag p50, p99, most <= {tuple(lag.values())} s, "
        f"first call after {first_call_s:.2f} s"
    )
