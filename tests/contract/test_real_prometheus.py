"""Prometheus and Alertmanager themselves: a number becomes an alert, and our client reads what a real Prometheus answers."""

from pathlib import Path

import pytest

from remediator.clients.prometheus import PrometheusClient
from remediator.clients.transport import Rules, open_session
from remediator.clock import SystemClock
from remediator.errors import FactsMissingError
from remediator.settings import Credential
from tests.support import alertmanager as am
from tests.support import prometheus
from tests.support.needs import Programs

RULE = {
    "alert": "HighErrorRate",
    "expr": "errors > 5",
    "labels": {"severity": "critical"},
    "annotations": {"summary": "{{ $labels.pod }} fails"},
}
CONFIG = """
route: {receiver: remediator, group_by: [alertname], group_wait: 10ms, group_interval: 100ms}
receivers: [{name: remediator, webhook_configs: [{url: "%s/webhook/alertmanager"}]}]
"""
POD = {"namespace": "shop", "pod": "checkout-0"}


async def test_a_number_becomes_an_alert_and_its_end_a_resolve(tmp_path: Path, program: Programs) -> None:
    async with (
        am.fake_remediator() as remediator,
        am.running(CONFIG % remediator.url, tmp_path, program("alertmanager")) as alertmanager,
        prometheus.running(tmp_path, program("prometheus"), rules=[RULE], alertmanagers=[alertmanager.url]) as metrics,
        open_session(Rules("read", SystemClock(), 5.0, loopback_only=True)) as session,
    ):
        client = PrometheusClient(metrics.url, Credential(), session, 5.0)
        metrics.numbers.set("errors", 7, POD)
        await remediator.heard("HighErrorRate")
        (alert, *_) = remediator.alerts("HighErrorRate")
        assert alert["labels"]["pod"] == "checkout-0"
        assert alert["annotations"] == {"summary": "checkout-0 fails"}
        (sample,) = (await client.query("errors")).samples
        assert (sample.value, sample.labels["pod"]) == (7, "checkout-0")
        assert len((await client.firing("HighErrorRate")).samples) == 1
        (rule,) = await client.alert_rules("HighErrorRate")
        assert rule.trustworthy(SystemClock().now())
        with pytest.raises(FactsMissingError, match="parse error"):
            await client.query("sum(")
        metrics.numbers.set("errors", 0, POD)
        await remediator.heard("HighErrorRate", "resolved")
        assert (await client.firing("HighErrorRate")).samples == ()
