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
    levels = [InForce(playbook.autonomy, f"autonomy in the file of {playbook.name}"), _by_settings(playbook, outside)]
    if outside.ladder is not None and outside.ladder.content_hash == playbook.content_hash:
        levels.append(InForce(outside.ladder.level, "the autonomy ladder"))
    if playbook.asks_always:
        levels.append(
            InForce(
                Autonomy.APPROVE, f"{', '.join(playbook.asks_always)}: done only after a yes, which nothing can lift"
            )
        )
    if severity is Severity.UNKNOWN:
        levels.append(InForce(Autonomy.PROPOSE, "the alert's severity, which settings.severities does not know"))
    return min(levels, key=lambda found: found.level.rank)


def _by_settings(playbook: Playbook, outside: AutonomyFacts) -> InForce:
    """What settings say. They raise a playbook above ``start`` only for the content that they name."""
    setting = f"settings.autonomy.playbooks.{playbook.name}"
    raise_it = f"{setting}: {{level: {playbook.autonomy}, content: {playbook.content_hash}}}"
    if outside.named is None:
        return InForce(outside.start, f"settings.autonomy.start; raise it with {raise_it}")
    if outside.named.rank <= outside.start.rank:
        return InForce(outside.named, f"{setting}; raise it with {raise_it}")
    if outside.content is None:
        return InForce(
            outside.start, f"settings.autonomy.start, since {setting} names no content; raise it with {raise_it}"
        )
    if outside.content != playbook.content_hash:
        changed = f"its match, target or remedies changed since {setting} trusted {outside.content}"
        return InForce(outside.start, f"settings.autonomy.start: {changed}; raise it again with {raise_it}")
    return InForce(outside.named, setting)
