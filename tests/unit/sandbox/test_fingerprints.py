"""Fingerprints and webhook bodies against what real Alertmanagers sent (tests/data/alertmanager)."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from remediator.sandbox.alerts import Alert
from remediator.sandbox.fingerprints import fingerprint
from remediator.sandbox.webhook_body import ZERO_TIME, Flush, render

CAPTURED = sorted((Path(__file__).parents[2] / "data" / "alertmanager").glob("*.json"))
OF_0_33 = [path for path in CAPTURED if "am0.33.1" in path.name and not path.name.startswith("14-")]
AT = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def test_there_are_captured_bodies_to_compare_with() -> None:
    assert len(CAPTURED) >= 16


@pytest.mark.parametrize("path", CAPTURED, ids=lambda path: path.stem[:24])
def test_fingerprints_are_those_of_the_real_alertmanager(path: Path) -> None:
    for alert in json.loads(path.read_bytes())["alerts"]:
        assert fingerprint(alert["labels"]) == alert["fingerprint"]


def _alert(sent: dict[str, Any]) -> Alert:
    firing = sent["endsAt"] == ZERO_TIME
    starts_at = datetime.fromisoformat(sent["startsAt"])
    ends_at = AT.replace(year=2030) if firing else datetime.fromisoformat(sent["endsAt"])
    return Alert(
        labels=sent["labels"],
        annotations=sent["annotations"],
        starts_at=starts_at,
        ends_at=ends_at,
        updated_at=AT,
        generator_url=sent["generatorURL"],
        fingerprint=sent["fingerprint"],
    )


@pytest.mark.parametrize("path", OF_0_33, ids=lambda path: path.stem[:24])
def test_a_body_is_byte_for_byte_what_the_real_alertmanager_sent(path: Path) -> None:
    captured = path.read_bytes()
    sent = json.loads(captured)
    rendered = render(
        Flush(sent["groupLabels"], [_alert(alert) for alert in sent["alerts"]], AT),
        receiver=sent["receiver"],
        reason=sent["notification_reason"],
        external_url=sent["externalURL"],
        max_alerts=0,
    )
    # The captures came through a sub-route, and what max_alerts cut away is not in them.
    expected = re.sub(rb'"groupKey":"\{\}/\{[^}]*\}:', b'"groupKey":"{}:', captured)
    expected = re.sub(rb'"truncatedAlerts":\d+', b'"truncatedAlerts":0', expected)
    assert rendered == expected


def test_max_alerts_cuts_and_counts_the_rest() -> None:
    sent = json.loads(next(path for path in CAPTURED if path.name.startswith("14-")).read_bytes())
    flush = Flush(sent["groupLabels"], [_alert(alert) for alert in sent["alerts"]], AT)
    body = json.loads(render(flush, receiver="r", reason="first notification", external_url="", max_alerts=3))
    assert len(body["alerts"]) == 3
    assert body["truncatedAlerts"] == len(sent["alerts"]) - 3
