"""Prometheus and Alertmanager themselves: a number becomes an alert, and our client reads what a real Prometheus answers."""

from pathlib import Path

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


async def test_a_number_becomes_an_alert_and_its_end_a_resolve(tmp_path: Path, program: Programs) -> None:
    async with (
        am.fake_remediator() as remediator,
        am.running(CONFIG % remediator.url, tmp_path, program("alertmanager")) as alertmanager,
        prometheus.running(tmp_path, program("prometheus"), rules=[RULE], alertmanager=alertmanager.url) as metrics,
    ):
        metrics.numbers.set("errors", 7, {"namespace": "shop", "pod": "checkout-0"})
        await metrics.until('ALERTS{alertstate="firing"}')
        await remediator.heard("HighErrorRate")
        (alert, *_) = remediator.alerts("HighErrorRate")
        assert alert["labels"]["pod"] == "checkout-0"
        assert alert["annotations"] == {"summary": "checkout-0 fails"}
        metrics.numbers.set("errors", 0, {"namespace": "shop", "pod": "checkout-0"})
        await remediator.heard("HighErrorRate", "resolved")
