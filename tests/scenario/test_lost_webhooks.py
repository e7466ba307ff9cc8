"""Webhooks that never arrive (S29): the alert is found in Alertmanager's list, remedied, and its end is found there, too."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remediator.sandbox.prometheus import Rule
from remediator.sandbox.webhook_delivery import Webhook
from remediator.sandbox.world import World
from tests.scenario.test_the_way_of_an_alert import closed, crashing, restarts
from tests.support.service import firing, running

OLD = timedelta(minutes=10)
LABELS = {"alertname": "ServiceDown", "severity": "critical", "namespace": "shop", "deployment": "checkout"}


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remediator.conditions.alert_resolved.LOOKS_APART", timedelta(seconds=1))


async def test_an_alert_of_which_no_webhook_tells_is_remedied_and_closed(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.alertmanager.add_webhook(Webhook("http://127.0.0.1:9/", "remediator"))
        world.prometheus.add_rule(Rule("ServiceDown", "up == 0"))
        await crashing(world)
        async with running(tmp_path, world=world, timings__reconcile="500ms") as service:
            world.alertmanager.push(LABELS, starts_at=datetime.now(UTC) - OLD)
            [run] = await service.ended()
            assert run.outcome == "verified", run.reason
            assert restarts(service) == 1
            assert not await closed(service)
            world.alertmanager.resolve(LABELS)
            await service.until(lambda: closed(service), what="the incident closes")
            story = await service.story(run.incident_id)
            assert any("no resolution was delivered" in event["text"] for event in story.timeline)
            assert world.pagerduty.incidents() == []
            assert restarts(service) == 1


async def test_what_the_first_pass_finds_is_not_acted_upon_before_the_second(tmp_path: Path) -> None:
    """After a start: with a pass only every hour, nothing happens to what was found, though it is known."""
    async with World(speed=4) as world:
        world.alertmanager.add_webhook(Webhook("http://127.0.0.1:9/", "remediator"))
        await crashing(world)
        world.alertmanager.push(LABELS, starts_at=datetime.now(UTC) - OLD)
        async with running(tmp_path, world=world, timings__reconcile="1h") as service:

            async def known() -> bool:
                async with service.store.read() as connection:
                    found = await connection.exec_driver_sql("SELECT count(*) FROM episodes WHERE state = 'open'")
                    return bool(found.scalar_one())

            await service.until(known, what="it is found")
            assert (await service.runs(), restarts(service)) == ([], 0)
            await service.alert(firing(namespace="shop", deployment="checkout", starts_at=datetime.now(UTC) - OLD))
            [run] = await service.ended()
            assert run.outcome == "verified", run.reason
