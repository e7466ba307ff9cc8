"""S26: what counts as "the alert is over", asked of a simulated Prometheus and Alertmanager."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest

from remediator.answers import Answer
from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.prometheus import PrometheusClient
from remediator.clients.transport import Rules, open_session
from remediator.clock import SystemClock
from remediator.conditions import condition_named
from remediator.conditions.base import EpisodeView, Known, Look, World
from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.prometheus import Prometheus, Rule, Warned
from remediator.sandbox.webhook_delivery import Webhook
from remediator.settings import Credential
from tests.contract.conftest import CHECKOUT
from tests.support.clock import T0

RESOLVED = condition_named("alert_resolved")
OLD = {"alertname": "PodDown", "namespace": "shop", "pod": "checkout-1", "deployment": "checkout"}
NEW = {**OLD, "pod": "checkout-2"}
OTHER = {**OLD, "pod": "cart-1", "deployment": "cart"}
HALF_A_MINUTE = timedelta(seconds=30)


def of_checkout(labels: Mapping[str, str]) -> bool:
    return labels.get("alertname") == "PodDown" and labels.get("deployment") == "checkout"


def episode(labels: Mapping[str, str] = OLD, *, open: bool = True, fingerprint: str = "f1") -> EpisodeView:
    return EpisodeView(fingerprint, labels, open, T0, None if open else T0 + timedelta(minutes=1))


def known(*episodes: EpisodeView, concerns: Callable[[Mapping[str, str]], bool] | None = of_checkout) -> Known:
    return Known(now=T0, labels=OLD, episodes=episodes or (episode(),), concerns=concerns)


@pytest.fixture
async def prometheus() -> AsyncIterator[Prometheus]:
    made = Prometheus()
    made.add_rule(Rule("PodDown", "up == 0"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def alertmanager() -> AsyncIterator[Alertmanager]:
    made = Alertmanager()
    made.started_at -= timedelta(hours=1)
    made.add_webhook(Webhook("http://127.0.0.1:9/", "remediator"))
    made.push({"alertname": "Watchdog"})
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session(Rules("read", SystemClock(), 1.0, loopback_only=True)) as opened:
        yield opened


@pytest.fixture
def both(
    kubernetes: KubernetesClient, prometheus: Prometheus, alertmanager: Alertmanager, session: aiohttp.ClientSession
) -> World:
    return World(
        kubernetes,
        PrometheusClient(prometheus.url, Credential(), session, 1.0),
        AlertmanagerPeers([alertmanager.url], Credential(), session, 1.0, SystemClock()),
    )


async def look(world: World, told: Known) -> Look:
    return await RESOLVED.look(world, CHECKOUT, RESOLVED.params(), told)


async def settled(world: World, told: Known) -> Answer:
    """Two looks, half a minute apart, remembering between them what the caller is to remember."""
    first = await look(world, told)
    later = replace(told, now=told.now + HALF_A_MINUTE, absent_since=told.now if first.absent else None)
    return (await look(world, later)).answer


async def test_a_delivered_resolution_of_every_episode_is_a_yes_by_itself(kubernetes: KubernetesClient) -> None:
    nothing = World(kubernetes, None, None)
    assert (
        await look(nothing, known(episode(open=False), episode(NEW, open=False, fingerprint="f2")))
    ).answer is Answer.YES
    assert (await look(nothing, known(episode(open=False), episode(NEW, fingerprint="f2")))).answer is Answer.UNKNOWN


async def test_without_episodes_and_sources_nothing_is_known(kubernetes: KubernetesClient) -> None:
    assert (await look(World(kubernetes, None, None), replace(known(), episodes=()))).answer is Answer.UNKNOWN


async def test_absence_needs_two_looks_half_a_minute_apart(both: World) -> None:
    first = await look(both, known())
    assert (first.answer, first.absent) == (Answer.UNKNOWN, True)
    for seconds, answer in ((29, Answer.UNKNOWN), (30, Answer.YES)):
        later = replace(known(), now=T0 + timedelta(seconds=seconds), absent_since=T0)
        assert (await look(both, later)).answer is answer


@pytest.mark.parametrize("labels", [OLD, NEW], ids=["the same pod", "a new pod"])
async def test_prometheus_showing_it_is_a_no(both: World, prometheus: Prometheus, labels: dict[str, str]) -> None:
    prometheus.set_alert(labels)
    seen = await look(both, known())
    assert (seen.answer, seen.absent) == (Answer.NO, False)


@pytest.mark.parametrize("labels", [OLD, NEW], ids=["the same pod", "a new pod"])
async def test_alertmanager_listing_it_is_a_no_also_when_silenced(
    both: World, alertmanager: Alertmanager, labels: dict[str, str]
) -> None:
    alertmanager.push(labels)
    assert (await look(both, known())).answer is Answer.NO
    alertmanager.silence('alertname="PodDown"')
    seen = await look(both, known())
    assert (seen.answer, seen.absent) == (Answer.NO, False)
    assert "suppressed" in seen.seen


async def test_the_alert_of_another_target_does_not_matter(
    both: World, prometheus: Prometheus, alertmanager: Alertmanager
) -> None:
    prometheus.set_alert(OTHER)
    alertmanager.push(OTHER)
    assert await settled(both, known()) is Answer.YES


async def test_external_labels_that_prometheus_does_not_show_do_not_hide_it(
    both: World, prometheus: Prometheus
) -> None:
    """Alertmanager sees cluster="prod", ALERTS does not; a playbook may match on it."""

    def concerns(labels: Mapping[str, str]) -> bool:
        return of_checkout(labels) and labels.get("cluster") == "prod"

    prometheus.set_alert(NEW)
    delivered = {**OLD, "cluster": "prod"}
    told = replace(known(episode(delivered), concerns=concerns), labels=delivered)
    assert (await look(both, told)).answer is Answer.NO


async def test_a_pending_alert_does_not_fire(both: World, prometheus: Prometheus) -> None:
    prometheus.set_alert(OLD, state="pending")
    assert await settled(both, known()) is Answer.YES


async def test_a_rule_that_is_gone_or_broken_makes_it_unknown(both: World, prometheus: Prometheus) -> None:
    prometheus.set_rule_health("PodDown", "err")
    assert await settled(both, known()) is Answer.UNKNOWN
    prometheus.remove_rule("PodDown")
    assert await settled(both, known()) is Answer.UNKNOWN


async def test_a_partial_answer_makes_it_unknown(both: World, prometheus: Prometheus) -> None:
    prometheus.script('ALERTS{alertname="PodDown",alertstate="firing"}', Warned([], ("a store is missing",)))
    assert await settled(both, known()) is Answer.UNKNOWN


async def test_a_source_that_is_configured_and_cannot_be_asked_makes_it_unknown(
    both: World, prometheus: Prometheus, alertmanager: Alertmanager
) -> None:
    fault = prometheus.faults.add(kind="status 503", times=None)
    assert await settled(both, known()) is Answer.UNKNOWN
    prometheus.faults.remove(fault)
    alertmanager.faults.add(kind="status 503", times=None)
    assert await settled(both, known()) is Answer.UNKNOWN


async def test_one_source_that_shows_it_outweighs_one_that_cannot_be_asked(
    both: World, prometheus: Prometheus, alertmanager: Alertmanager
) -> None:
    prometheus.faults.add(kind="status 503", times=None)
    alertmanager.push(OLD)
    assert (await look(both, known())).answer is Answer.NO


async def test_an_alertmanager_that_cannot_be_trusted_makes_it_unknown(both: World, alertmanager: Alertmanager) -> None:
    alertmanager.cluster_status = "settling"
    assert await settled(both, known()) is Answer.UNKNOWN
    alertmanager.cluster_status = "ready"
    alertmanager.resolve({"alertname": "Watchdog"})
    assert await settled(both, known()) is Answer.UNKNOWN
    alertmanager.push({"alertname": "Watchdog"})
    assert await settled(both, known()) is Answer.YES


@pytest.mark.parametrize("which", ["prometheus", "alertmanager"])
async def test_one_source_is_enough_where_only_one_is_configured(both: World, which: str) -> None:
    only = replace(both, alertmanager=None) if which == "prometheus" else replace(both, prometheus=None)
    assert await settled(only, known()) is Answer.YES


async def test_when_nobody_can_tell_which_alerts_are_meant_absence_is_unknown(
    both: World, prometheus: Prometheus
) -> None:
    assert await settled(both, known(concerns=None)) is Answer.UNKNOWN
    prometheus.set_alert(OLD)
    assert (await look(both, known(concerns=None))).answer is Answer.NO


async def test_labels_without_an_alertname_make_it_unknown(both: World) -> None:
    told = replace(known(episode({"pod": "x"})), labels={"pod": "x"})
    assert await settled(both, told) is Answer.UNKNOWN
