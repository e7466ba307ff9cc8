"""Does a selector choose an object with these labels? For selectors that stand inside objects, which no list request can ask."""

from collections.abc import Mapping
from typing import Any


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """A LabelSelector: all of it must hold. An empty one chooses everything, none at all nothing. ValueError for an operator
    that nobody knows."""
    if selector is None:
        return False
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(requirement_holds(one, labels) for one in selector.get("matchExpressions") or ())


def requirement_holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """One term of a LabelSelector or of a node affinity."""
    value = labels.get(requirement["key"])
    values: list[str] = list(requirement.get("values") or ())
    match requirement["operator"]:
        case "In":
            return value is not None and value in values
        case "NotIn":
            return value is None or value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _is_number(value) and int(value or 0) > int(values[0])
        case "Lt":
            return _is_number(value) and int(value or 0) < int(values[0])
        case operator:
            raise ValueError(f"unknown operator {operator!r}")


def _is_number(value: str | None) -> bool:
    """Of a label, which holds any text: what is no number is neither more nor less, as the scheduler has it."""
    return value is not None and value.isascii() and value.removeprefix("-").isdecimal()
