"""Facts for tests of guards and decisions: everything says yes, until a test changes it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from remediator.alerts.severity import Severity
from remediator.decision.facts import AutonomyFacts, EpisodeFacts, Facts, LedgerFacts, Limits, RemedyFacts
from remediator.playbooks.model import Autonomy, Playbook
from remediator.runs.plan import Change, Fidelity, Plan
from remediator.targets import Target
from tests.support.clock import T0
from tests.support.playbooks import playbook

TARGET = Target.kubernetes("prod", "shop", "deployment", "checkout")


def acting(name: str = "restart-it", **changes: Any) -> Playbook:
    """A playbook whose file says ``act``."""
    return playbook(name, **({"autonomy": "act"} | changes))


def plan(**changes: Any) -> Plan:
    """A restart of the target."""
    whole = Plan(
        action="kubernetes.rollout_restart",
        version=1,
        target=TARGET,
        uid="u-1",
        depends_on={"uid": "u-1"},
        changes=(Change("restartedAt", None, "now"),),
        calls=(),
        fidelity=Fidelity.SERVER,
        summary="restart shop/checkout",
    )
    return replace(whole, **changes)


def episode(**changes: Any) -> EpisodeFacts:
    """Firing, high, delivered a minute ago."""
    whole = EpisodeFacts(True, Severity.HIGH, T0 - timedelta(minutes=1), T0 - timedelta(minutes=1))
    return replace(whole, **changes)


def facts(**changes: Any) -> Facts:
    """Nothing stands in the way."""
    whole = Facts(
        now=T0,
        episode=episode(),
        autonomy=AutonomyFacts(Autonomy.ACT),
        limits=Limits(total=20, total_per_playbook=10, per=timedelta(minutes=10)),
        target=TARGET,
        namespace_allowed=True,
        ledger=LedgerFacts(),
        busy=(),
        remedy=RemedyFacts(0, plans=(plan(),)),
    )
    return replace(whole, **changes)
