"""Alertmanager's answers about doubtful and old episodes (S2, S10), and fetching what no body held (S3)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from remediator.alerts.severity import DEFAULT_LABEL_VALUES
from remediator.clients.alertmanager import ActiveAlert, Listing
from remediator.engine.intake import Intake
from remediator.engine.reconciler import Reconciler
from remediator.errors import FactsMissingError
from remediator.metrics import Metrics
from remediator.store import doubts, episodes
from remediator.store.database import Store, Tx, open_store
from remediator.store.episodes import EpisodeRow
from tests.support.clock import T0, ManualClock
from tests.support.door import alert, body

ENDED = "2026-11-22T11:00:00Z"


@dataclass
class FakePeers:
    """Alertmanager's API as the test wants it; ``None`` for alerts: it cannot be reached."""

    alerts: list[ActiveAlert] | None = field(default_factory=list)
    absence_doubt: str | None = None
    asked: list[tuple[tuple[str, ...], str | None]] = field(default_factory=list)

    async def listing(self, matchers: Sequence[str] = (), *, receiver: str | None = None) -> Listing:
        self.asked.append((tuple(matchers), receiver))
        if self.alerts is None:
            raise FactsMissingError("no Alertmanager peer is ready")
        found = tuple(one for one in self.alerts if receiver is None or receiver in one.receivers)
        return Listing(found, self.absence_doubt)


def active(fingerprint: str, *, starts_at: datetime = T0 - timedelta(hours=2), **changes: Any) -> ActiveAlert:
    given: dict[str, Any] = {
        "fingerprint": fingerprint,
        "labels": {"alertname": "HighErrorRate", "severity": "critical", "instance": fingerprint},
        "annotations": {},
        "starts_at": starts_at,
        "ends_at": T0 + timedelta(minutes=5),
        "state": "active",
        "receivers": ("remediator",),
        "generator_url": "",
    }
    return ActiveAlert(**{**given, **changes})


@dataclass
class Bench:
    """A reconciler on a real file."""

    store: Store
    clock: ManualClock
    intake: Intake
    peers: FakePeers
    reconciler: Reconciler
    metrics: Metrics
    settled: list[None]

    async def episode(self, fingerprint: str) -> EpisodeRow:
        async with self.store.read() as connection:
            found = await connection.exec_driver_sql(
                "SELECT id FROM episodes WHERE fingerprint = ? AND latest = 1", (fingerprint,)
            )
            row = await episodes.episode(connection, found.scalar_one())
        assert row is not None
        return row

    async def column(self, statement: str) -> list[Any]:
        async with self.store.read() as connection:
            return list((await connection.exec_driver_sql(statement)).scalars())

    async def make_doubtful(self, fingerprint: str) -> EpisodeRow:
        for given in (alert(fingerprint), alert(fingerprint, endsAt=ENDED), alert(fingerprint)):
            await self.intake.take("prod", body(given))
        return await self.episode(fingerprint)


