"""Reconciliation (S29) with a real Alertmanager whose webhooks lead nowhere: what it lists as told, muted, inhibited, for others."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remediator.alerts.severity import DEFAULT_LABEL_VALUES
from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.transport import Rules, open_session
from remediator.clock import SystemClock
from remediator.engine.intake import Intake
from remediator.engine.reconciliation import Reconciliation
from remediator.metrics import Metrics
from remediator.settings import Credential, Settings
from remediator.store import episodes
from remediator.store.database import Store, open_store
from tests.support import alertmanager as am
from tests.support.clock import ManualClock
from tests.support.needs import Programs

pytestmark = [pytest.mark.real, pytest.mark.slow]

CONFIG = """
route:
  receiver: people
  group_by: [alertname]
  group_wait: 10ms
  group_interval: 100ms
  routes:
    - {matchers: ['alertname="Others"'], receiver: remediator-of-others}
    - {matchers: ['alertname="Dots"'], receiver: remediatorXx}
    - {matchers: ['alertname="Muted"'], receiver: "remediator.x", mute_time_intervals: [always], continue: true}
    - {matchers: ['alertname="Muted"'], receiver: "remediator.y"}
    - {matchers: ['alertname!="Elsewhere"'], receiver: "remediator.x", group_by: [alertname, service], continue: true}
    - {matchers: ['alertname="Twice"'], receiver: "remediator.x"}
time_intervals:
  - {name: always, time_intervals: [{days_of_month: ["1:31"]}]}
inhibit_rules:
  - {source_matchers: ['alertname="Cause"'], target_matchers: ['alertname="Effect"'], equal: [service]}
receivers:
  - name: people
  - {name: remediatorXx, webhook_configs: [{url: "http://127.0.0.1:9/"}]}
  - {name: remediator-of-others, webhook_configs: [{url: "http://127.0.0.1:9/"}]}
  - {name: "remediator.y", webhook_configs: [{url: "http://127.0.0.1:9/"}]}
  - {name: "remediator.x", webhook_configs: [{url: "http://127.0.0.1:9/"}]}
"""
SHOP = {"service": "shop", "severity": "critical"}
TRUSTED = timedelta(minutes=10)


@dataclass
class Bench:
    store: Store
    clock: ManualClock
    real: am.Alertmanager
    reconciliation: Reconciliation

    async def passes(self, times: int = 1) -> None:
        for _ in range(times):
            await self.reconciliation.reconcile("prod")
            await self.clock.advance(60)

    async def states(self) -> Mapping[str, str]:
        async with self.store.read() as connection:
            ids = list((await connection.exec_driver_sql("SELECT id FROM episodes")).scalars())
            return {row.alertname: row.state for row in (await episodes.many(connection, ids)).values()}

    async def listed(self, count: int, *, muted: int = 0) -> None:
        """Wait until it has so many alerts in its groups, so many of them muted: both are known only once a group was to be told."""
        async with asyncio.timeout(60):
            while True:
                async with self.real.session.get(f"{self.real.url}/api/v2/alerts/groups") as answer:
                    groups = await answer.json()
                shown: dict[str, bool] = {}
                for alert in (alert for group in groups for alert in group["alerts"]):
                    shown[alert["fingerprint"]] = shown.get(alert["fingerprint"], False) or bool(
                        alert["status"].get("mutedBy")
                    )
                if len(shown) == count and sum(shown.values()) == muted:
                    return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def bench(
    directory: Path, program: Programs, *, up_for: timedelta = TRUSTED, receivers: Sequence[str] = ("remediator.x",)
) -> AsyncIterator[Bench]:
    """Our clock runs ahead of Alertmanager's, so that it seems to be up for so long and its alerts to fire for so long."""
    clock = ManualClock(datetime.now(UTC) + up_for)
    async with am.running(CONFIG, directory, program("alertmanager")) as real:
        peers = {"urls": [real.url], "receivers": list(receivers)}
        source = {"credential": {"token": "t"}, "alertmanager": peers}
        settings = Settings.model_validate({"sources": {"prod": source}})
        store = await open_store(f"sqlite:///{directory}/r.sqlite")
        intake = Intake(
            store=store,
            clock=clock,
            metrics=Metrics(),
            on_stored=lambda: None,
            on_owed=lambda: None,
            severities=DEFAULT_LABEL_VALUES,
        )
        async with open_session(Rules("read", SystemClock(), 5.0, loopback_only=True)) as session:
            reconciliation = Reconciliation(
                store=store,
                clock=clock,
                metrics=Metrics(),
                settings=settings,
                intake=intake,
                alertmanagers={"prod": AlertmanagerPeers([real.url], Credential(), session, 5.0, clock, watchdog=None)},
                prometheus=lambda _source, _labels: None,
                on_changed=lambda: None,
            )
            async with asyncio.TaskGroup() as group:
                group.create_task(intake.run())
                yield Bench(store, clock, real, reconciliation)
                intake.stop()
        await store.close()


async def test_exactly_what_our_receiver_is_told_is_taken_in(tmp_path: Path, program: Programs) -> None:
    async with bench(tmp_path, program) as at:
        for name in ("Down", "Twice", "Others", "Dots", "Elsewhere", "Muted", "Cause", "Effect"):
            await at.real.push(name, SHOP)
        await at.listed(8, muted=1)
        await at.passes(2)
        assert await at.states() == dict.fromkeys(("Down", "Twice", "Cause"), "open")


@pytest.mark.parametrize("receivers", [("remediator.x", "remediator.y"), ("remediator.y", "remediator.x")])
async def test_what_one_of_our_receivers_is_told_is_told(
    tmp_path: Path, program: Programs, receivers: Sequence[str]
) -> None:
    async with bench(tmp_path, program, receivers=receivers) as at:
        await at.real.push("Muted", SHOP)
        await at.listed(1, muted=1)
        await at.passes()
        assert await at.states() == {"Muted": "open"}


async def test_what_ends_unheard_is_closed_and_what_only_nobody_is_told_of_is_not(
    tmp_path: Path, program: Programs
) -> None:
    async with bench(tmp_path, program) as at:
        await at.real.push("Effect", SHOP)
        await at.real.push("Down", SHOP)
        await at.listed(2)
        await at.passes()
        await at.real.push("Cause", SHOP)
        await at.real.silence('alertname="Down"')
        await at.listed(3)
        await at.passes(3)
        assert await at.states() == dict.fromkeys(("Down", "Effect", "Cause"), "open"), "silenced, inhibited: they fire"
        for name in ("Down", "Effect"):
            await at.real.push(name, SHOP, resolved=True)
        await at.listed(1)
        await at.passes(2)
        assert await at.states() == {"Down": "closed", "Effect": "closed", "Cause": "open"}


async def test_one_that_has_just_started_proves_nothing_by_its_empty_list(tmp_path: Path, program: Programs) -> None:
    async with bench(tmp_path, program) as at:
        await at.real.push("Down", SHOP)
        await at.listed(1)
        await at.passes()
        assert await at.states() == {"Down": "open"}
    for left in (tmp_path / "data").iterdir():
        left.unlink()
    async with bench(tmp_path, program, up_for=timedelta(seconds=30)) as at:
        await at.passes(4)
        assert await at.states() == {"Down": "open"}
        await at.passes(4)
        assert await at.states() == {"Down": "closed"}
