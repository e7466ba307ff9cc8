"""``vars``: thresholds and names of a playbook, which settings may override without touching the file.

A value that is nothing but ``{{ vars.x }}`` becomes the variable itself, so that a number stays a number. This happens once,
when the playbook is loaded, and only outside ``match`` and the target. Variables are written by operators and are trusted;
labels never are, and are filled much later (template.py).
"""

import re
from collections.abc import Mapping
from typing import Any

from remediator.playbooks.fields import Misplaced

_WHOLE = re.compile(r"\{\{-?\s*vars\.([A-Za-z_][A-Za-z0-9_]*)\s*-?\}\}")
_RESOLVED_IN = ("priority", "autonomy", "approval", "guards", "evidence", "remedies", "escalate")


def resolve(document: Mapping[str, Any], variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Misplaced]]:
    """A copy of the document with variables in place, and a problem for each one that is not defined."""
    problems: list[Misplaced] = []
    copy = {
        key: _resolved(value, variables, (key,), problems) if key in _RESOLVED_IN else value
        for key, value in document.items()
    }
    return copy, problems


def _resolved(value: Any, variables: Mapping[str, Any], path: tuple[str | int, ...], problems: list[Misplaced]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(item, variables, (*path, key), problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, variables, (*path, position), problems) for position, item in enumerate(value)]
    if not isinstance(value, str) or (found := _WHOLE.fullmatch(value)) is None:
        return value
    if (name := found[1]) in variables:
        return variables[name]
    problems.append((path, undefined(name, variables)))
    return value


def undefined(name: str, variables: Mapping[str, Any]) -> str:
    """What to say of a variable that is not defined."""
    return f"vars has no {name!r}; accepted: {', '.join(sorted(variables)) or 'none is defined'}"
