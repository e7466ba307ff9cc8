"""Formats that runs are written in: of the frozen playbook, and of each action's plans. Only who knows them claims a run (S22)."""

from collections.abc import Collection

from remediator.actions import ACTIONS, action_named
from remediator.playbooks.model import SNAPSHOT_FORMAT, Playbook

_SNAPSHOT = f"snapshot/{SNAPSHOT_FORMAT}"

KNOWN = (_SNAPSHOT, *sorted(f"{action.name}/{action.version}" for action in ACTIONS))
"""What this program can carry out."""


def needs_of(playbook: Playbook) -> str:
    """What a program must know to carry this playbook out, in one canonical text."""
    names = {step.action for remedy in playbook.remedies for step in remedy.steps}
    return " ".join((_SNAPSHOT, *sorted(f"{name}/{action_named(name).version}" for name in names)))


def lacking(needs: str, known: Collection[str] = KNOWN) -> tuple[str, ...]:
    """What of ``needs`` is not known; empty: it can be carried out."""
    return tuple(one for one in needs.split() if one not in known)
