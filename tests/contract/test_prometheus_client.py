"""PrometheusClient against the simulated Prometheus."""

import math
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from remediator.clients.prometheus import AlertRule, PrometheusClient
from remediator.clients.transport import Rules, open_session
from remediator.clock import SystemClock
from remediator.errors import FactsMissingError
from remediator.sandbox.prometheus import Failure, Prometheus, Rule, Warned
from remediator.sandbox.promql import Scalar
from remediator.settings import Credential
from tests.support.clock import T0


@pytest.fixture
async def server() -> AsyncIterator[Prometheus]:
    made = Prometheus()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session(Rules("read", SystemClock(), 1.0, loopback_only=True)) as opened:
        yield opened


@pytest.fixture
def prometheus(server: Prometheus, session: aiohttp.ClientSession) -> PrometheusClient:
    return PrometheusClient(server.url, Credential(), session, 1.0)


async def test_values_are_numbers_with_the_servers_time(server: Prometheus, prometheus: PrometheusClient) -> None:
    server.script("q", [({"pod": "a"}, 1.5), ({"pod": "b"}, math.nan), ({}, math.inf)])
    vector = await prometheus.query("q")
    assert [sample.labels for sample in vector.samples] == [{"pod": "a"}, {"pod": "b"}, {}]
    assert [sample.finite for sample in vector.samples] == [True, False, False]
    assert vector.samples[0].value == 1.5
    assert vector.at is not None
    assert abs(vector.at - SystemClock().now()) < timedelta(seconds=5)


async def test_a_scalar_is_one_series_and_empty_is_empty(server: Prometheus, prometheus: PrometheusClient) -> None:
    server.script("s", Scalar(2.0))
    server.script("e", None)
    assert [sample.value for sample in (await prometheus.query("s")).samples] == [2.0]
    empty = await prometheus.query("e")
    assert (empty.samples, empty.at) == ((), None)


async def test_warnings_are_kept(server: Prometheus, prometheus: PrometheusClient) -> None:
    server.script("q", Warned(1.0, ("one store did not answer",)))
    assert (await prometheus.query("q")).warnings == ("one store did not answer",)


@pytest.mark.parametrize(
    "failure", [Failure(400, "bad_data", "parse error"), Failure(422, "execution", "x"), Failure(503, "timeout", "x")]
)
async def test_an_error_is_a_missing_fact_that_says_why(
    server: Prometheus, prometheus: PrometheusClient, failure: Failure
) -> None:
    server.script("q", failure)
    with pytest.raises(FactsMissingError, match=f"{failure.status}: {failure.message}"):
        await prometheus.query("q")


@pytest.mark.parametrize("kind", ["reset", "drop", "hang", "status 502", "status 302"])
async def test_every_silence_is_a_missing_fact(server: Prometheus, prometheus: PrometheusClient, kind: str) -> None:
    server.faults.add(kind=kind)
    with pytest.raises(FactsMissingError):
        await prometheus.query("up")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"[]",
        b"{}",
        b'{"status":"error"}',
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"matrix","result":[]}}',
        b'{"status":"success","data":{"resultType":"string","result":[1,"x"]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}',
        b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"many"]}]}}',
    ],
)
async def test_what_cannot_be_understood_is_a_missing_fact(
    server: Prometheus, prometheus: PrometheusClient, body: bytes
) -> None:
    server.faults.add(kind="status 200", body=body)
    with pytest.raises(FactsMissingError):
        await prometheus.query("up")


async def test_a_native_histogram_is_no_number(server: Prometheus, prometheus: PrometheusClient) -> None:
    body = b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1"}]}]}}'
    server.faults.add(kind="status 200", body=body)
    assert not (await prometheus.query("up")).samples[0].finite


async def test_firing_alerts_are_found_by_their_exact_name(server: Prometheus, prometheus: PrometheusClient) -> None:
    server.set_alert({"alertname": "Down", "namespace": "shop"})
    server.set_alert({"alertname": "Down", "namespace": "cart"}, state="pending")
    vector = await prometheus.firing("Down")
    assert [sample.labels["namespace"] for sample in vector.samples] == ["shop"]
    assert (await prometheus.firing('Down",namespace="shop')).samples == ()


async def test_absence_is_doubted_unless_the_rule_exists_and_is_healthy(
    server: Prometheus, prometheus: PrometheusClient
) -> None:
    assert "no alerting rule Down" in str(await prometheus.absence_doubt("Down"))
    server.add_rule(Rule("Down", "up == 0"))
    assert await prometheus.absence_doubt("Down") is None
    for health in ("err", "unknown"):
        server.set_rule_health("Down", health)
        assert "not evaluated, or with errors" in str(await prometheus.absence_doubt("Down"))
    server.faults.add(kind="status 500")
    with pytest.raises(FactsMissingError):
        await prometheus.absence_doubt("Down")


def test_a_rule_that_stopped_being_evaluated_is_not_trusted() -> None:
    rule = AlertRule("Down", "ok", T0, timedelta(seconds=15))
    assert rule.trustworthy(T0 + timedelta(seconds=105))
    assert not rule.trustworthy(T0 + timedelta(seconds=106))
    assert not AlertRule("Down", "ok", None, timedelta(seconds=15)).trustworthy(T0)