@pytest.fixture
async def bench(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Bench]:

    store = await open_store(f"sqlite:///{tmp_path}/r.sqlite")
    metrics, peers, settled = Metrics(), FakePeers(), list[None]()
    intake = Intake(
        store=store,
        clock=clock,
        metrics=metrics,
        on_stored=lambda: None,
        on_owed=lambda: None,
        severities=DEFAULT_LABEL_VALUES,
    )
    reconciler = Reconciler(
        store=store,
        clock=clock,
        metrics=metrics,
        intake=intake,
        peers={"prod": peers},
        receivers={"prod": ("remediator",)},
        on_settled=lambda: settled.append(None),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(intake.run())
        yield Bench(store, clock, intake, peers, reconciler, metrics, settled)
        intake.stop()
    await store.close()


async def test_an_active_doubtful_episode_opens_again_with_its_history(bench: Bench) -> None:
    before = await bench.make_doubtful("a")
    bench.peers.alerts = [active("a"), active("b")]
    await bench.reconciler.settle_doubt(before)
    after = await bench.episode("a")
    assert (after.id, after.state, after.closed_at) == (before.id, "open", None)
    assert after.confirmed_at == T0
    assert after.decide_again_at == T0
    assert bench.settled
    assert bench.peers.asked[0][0] == ('"alertname"="HighErrorRate"', '"severity"="critical"', '"instance"="a"')


@pytest.mark.parametrize("state", ["suppressed", "unprocessed"])
async def test_a_silenced_alert_still_fires(bench: Bench, state: str) -> None:
    before = await bench.make_doubtful("a")
    bench.peers.alerts = [active("a", state=state)]
    await bench.reconciler.settle_doubt(before)
    assert (await bench.episode("a")).state == "open"


async def test_an_absent_doubtful_episode_was_a_late_copy_and_is_counted(bench: Bench) -> None:
    before = await bench.make_doubtful("a")
    await bench.reconciler.settle_doubt(before)
    after = await bench.episode("a")
    assert (after.state, after.closed_at) == ("closed", T0)
    assert b'remediator_alerts_total{result="late"} 1.0' in bench.metrics.render()


@pytest.mark.parametrize("why", ["unreachable", "not trusted", "not configured"])
async def test_without_an_answer_it_reopens_unconfirmed(bench: Bench, why: str) -> None:
    before = await bench.make_doubtful("a")
    bench.peers.alerts = None if why == "unreachable" else []
    bench.peers.absence_doubt = "it is up for 10 s only" if why == "not trusted" else None
    if why == "not configured":
        bench.reconciler._peers = {}
    await bench.reconciler.settle_doubt(before)
    after = await bench.episode("a")
    assert (after.state, after.confirmed_at) == ("open", None)


async def test_an_answer_older_than_a_delivery_is_not_stored(bench: Bench) -> None:
    before = await bench.make_doubtful("a")
    listing = bench.peers.listing

    async def meanwhile(matchers: Sequence[str] = (), *, receiver: str | None = None) -> Listing:
        await bench.clock.advance(1)
        await bench.intake.take("prod", body(alert("a")))
        return await listing(matchers, receiver=receiver)

    bench.peers.listing = meanwhile  # type: ignore[method-assign]
    await bench.reconciler.settle_doubt(before)
    assert (await bench.episode("a")).state == "doubtful"
    assert not bench.settled


async def test_only_doubtful_episodes_are_settled(bench: Bench) -> None:
    await bench.intake.take("prod", body(alert("a")))
    await bench.reconciler.settle_doubt(await bench.episode("a"))
    assert (await bench.episode("a")).state == "open"
    assert not bench.peers.asked


async def test_an_old_alert_is_confirmed_by_the_api_s10(bench: Bench) -> None:
    await bench.intake.take("prod", body(alert("a")))
    await bench.clock.advance(7_200)
    bench.peers.alerts = [active("a")]
    confirmed = await bench.reconciler.confirm(await bench.episode("a"))
    assert confirmed.confirmed_at == T0 + timedelta(hours=2)


async def test_absence_does_not_close_an_episode_that_was_never_in_doubt_s29(bench: Bench) -> None:
    await bench.intake.take("prod", body(alert("a")))
    unchanged = await bench.reconciler.confirm(await bench.episode("a"))
    assert (unchanged.state, unchanged.confirmed_at) == ("open", T0)


async def test_a_reopened_episode_is_settled_when_the_api_answers_at_last(bench: Bench) -> None:
    before = await bench.make_doubtful("a")
    bench.peers.alerts = None
    await bench.reconciler.settle_doubt(before)
    assert (await bench.reconciler.confirm(await bench.episode("a"))).confirmed_at is None
    bench.peers.alerts = []
    assert (await bench.reconciler.confirm(await bench.episode("a"))).state == "closed"


async def test_the_rest_of_a_truncated_group_is_fetched_once(bench: Bench) -> None:
    await bench.intake.take("prod", body(alert("a"), truncatedAlerts=3))
    bench.peers.alerts = [
        active("a"),
        active("b"),
        active("silenced", state="suppressed"),
        active("of another receiver", receivers=("team-x",)),
        active("later", starts_at=T0 + timedelta(hours=1)),
    ]
    await bench.reconciler.fetch_owed()
    fetched = await bench.column("SELECT fingerprint FROM episodes WHERE state = 'open' ORDER BY fingerprint")
    assert fetched == ["a", "b"]
    assert (await bench.episode("b")).confirmed_at == T0
    await bench.reconciler.fetch_owed()
    assert len(bench.peers.asked) == 1


async def test_what_cannot_be_fetched_now_stays_owed(bench: Bench) -> None:
    await bench.intake.take("prod", body(alert("a"), truncatedAlerts=3))
    bench.peers.alerts = None
    await bench.reconciler.fetch_owed()
    assert await bench.column("SELECT fetched_at FROM deliveries") == [None]
    bench.peers.alerts = [active("b")]
    await bench.reconciler.fetch_owed()
    assert (await bench.episode("b")).state == "open"


async def test_without_an_api_the_loss_becomes_a_dead_letter_for_people(bench: Bench) -> None:
    await bench.intake.take("prod", body(alert("a"), truncatedAlerts=3))
    bench.reconciler._peers = {}
    await bench.reconciler.fetch_owed()
    [error] = await bench.column("SELECT error FROM dead_letters")
    assert "3 alerts cut off" in error
    assert "sources.prod.alertmanager" in error
    await bench.reconciler.fetch_owed()
    assert await bench.column("SELECT count(*) FROM dead_letters") == [1]


async def test_after_a_body_that_was_too_large_everything_for_its_receiver_is_fetched_s3(bench: Bench) -> None:
    await bench.intake.too_large("prod", "body of 40000000 bytes is over the limit", "remediator")
    bench.peers.alerts = [active("a"), active("x", receivers=("team-x",))]
    await bench.reconciler.fetch_owed()
    assert await bench.column("SELECT fingerprint FROM episodes") == ["a"]
    assert bench.peers.asked == [((), "remediator")]


async def test_a_second_body_that_was_too_large_is_owed_as_well_s3(bench: Bench) -> None:
    await bench.intake.too_large("prod", "body of 40000000 bytes is over the limit", "remediator")
    await bench.clock.advance(300)
    bench.peers.alerts = [active("late", starts_at=bench.clock.now() - timedelta(seconds=10))]
    await bench.intake.too_large("prod", "body of 40000000 bytes is over the limit", "remediator")
    await bench.reconciler.fetch_owed()
    assert await bench.column("SELECT fingerprint FROM episodes") == ["late"]


async def test_a_body_that_was_too_large_while_the_rest_was_fetched_stays_owed_s3(bench: Bench) -> None:
    await bench.intake.too_large("prod", "body of 40000000 bytes is over the limit", "remediator")
    async with bench.store.read() as connection:
        owed = await doubts.debts(connection)
    await bench.clock.advance(1)
    await bench.intake.too_large("prod", "body of 40000000 bytes is over the limit", "remediator")
    async with bench.store.begin(Tx.MARK) as tx:
        await doubts.pay(tx, owed, bench.clock.now())
    async with bench.store.read() as connection:
        assert [one.received_at for one in await doubts.debts(connection)] == [bench.clock.now()]


async def test_a_body_of_which_even_the_receiver_is_unknown_was_for_one_of_ours(bench: Bench) -> None:
    await bench.intake.too_large("prod", "body of unknown size is over the limit", "")
    bench.peers.alerts = [active("a"), active("x", receivers=("team-x",))]
    await bench.reconciler.fetch_owed()
    assert await bench.column("SELECT fingerprint FROM episodes") == ["a"], "other receivers' alerts are not ours (S29)"
