"""The scripted Prometheus: envelopes, ALERTS, rules."""

import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from remediator.sandbox.prometheus import Failure, Prometheus, Rule, Warned
from remediator.sandbox.promql import Scalar

DOWN = {"alertname": "ServiceDown", "namespace": "shop", "deployment": "checkout"}


@pytest.fixture
async def prometheus() -> AsyncIterator[Prometheus]:
    server = Prometheus()
    await server.start()
    yield server
    await server.stop()


async def get(prometheus: Prometheus, path: str, **params: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(prometheus.url + path, params=params) as answer:
        return answer.status, await answer.json()


async def query(prometheus: Prometheus, text: str) -> tuple[int, Any]:
    return await get(prometheus, "/api/v1/query", query=text)


async def test_alerts_are_series_that_selectors_find(prometheus: Prometheus) -> None:
    prometheus.set_alert(DOWN)
    prometheus.set_alert({**DOWN, "deployment": "payments"}, state="pending")
    _, body = await query(prometheus, 'ALERTS{alertname="ServiceDown",alertstate="firing",namespace=~"sh.*"}')
    (series,) = body["data"]["result"]
    assert series["metric"] == {"__name__": "ALERTS", "alertstate": "firing", **DOWN}
    assert series["value"][1] == "1"
    prometheus.clear_alert(DOWN)
    _, body = await query(prometheus, 'ALERTS{deployment="checkout"}')
    assert body == {"status": "success", "data": {"resultType": "vector", "result": []}}


@pytest.mark.parametrize(
    ("answer", "kind", "result"),
    [
        (0.25, "vector", [({}, "0.25")]),
        (3, "vector", [({}, "3")]),
        (None, "vector", []),
        (float("nan"), "vector", [({}, "NaN")]),
        (float("inf"), "vector", [({}, "+Inf")]),
        ([({"pod": "a"}, 1.0), ({"pod": "b"}, 2.0)], "vector", [({"pod": "a"}, "1"), ({"pod": "b"}, "2")]),
        (lambda: 7.5, "vector", [({}, "7.5")]),
    ],
)
async def test_scripted_answers(prometheus: Prometheus, answer: Any, kind: str, result: list[Any]) -> None:
    prometheus.script("rate(errors[5m])", answer)
    status, body = await query(prometheus, "rate(errors[5m])")
    assert status == 200
    assert body["data"]["resultType"] == kind
    assert [(series["metric"], series["value"][1]) for series in body["data"]["result"]] == result


async def test_a_scalar_has_no_metric(prometheus: Prometheus) -> None:
    prometheus.script("scalar(x)", Scalar(2.0))
    _, body = await query(prometheus, "scalar(x)")
    assert body["data"]["resultType"] == "scalar"
    assert body["data"]["result"][1] == "2"
    _, now = await query(prometheus, "time()")
    assert float(now["data"]["result"][1]) > 1.7e9


async def test_the_latest_script_wins_and_patterns_match_the_whole_query(prometheus: Prometheus) -> None:
    prometheus.script(re.compile(r"rate\(.*\)"), 1.0)
    prometheus.script("rate(a)", 2.0)
    values = [(await query(prometheus, text))[1]["data"]["result"][0]["value"][1] for text in ("rate(a)", "rate(b)")]
    assert values == ["2", "1"]
    assert (await query(prometheus, "1 + rate(b)"))[0] == 400


async def test_warnings_and_errors_have_their_envelopes(prometheus: Prometheus) -> None:
    prometheus.script("warned", Warned(1.0, ("a store did not answer",)))
    prometheus.script("broken", Failure(422, "execution", "many-to-many matching"))
    _, warned = await query(prometheus, "warned")
    assert (warned["status"], warned["warnings"]) == ("success", ["a store did not answer"])
    status, broken = await query(prometheus, "broken")
    assert status == 422
    assert broken == {"status": "error", "errorType": "execution", "error": "many-to-many matching"}


@pytest.mark.parametrize("text", ["", "nonsense(", "unknown_metric", 'ALERTS{a="'])
async def test_unknown_queries_are_bad_data(prometheus: Prometheus, text: str) -> None:
    status, body = await query(prometheus, text)
    assert (status, body["status"], body["errorType"]) == (400, "error", "bad_data")


async def test_a_query_may_be_posted(prometheus: Prometheus) -> None:
    prometheus.script("x", 1.0)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{prometheus.url}/api/v1/query", data={"query": "x"}) as answer,
    ):
        assert (await answer.json())["data"]["result"][0]["value"][1] == "1"


async def test_set_series_are_selected_and_go_stale(prometheus: Prometheus) -> None:
    prometheus.set_series("up", {"job": "kube-state-metrics"}, 1)
    prometheus.set_series("up", {"job": "node"}, 0)
    _, body = await query(prometheus, 'up{job!="node"}')
    assert [series["metric"]["job"] for series in body["data"]["result"]] == ["kube-state-metrics"]
    prometheus.drop_series("up", {"job": "kube-state-metrics"})
    assert (await query(prometheus, 'up{job!="node"}'))[1]["data"]["result"] == []


async def test_rules_show_state_and_health(prometheus: Prometheus) -> None:
    prometheus.add_rule(Rule("ServiceDown", query="x"))
    prometheus.add_rule(Rule("Other", query="y"))
    prometheus.set_alert(DOWN)
    prometheus.set_rule_health("Other", "err", "query failed")
    _, body = await get(prometheus, "/api/v1/rules", type="alert")
    rules = {rule["name"]: rule for rule in body["data"]["groups"][0]["rules"]}
    assert (rules["ServiceDown"]["state"], rules["ServiceDown"]["health"]) == ("firing", "ok")
    assert (rules["Other"]["state"], rules["Other"]["health"], rules["Other"]["lastError"]) == (
        "inactive",
        "err",
        "query failed",
    )
    _, one = await get(prometheus, "/api/v1/rules", **{"rule_name[]": "Other"})
    assert [rule["name"] for rule in one["data"]["groups"][0]["rules"]] == ["Other"]
    _, alerts = await get(prometheus, "/api/v1/alerts")
    assert [alert["labels"] for alert in alerts["data"]["alerts"]] == [DOWN]


async def test_faults_answer_in_prometheus_own_words(prometheus: Prometheus) -> None:
    prometheus.faults.add(kind="status 503")
    status, body = await query(prometheus, "ALERTS")
    assert (status, body["errorType"]) == (503, "unavailable")
