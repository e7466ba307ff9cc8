"""Autonomy in force: the lowest of what the file, the ladder and settings say (S14), and how to raise it."""

from dataclasses import dataclass

from remediator.alerts.severity import Severity
from remediator.decision.facts import AutonomyFacts, Facts
from remediator.playbooks.model import Autonomy, Playbook


@dataclass(frozen=True, slots=True)
class InForce:
    """The level, and what holds it there."""

    level: Autonomy
    held_by: str
    """What to change to raise it, in words that a page can show."""


def in_force(playbook: Playbook, facts: Facts) -> InForce:
    """For one alert."""
    return level_of(playbook, facts.autonomy, facts.episode.severity)


def level_of(playbook: Playbook, outside: AutonomyFacts, severity: Severity | None) -> InForce:
    """The lowest level wins; among equals the first named below. ``severity`` is None when no alert is meant."""
    setting = f"settings.autonomy.playbooks.{playbook.name}"
    levels = [
        InForce(playbook.autonomy, f"autonomy in the file of {playbook.name}"),
        InForce(outside.settings, setting if outside.named else f"settings.autonomy.start; raise it with {setting}"),
    ]
    if outside.ladder is not None and outside.ladder.content_hash == playbook.content_hash:
        levels.append(InForce(outside.ladder.level, f"the autonomy ladder; {setting} cannot go above it"))
    if severity is Severity.UNKNOWN:
        levels.append(InForce(Autonomy.PROPOSE, "the alert's severity, which settings.severities does not know"))
    return min(levels, key=lambda found: found.level.rank)
