"""Situations for tests of what pages say."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from remediator.alerts.severity import Severity
from remediator.escalation.policy import Page
from remediator.escalation.situation import AlertLine, RunLine, Situation, StepLine
from tests.support.clock import T0


def alert(**changes: Any) -> AlertLine:
    """A firing alert."""
    whole = AlertLine("HighErrorRate", "critical", True, T0, {"namespace": "shop"}, {}, "", "")
    return replace(whole, **changes)


def run(**changes: Any) -> RunLine:
    """A run that was refuted."""
    step = StepLine(T0, "kubernetes.rollout_restart", "apply", "restart shop/checkout", "done", T0, None)
    whole = RunLine("run_1", "restart-it", "ended", "refuted", "no remedy is left", T0, T0, (step,))
    return replace(whole, **changes)


def situation(**changes: Any) -> Situation:
    """An incident five minutes old, with one alert."""
    whole = Situation(
        now=T0 + timedelta(minutes=5),
        incident_id="inc_1",
        title="HighErrorRate on shop/checkout",
        target="kubernetes/prod/shop/deployment/checkout",
        mode="live",
        severity=Severity.CRITICAL,
        opened_at=T0,
        recurrences=0,
        alerts=(alert(),),
        total=1,
        firing=1,
        answers=(),
        runs=(),
        events=((T0, "Opened"),),
        runbooks=(),
        external_url="https://remediator.example",
    )
    return replace(whole, **changes)


def page(word: str = "unfixed", about: str = "") -> Page:
    """Why a person is told."""
    return Page(word, f"{word}:{about}" if about else word, "critical", T0, about)
