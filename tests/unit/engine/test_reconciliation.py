"""Comparing Alertmanager's list with the store (S29): simulated Alertmanagers, the real client, a real file, time in our hands."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediator.alerts.severity import DEFAULT_LABEL_VALUES
from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.prometheus import PrometheusClient
from remediator.clients.transport import Rules, open_session
from remediator.clock import SystemClock
from remediator.engine.intake import Intake
from remediator.engine.reconciliation import Reconciliation
from remediator.errors import FactsMissingError
from remediator.metrics import Metrics
from remediator.sandbox import alertmanager_api
from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.fingerprints import fingerprint
from remediator.sandbox.prometheus import Prometheus, Rule
from remediator.sandbox.webhook_delivery import Webhook
from remediator.settings import Credential, Settings
from remediator.store import episodes
from remediator.store.database import Store, open_store
from remediator.store.episodes import EpisodeRow
from tests.support.clock import ManualClock
from tests.support.service import body, firing

DOWN = {"alertname": "ServiceDown", "severity": "critical", "namespace": "shop", "deployment": "checkout"}
CART = {**DOWN, "deployment": "cart"}
MINUTE = 60.0


@dataclass
class Bench:
    """Two peers of one cluster, whose webhooks lead nowhere, and a reconciliation that is called by hand."""

    store: Store
    clock: ManualClock
    intake: Intake
    metrics: Metrics
    first: Alertmanager
    second: Alertmanager
    prometheus: Prometheus
    reconciliation: Reconciliation
    changed: list[None] = field(default_factory=list)

    def fire(self, labels: Mapping[str, str], *, since: timedelta = timedelta(hours=1), at: str = "both") -> None:
        for name, peer in (("first", self.first), ("second", self.second)):
            if at in (name, "both"):
                peer.push(labels, {"summary": "s"}, starts_at=datetime.now(UTC) - since)

    def resolve(self, labels: Mapping[str, str], *, at: str = "both") -> None:
        for name, peer in (("first", self.first), ("second", self.second)):
            if at in (name, "both"):
                peer.resolve(labels)

    async def deliver(self, labels: Mapping[str, str], **more: Any) -> None:
        """The webhook that was not lost."""
        told = firing(starts_at=datetime.now(UTC) - timedelta(hours=1))
        told |= {"labels": dict(labels), "fingerprint": fingerprint(labels)}
        await self.intake.take("prod", json.dumps(body(told | more)).encode())

    async def passes(self, times: int = 1) -> None:
        """So many passes, a minute apart."""
        for _ in range(times):
            await self.reconciliation.reconcile("prod")
            await self.clock.advance(MINUTE)

    async def all(self) -> dict[str, EpisodeRow]:
        """By the label deployment, else alertname."""
        async with self.store.read() as connection:
            ids = list((await connection.exec_driver_sql("SELECT id FROM episodes ORDER BY id")).scalars())
            rows = (await episodes.many(connection, ids)).values()
        return {row.labels.get("deployment", row.alertname): row for row in rows}

    async def states(self) -> dict[str, str]:
        return {name: row.state for name, row in (await self.all()).items() if name != "Watchdog"}

    def counted(self, result: str) -> float:
        found = self.metrics.registry.get_sample_value("remediator_reconciled_alerts_total", {"result": result})
        assert found is not None
        return found


async def peer() -> Alertmanager:
    made = Alertmanager(up_for_s=3600)
    made.add_webhook(Webhook("http://127.0.0.1:9/", "remediator"))
    made.push({"alertname": "Watchdog", "severity": "none"})
    await made.start()
    return made


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = ManualClock(datetime.now(UTC))
    settings = Settings.model_validate(
        {"sources": {"prod": {"credential": {"token": "t"}, "alertmanager": {"urls": ["http://127.0.0.1:9"]}}}}
    )
    first, second, prometheus = await peer(), await peer(), Prometheus()
    prometheus.add_rule(Rule("ServiceDown", "up == 0"))
    await prometheus.start()
    store = await open_store(f"sqlite:///{tmp_path}/r.sqlite")
    metrics, changed = Metrics(), list[None]()
    intake = Intake(
        store=store,
        clock=clock,
        metrics=metrics,
        on_stored=lambda: None,
        on_owed=lambda: None,
        severities=DEFAULT_LABEL_VALUES,
    )
    async with open_session(Rules("read", SystemClock(), 2.0, loopback_only=True)) as session:
        both = AlertmanagerPeers([first.url, second.url], Credential(), session, 2.0, clock)
        metric = PrometheusClient(prometheus.url, Credential(), session, 2.0)
        reconciliation = Reconciliation(
            store=store,
            clock=clock,
            metrics=metrics,
            settings=settings,
            intake=intake,
            alertmanagers={"prod": both},
            prometheus=lambda _source, labels: None if labels.get("namespace") == "elsewhere" else metric,
            on_changed=lambda: changed.append(None),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(intake.run())
            yield Bench(store, clock, intake, metrics, first, second, prometheus, reconciliation, changed)
            intake.stop()
    await store.close()
    for made in (first, second):
        await made.stop()
    await prometheus.stop()


async def test_an_alert_whose_webhook_was_lost_is_taken_in(bench: Bench) -> None:
    await bench.passes()
    bench.fire(DOWN)
    await bench.passes()
    found = (await bench.all())["checkout"]
    assert (found.state, found.severity, found.annotations) == ("open", "critical", {"summary": "s"})
    assert found.confirmed_at == found.decide_again_at == found.first_received_at, "it may be acted upon at once"
    assert bench.counted("taken_in") == 1
    assert bench.changed


async def test_what_was_delivered_is_left_alone(bench: Bench) -> None:
    bench.fire(DOWN)
    await bench.deliver(DOWN)
    before = await bench.all()
    await bench.passes(3)
    assert (await bench.all())["checkout"] == before["checkout"]
    assert not bench.changed


async def test_a_young_alert_has_time_to_be_delivered(bench: Bench) -> None:
    await bench.passes()
    bench.fire(DOWN, since=timedelta(0))
    await bench.passes()
    assert await bench.states() == {}
    await bench.passes(2)
    assert await bench.states() == {"checkout": "open"}


async def test_the_first_pass_takes_in_few_and_these_are_only_watched(bench: Bench) -> None:
    for number in range(25):
        bench.fire({**DOWN, "deployment": f"d{number}"}, since=timedelta(hours=30 - number))
    await bench.reconciliation.reconcile("prod")
    found = await bench.all()
    assert set(found) == {f"d{number}" for number in range(20)}, "those that fire longest"
    now = bench.clock.now()
    for row in found.values():
        assert row.confirmed_at is None, "nothing may be done about it"
        assert row.decide_again_at is not None
        assert row.decide_again_at > now + timedelta(minutes=1)
    await bench.clock.advance(MINUTE)
    await bench.reconciliation.reconcile("prod")
    found = await bench.all()
    assert sum(name.startswith("d") for name in found) == 25
    assert all(row.confirmed_at == row.decide_again_at == bench.clock.now() for row in found.values())
    assert bench.counted("confirmed") == 20
    assert bench.counted("taken_in") == 25


async def test_a_delivery_ends_the_watching_at_once(bench: Bench) -> None:
    bench.fire(DOWN)
    await bench.reconciliation.reconcile("prod")
    await bench.deliver(DOWN)
    found = (await bench.all())["checkout"]
    assert found.confirmed_at == found.decide_again_at == bench.clock.now()


async def test_a_lost_resolution_closes_after_two_looks_that_agree(bench: Bench) -> None:
    await bench.deliver(DOWN)
    await bench.passes()
    assert await bench.states() == {"checkout": "open"}
    looked_at = bench.clock.now() - timedelta(minutes=1)
    await bench.passes()
    found = (await bench.all())["checkout"]
    assert (found.state, found.ended_at) == ("closed", looked_at)
    assert found.decide_again_at is not None, "the decider closes its incident"
    assert bench.counted("closed") == 1


async def test_two_looks_in_quick_succession_are_one(bench: Bench) -> None:
    await bench.deliver(DOWN)
    for _ in range(5):
        await bench.reconciliation.reconcile("prod")
        await bench.clock.advance(5)
    assert await bench.states() == {"checkout": "open"}


async def test_a_silenced_alert_is_not_taken_in_and_does_not_close(bench: Bench) -> None:
    """The silence trap: while it is silenced it is known to fire; when it ends under the silence no webhook ever says so."""
    bench.fire(DOWN)
    bench.fire(CART)
    await bench.deliver(DOWN)
    for one in (bench.first, bench.second):
        one.silence('alertname="ServiceDown"')
    await bench.passes(3)
    assert await bench.states() == {"checkout": "open"}
    bench.resolve(DOWN)
    await bench.passes(2)
    assert await bench.states() == {"checkout": "closed"}


async def test_silenced_at_one_peer_only_people_are_told_of_it(bench: Bench) -> None:
    bench.fire(DOWN)
    bench.first.silence('alertname="ServiceDown"')
    await bench.passes()
    assert await bench.states() == {"checkout": "open"}


async def test_firing_at_one_ready_peer_is_firing(bench: Bench) -> None:
    await bench.passes()
    bench.fire(DOWN, at="second")
    bench.fire(CART, at="first")
    await bench.deliver(CART)
    await bench.passes(3)
    assert await bench.states() == {"checkout": "open", "cart": "open"}


async def test_over_only_when_all_that_can_be_reached_agree(bench: Bench) -> None:
    bench.fire(DOWN, at="second")
    await bench.deliver(DOWN)
    await bench.passes(3)
    assert await bench.states() == {"checkout": "open"}
    bench.resolve(DOWN)
    await bench.passes(2)
    assert await bench.states() == {"checkout": "closed"}


async def test_one_peer_that_cannot_be_reached_does_not_hold_up_the_other(bench: Bench) -> None:
    await bench.passes()
    bench.fire(DOWN)
    await bench.deliver(CART)
    await bench.first.stop()
    await bench.passes(2)
    assert await bench.states() == {"checkout": "open", "cart": "closed"}


async def test_when_no_peer_can_be_reached_nothing_is_changed(bench: Bench) -> None:
    await bench.deliver(DOWN)
    await bench.passes()
    await bench.first.stop()
    await bench.second.stop()
    for _ in range(3):
        with pytest.raises(FactsMissingError, match="no Alertmanager peer is ready"):
            await bench.reconciliation.reconcile("prod")
        await bench.clock.advance(MINUTE)
    assert await bench.states() == {"checkout": "open"}


async def test_an_alertmanager_that_has_just_restarted_with_an_empty_list_closes_nothing(bench: Bench) -> None:
    await bench.deliver(DOWN)
    for one in (bench.first, bench.second):
        one.started_at = datetime.now(UTC)
    await bench.passes(4)
    assert await bench.states() == {"checkout": "open"}
    await bench.passes(4)
    assert await bench.states() == {"checkout": "closed"}, "after 5 min it would have been sent again"


async def test_a_restarted_peer_beside_one_that_can_be_trusted(bench: Bench) -> None:
    bench.fire(CART, at="second")
    await bench.deliver(DOWN)
    await bench.deliver(CART)
    bench.first.started_at = datetime.now(UTC)
    await bench.passes(2)
    assert await bench.states() == {"checkout": "closed", "cart": "open"}


async def test_without_the_heartbeat_an_empty_list_says_nothing(bench: Bench) -> None:
    """Prometheus cannot reach Alertmanager: its alerts have run out there, and fire."""
    await bench.deliver(DOWN)
    bench.resolve({"alertname": "Watchdog", "severity": "none"})
    await bench.passes(3)
    assert await bench.states() == {"checkout": "open"}


async def test_an_alert_that_prometheus_still_shows_is_not_over(bench: Bench) -> None:
    await bench.deliver(DOWN)
    bench.prometheus.set_alert(DOWN)
    await bench.passes(3)
    assert await bench.states() == {"checkout": "open"}


async def test_a_rule_that_prometheus_does_not_have_makes_it_unknown(bench: Bench) -> None:
    await bench.deliver(DOWN)
    await bench.deliver({**CART, "namespace": "elsewhere"})
    bench.prometheus.remove_rule("ServiceDown")
    await bench.passes(3)
    assert await bench.states() == {"checkout": "open", "cart": "closed"}, (
        "where no Prometheus is configured, none is asked"
    )


async def test_alerts_of_another_receiver_are_never_taken_in_and_never_closed(bench: Bench) -> None:
    """The route was changed: whoever is told now, the alert still fires."""
    await bench.passes()
    bench.fire(DOWN)
    bench.fire(CART)
    await bench.deliver(CART)
    for one in (bench.first, bench.second):
        one._deliveries.clear()
        one.add_webhook(Webhook("http://127.0.0.1:9/", "team-remediator"))
    await bench.passes(3)
    assert await bench.states() == {"cart": "open"}


async def test_a_receivers_name_is_no_pattern(bench: Bench) -> None:
    for one in (bench.first, bench.second):
        one._deliveries.clear()
        one.add_webhook(Webhook("http://127.0.0.1:9/", "remediator-of-others"))
    bench.fire(DOWN)
    await bench.passes(2)
    assert await bench.states() == {}


async def test_a_delivery_between_the_looks_begins_them_anew(bench: Bench) -> None:
    await bench.deliver(DOWN)
    await bench.passes()
    await bench.deliver(DOWN)
    await bench.passes()
    assert await bench.states() == {"checkout": "open"}
    await bench.passes()
    assert await bench.states() == {"checkout": "closed"}


async def test_what_was_closed_too_early_comes_back_with_its_history(bench: Bench) -> None:
    """Closed by absence, and listed again with the same start: doubtful, which the decider asks about (S2)."""
    await bench.deliver(DOWN)
    await bench.passes(2)
    before = (await bench.all())["checkout"]
    assert before.state == "closed"
    bench.fire(DOWN)
    await bench.passes()
    after = (await bench.all())["checkout"]
    assert (after.id, after.state) == (before.id, "doubtful")


async def test_a_late_copy_of_the_resolution_changes_nothing(bench: Bench) -> None:
    await bench.deliver(DOWN)
    await bench.passes(2)
    before = (await bench.all())["checkout"]
    await bench.deliver(DOWN, status="resolved", endsAt=datetime.now(UTC).isoformat())
    after = (await bench.all())["checkout"]
    assert (after.id, after.state, after.closed_at) == (before.id, "closed", before.closed_at)


async def test_an_alert_whose_start_lies_ahead_of_our_clock_can_still_be_closed(bench: Bench) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await bench.deliver(DOWN, startsAt=ahead.isoformat())
    await bench.passes(2)
    assert await bench.states() == {"checkout": "closed"}


async def test_when_many_ends_were_lost_each_has_its_turn(bench: Bench) -> None:
    for number in range(60):
        await bench.deliver({**DOWN, "deployment": f"d{number}"})
    await bench.passes(2)
    assert list((await bench.states()).values()).count("closed") == 40, (
        "50 in a pass: 10 new ones, and 40 a second time"
    )
    await bench.passes(2)
    assert set((await bench.states()).values()) == {"closed"}


async def test_a_pass_after_a_failed_one_goes_on(bench: Bench) -> None:
    """The loop lives through an Alertmanager that fails, and says so."""
    fault = bench.first.faults.add(kind="status 503", times=None)
    other = bench.second.faults.add(kind="status 503", times=None)
    bench.fire(DOWN)
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(bench.reconciliation.run())
        await bench.clock.until_sleeping(1)
        bench.first.faults.remove(fault)
        bench.second.faults.remove(other)
        await bench.clock.advance(MINUTE)
        await bench.clock.until_sleeping(1)
        loop.cancel()
    value = bench.metrics.registry.get_sample_value
    assert value("remediator_reconciliations_total", {"result": "failed"}) == 1
    assert value("remediator_reconciliations_total", {"result": "done"}) == 1
    assert await bench.states() == {"checkout": "open"}


@pytest.mark.parametrize(
    "start", ["0001-01-01T00:00:00.000+14:00", "9999-12-31T23:59:59.000-14:00", "2026-01-01T00:00:00"]
)
async def test_an_alert_whose_start_cannot_be_told_harms_nobody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """Whoever may post alerts chooses the zone in which Alertmanager shows them."""
    shown = alertmanager_api._shown

    def odd(peer: Alertmanager, alert: Any) -> dict[str, Any]:
        return shown(peer, alert) | ({"startsAt": start} if alert.labels == DOWN else {})

    monkeypatch.setattr(alertmanager_api, "_shown", odd)
    bench.fire(DOWN)
    bench.fire(CART)
    await bench.passes(2)
    assert (await bench.states())["cart"] == "open"


async def test_a_defect_in_a_pass_is_gone_with_the_pass(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read, failed = AlertmanagerPeers.told, asyncio.Event()

    async def broken_once(peers: AlertmanagerPeers, receiver: str) -> Any:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError
        return await read(peers, receiver)

    monkeypatch.setattr(AlertmanagerPeers, "told", broken_once)
    bench.fire(CART)
    passing = asyncio.create_task(bench.reconciliation.run())
    await failed.wait()
    async with asyncio.timeout(60):
        while "cart" not in await bench.states():
            await bench.clock.advance(MINUTE)
    passing.cancel()
    await asyncio.gather(passing, return_exceptions=True)
