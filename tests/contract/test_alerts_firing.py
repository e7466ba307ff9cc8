"""``alerts_firing`` asked of a simulated Alertmanager."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from remediator.answers import Answer
from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clock import SystemClock
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.webhook_delivery import Webhook
from remediator.settings import Credential
from tests.contract.conftest import CHECKOUT
from tests.support.clock import T0

FIRING = condition_named("alerts_firing")
LEAK = {"alertname": "HighMemoryUsage", "namespace": "shop", "deployment": "checkout"}


@pytest.fixture
async def alertmanager() -> AsyncIterator[Alertmanager]:
    made = Alertmanager(up_for_s=3600)
    made.add_webhook(Webhook("http://127.0.0.1:9/", "remediator"))
    await made.start()
    yield made
    await made.stop()


async def look(
    alertmanager: Alertmanager | None, labels: Mapping[str, str] = LEAK, *, watchdog: str | None = None, **params: Any
) -> Look:
    chosen = FIRING.params.model_validate({"match": ['alertname="HighMemoryUsage"'], **params})
    async with aiohttp.ClientSession() as session:
        urls: Sequence[str] = () if alertmanager is None else (alertmanager.url,)
        peers = AlertmanagerPeers(urls, Credential(), session, 2.0, SystemClock(), watchdog=watchdog) if urls else None
        known = Known(now=T0, labels=labels)
        return await FIRING.look(World(None, None, peers), CHECKOUT, chosen, known)


async def test_it_counts_what_fires_whatever_it_is_about(alertmanager: Alertmanager) -> None:
    assert (await look(alertmanager)).answer is Answer.NO
    alertmanager.push({**LEAK, "pod": "checkout-1"})
    alertmanager.push({**LEAK, "deployment": "cart", "pod": "cart-1"})
    alertmanager.push({"alertname": "Other"})
    seen = await look(alertmanager, at_least=2)
    assert seen.answer is Answer.YES and "2 of" in seen.seen, seen
    assert (await look(alertmanager, at_least=3)).answer is Answer.NO
    assert (await look(alertmanager, match=['alertname=~"High.*|Other"'], at_least=3)).answer is Answer.YES


async def test_labels_may_have_to_be_the_alerts_own(alertmanager: Alertmanager) -> None:
    alertmanager.push({**LEAK, "pod": "checkout-1"})
    alertmanager.push({**LEAK, "deployment": "cart", "pod": "cart-1"})
    assert (await look(alertmanager, same=["namespace", "deployment"], at_least=2)).answer is Answer.NO
    assert (await look(alertmanager, same=["namespace"], at_least=2)).answer is Answer.YES
    assert (await look(alertmanager, {"alertname": "x"}, same=["namespace"])).answer is Answer.UNKNOWN
    hostile = {**LEAK, "deployment": 'checkout", pod=~".*'}
    assert (await look(alertmanager, hostile, same=["deployment"])).answer is Answer.NO


async def test_too_few_in_a_list_that_nobody_trusts_is_unknown(alertmanager: Alertmanager) -> None:
    alertmanager.push({**LEAK, "pod": "checkout-1"})
    assert (await look(alertmanager, watchdog="Watchdog", at_least=2)).answer is Answer.UNKNOWN
    assert (await look(alertmanager, watchdog="Watchdog", at_least=1)).answer is Answer.YES
    alertmanager.push({"alertname": "Watchdog"})
    assert (await look(alertmanager, watchdog="Watchdog", at_least=2)).answer is Answer.NO


async def test_without_an_alertmanager_nothing_is_known(alertmanager: Alertmanager) -> None:
    assert (await look(None)).answer is Answer.UNKNOWN
    await alertmanager.stop()
    assert (await look(alertmanager)).answer is Answer.UNKNOWN


@pytest.mark.parametrize("match", [[], ["HighMemoryUsage"], ['severity!="none"'], ['alertname=~".*"'], ['a=~"("']])
def test_what_names_nothing_is_refused(match: list[str]) -> None:
    with pytest.raises(ValidationError):
        FIRING.params.model_validate({"match": match})
