"""What may be given to ``explain`` is read as the webhook would read it."""

from typing import Any

import pytest

from remediator.engine.explain_source import alerts_of, source_named
from remediator.engine.refused import InvalidOrderError
from tests.support.clock import T0
from tests.support.operators import settings

LABELS = {"alertname": "ServiceDown", "empty": ""}


@pytest.mark.parametrize(
    "document",
    [
        {"labels": LABELS},
        [{"labels": LABELS}],
        {"version": "4", "alerts": [{"labels": LABELS}]},
        {"labels": LABELS, "status": {"state": "active"}, "startsAt": "2026-11-22T12:00:00.000Z"},
    ],
)
def test_every_form_is_one_firing_alert_without_empty_labels(document: Any) -> None:
    delivery = alerts_of(document, T0)
    [alert] = delivery.alerts
    assert (alert.firing, alert.labels, alert.starts_at) == (True, {"alertname": "ServiceDown"}, T0)


def test_a_resolved_alert_stays_resolved() -> None:
    [alert] = alerts_of({"labels": LABELS, "status": "resolved"}, T0).alerts
    assert (alert.firing, alert.ends_at) == (False, T0)


@pytest.mark.parametrize("document", [None, 1, "x", [], {}, {"alerts": []}, {"alerts": 3}, [1], {"alerts": [{}]}])
def test_what_holds_no_alert_is_refused_with_what_is_accepted(document: Any) -> None:
    with pytest.raises(InvalidOrderError, match="accepted: one alert"):
        alerts_of(document, T0)


@pytest.mark.parametrize("labels", [{}, {"a": 1}, {"": "x"}, 3, {"a": None}])
def test_an_alert_that_would_be_a_dead_letter_is_said_to_be_one(labels: Any) -> None:
    delivery = alerts_of({"labels": labels}, T0)
    assert (len(delivery.alerts), len(delivery.rejected)) == (0, 1)


def test_the_only_source_need_not_be_named() -> None:
    assert source_named(settings(), None) == "prod"
    assert source_named(settings(), "manual") == "manual"
    with pytest.raises(InvalidOrderError, match="accepted: prod"):
        source_named(settings(), "dev")
    with pytest.raises(InvalidOrderError, match="name one; accepted: dev, prod"):
        source_named(settings(sources__dev={"cluster": "prod"}), None)
