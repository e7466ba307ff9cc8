"""Is there room for these pods on those nodes? As far as requests, taints, selectors and required node affinities say.

The scheduler also knows affinities between pods, spreads and where volumes can be had: what has room here may still be left
pending there, so that a drain is verified by its pods being ready and not by this.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from remediator.clients.kubernetes.node import Node
from remediator.clients.kubernetes.selectors import requirement_holds
from remediator.clients.kubernetes.single_pod import SinglePod

_ZERO = Fraction(0)


def without_room(pods: Iterable[SinglePod], nodes: Iterable[Node], running: Iterable[SinglePod]) -> dict[str, str]:
    """Pods that find no place, each with the reason. ``running``: all that take room on those nodes already.

    The largest choose first, and each takes the first node that it fits on.
    """
    left = {node.name: dict(node.allocatable) for node in nodes if not node.out}
    open_nodes = [node for node in nodes if not node.out]
    for other in running:
        if other.node in left and not other.ended:
            _take(left[other.node], other)
    refused: dict[str, str] = {}
    for pod in sorted(pods, key=_weight, reverse=True):
        admitting = [node for node in open_nodes if admits(node, pod)]
        chosen = next((node for node in admitting if _fits(left[node.name], pod)), None)
        if chosen is not None:
            _take(left[chosen.name], pod)
        elif admitting:
            refused[pod.short] = f"none of the {len(admitting)} nodes that it may run on has room for it"
        else:
            refused[pod.short] = "no other ready node is one that it may run on (taints, node selector, node affinity)"
    return refused


def admits(node: Node, pod: SinglePod) -> bool:
    """May it run there, whatever the room?"""
    return (
        all(_tolerated(taint, pod.tolerations) for taint in node.taints)
        and all(node.labels.get(key) == value for key, value in pod.node_selector.items())
        and (not pod.node_affinity or any(_matches(term, node) for term in pod.node_affinity))
    )


def _tolerated(taint: Mapping[str, Any], tolerations: Iterable[Mapping[str, Any]]) -> bool:
    return taint.get("effect") == "PreferNoSchedule" or any(_tolerates(one, taint) for one in tolerations)


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key, exists = toleration.get("key") or "", toleration.get("operator") == "Exists"
    if not key:
        return exists
    return key == taint.get("key") and (exists or (toleration.get("value") or "") == (taint.get("value") or ""))


def _matches(term: Mapping[str, Any], node: Node) -> bool:
    """A term without any requirement matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    by_field = {"metadata.name": node.name}
    return bool(expressions or fields) and (
        all(requirement_holds(one, node.labels) for one in expressions)
        and all(requirement_holds(one, by_field) for one in fields)
    )


def _fits(left: Mapping[str, Fraction], pod: SinglePod) -> bool:
    return all(left.get(name, _ZERO) >= wanted for name, wanted in pod.requests.items() if wanted > 0)


def _take(left: dict[str, Fraction], pod: SinglePod) -> None:
    for name, taken in pod.requests.items():
        left[name] = left.get(name, _ZERO) - taken


def _weight(pod: SinglePod) -> tuple[Fraction, Fraction]:
    return pod.requests.get("cpu", _ZERO), pod.requests.get("memory", _ZERO)
