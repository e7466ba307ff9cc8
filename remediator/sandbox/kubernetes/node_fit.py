"""Whether a pod may go to a node: taints and the node selector, and what the pod asks for."""

from decimal import Decimal

from remediator.sandbox.kubernetes.quantities import quantity
from remediator.sandbox.kubernetes.resources import Object

_ZERO = Decimal(0)


def untolerated(node: Object, pod_spec: Object) -> Object | None:
    """The first taint that keeps the pod away, if any."""
    for taint in node.get("spec", {}).get("taints") or []:
        if taint.get("effect") == "PreferNoSchedule":
            continue
        if not any(_tolerates(toleration, taint) for toleration in pod_spec.get("tolerations") or []):
            found: Object = taint
            return found
    return None


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key = toleration.get("key")
    if toleration.get("operator", "Equal") == "Exists":
        return key in (None, "", taint["key"])
    return bool(key == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or ""))


def selects(node: Object, pod_spec: Object) -> bool:
    """Whether the node has the labels that the pod's node selector wants."""
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in (pod_spec.get("nodeSelector") or {}).items())


def requests_of(pod: Object) -> dict[str, Decimal]:
    """What the pod's containers ask for, summed; itself counts as one of `pods`."""
    total: dict[str, Decimal] = {"pods": Decimal(1)}
    for container in pod["spec"].get("containers", []):
        resources = container.get("resources") or {}
        for resource, amount in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}.items():
            total[resource] = total.get(resource, _ZERO) + quantity(amount)
    return total
