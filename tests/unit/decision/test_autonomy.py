"""Autonomy in force: the lowest of all, and bound to the content that was trusted (S14)."""

from typing import Any

import pytest

from remediator.alerts.severity import Severity
from remediator.decision.autonomy import level_of
from remediator.decision.facts import AutonomyFacts, Ladder
from remediator.playbooks.language import ASKS_ALWAYS
from remediator.playbooks.model import Autonomy, Playbook
from tests.support.playbooks import playbook, remedy

ACTS: Playbook = playbook(autonomy="act")


def test_without_a_word_in_settings_the_start_level_holds_and_the_way_up_is_named() -> None:
    found = level_of(ACTS, AutonomyFacts(Autonomy.PROPOSE), Severity.HIGH)
    assert found.level is Autonomy.PROPOSE
    assert f"settings.autonomy.playbooks.{ACTS.name}: {{level: act, content: {ACTS.content_hash}}}" in found.held_by


def test_settings_raise_exactly_the_content_that_they_name() -> None:
    trusted = AutonomyFacts(Autonomy.PROPOSE, Autonomy.ACT, ACTS.content_hash)
    assert level_of(ACTS, trusted, Severity.HIGH).level is Autonomy.ACT


def test_a_changed_playbook_falls_back_to_the_start_level() -> None:
    trusted = AutonomyFacts(Autonomy.PROPOSE, Autonomy.ACT, "0" * 16)
    found = level_of(ACTS, trusted, Severity.HIGH)
    assert found.level is Autonomy.PROPOSE
    assert "changed since" in found.held_by


def test_a_bare_level_lowers_but_never_raises() -> None:
    assert level_of(ACTS, AutonomyFacts(Autonomy.ACT, Autonomy.OBSERVE), Severity.HIGH).level is Autonomy.OBSERVE
    assert level_of(ACTS, AutonomyFacts(Autonomy.PROPOSE, Autonomy.ACT), Severity.HIGH).level is Autonomy.PROPOSE


@pytest.mark.parametrize("content", [ACTS.content_hash, "0" * 16])
def test_the_ladder_holds_down_the_content_that_it_judged(content: str) -> None:
    outside = AutonomyFacts(Autonomy.ACT, ladder=Ladder(Autonomy.APPROVE, content))
    expected = Autonomy.APPROVE if content == ACTS.content_hash else Autonomy.ACT
    assert level_of(ACTS, outside, Severity.HIGH).level is expected


def test_an_unknown_severity_never_acts_by_itself() -> None:
    assert level_of(ACTS, AutonomyFacts(Autonomy.ACT), Severity.UNKNOWN).level is Autonomy.PROPOSE


@pytest.mark.parametrize("action", sorted(ASKS_ALWAYS))
def test_with_an_action_that_nobody_can_take_back_nothing_raises_it_above_approve(action: str) -> None:
    """Among any steps of any remedy."""
    steps: list[dict[str, Any]] = [{"kubernetes.rollout_restart": {}}, {action: {}}]
    irreversible = playbook(autonomy="act", remedies=[remedy(), remedy(name="last", steps=steps)])
    everything = AutonomyFacts(
        Autonomy.ACT, Autonomy.ACT, irreversible.content_hash, Ladder(Autonomy.ACT, irreversible.content_hash)
    )
    found = level_of(irreversible, everything, Severity.HIGH)
    assert found.level is Autonomy.APPROVE
    assert action in found.held_by
    assert level_of(irreversible, AutonomyFacts(Autonomy.OBSERVE), Severity.HIGH).level is Autonomy.OBSERVE
