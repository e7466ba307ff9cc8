"""The disruption controller: how many pods of each PodDisruptionBudget may be evicted now."""

from datetime import datetime, timedelta

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.resources import (
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Object,
)
from remediator.sandbox.kubernetes.selectors import matches_selector
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_STATUS = Writer("kube-controller-manager", "status", external=False)
_EVICTED_IS_GONE_AFTER = timedelta(minutes=2)
_SCALED = {resource.kind: resource for resource in (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)}


class DisruptionBudgets:
    """Keeps the status of one budget at a time."""

    def __init__(self, store: ObjectStore, pace: Pace) -> None:
        self._store = store
        self._pace = pace

    def sync(self, budget: Object) -> float | None:
        """Count; the seconds until an eviction that was allowed and never happened is forgotten, or None."""
        found = self._pods(budget)
        try:
            expected, desired = self._wanted(budget["spec"], found)
        except LookupError as error:
            self._fail(budget, str(error))
            return None
        disrupted = self._disrupted(budget, found)
        healthy = sum(
            pods.is_ready(pod) and not pods.is_terminating(pod) and pod["metadata"]["name"] not in disrupted
            for pod in found
        )
        allowed = max(0, healthy - desired) if expected > 0 else 0
        generation = budget["metadata"]["generation"]
        status: Object = {
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "disruptionsAllowed": allowed,
            "expectedPods": expected,
            "observedGeneration": generation,
            "conditions": [self._condition(budget, "SufficientPods" if allowed else "InsufficientPods", "")],
        }
        if disrupted:
            status["disruptedPods"] = disrupted
        self._store.update(DISRUPTION_BUDGETS, budget, {**budget, "status": status}, _STATUS)
        return _EVICTED_IS_GONE_AFTER.total_seconds() if disrupted else None

    def _pods(self, budget: Object) -> list[Object]:
        selector = budget["spec"].get("selector")
        return [
            pod
            for pod in self._store.all(PODS, budget["metadata"]["namespace"])
            if selector is not None and matches_selector(selector, pod["metadata"].get("labels") or {})
        ]

    def _wanted(self, spec: Object, found: list[Object]) -> tuple[int, int]:
        """(expected pods, healthy ones that must stay). LookupError when a share is asked of pods without a scale."""
        if (unavailable := spec.get("maxUnavailable")) is not None:
            expected = self._scale(found)
            return expected, max(0, expected - _resolve(unavailable, expected))
        available = spec.get("minAvailable", 0)
        if isinstance(available, int):
            return len(found), available
        expected = self._scale(found)
        return expected, _resolve(available, expected)

    def _scale(self, found: list[Object]) -> int:
        """The replicas that the pods' controllers ask for; pods without a controller are not counted."""
        replicas: dict[str, int] = {}
        for pod in found:
            owner = _controller(pod)
            if owner is None:
                continue
            namespace, workload = pod["metadata"]["namespace"], None
            if (resource := _SCALED.get(owner["kind"])) is not None:
                workload = self._store.get(resource, namespace, owner["name"])
            if workload is not None and (above := _controller(workload)) is not None:
                workload = self._store.get(DEPLOYMENTS, namespace, above["name"]) or workload
            if workload is None:
                raise LookupError(_no_scale(owner["kind"], pod["metadata"]["name"]))
            replicas[workload["metadata"]["uid"]] = workload["spec"].get("replicas", 1)
        return sum(replicas.values())

    def _disrupted(self, budget: Object, found: list[Object]) -> dict[str, str]:
        """Pods that were let go and are not gone yet."""
        noted: dict[str, str] = budget.get("status", {}).get("disruptedPods", {})
        going = {pod["metadata"]["name"] for pod in found if not pods.is_terminating(pod)}
        oldest = self._pace.now() - _EVICTED_IS_GONE_AFTER
        return {name: at for name, at in noted.items() if name in going and datetime.fromisoformat(at) > oldest}

    def _fail(self, budget: Object, why: str) -> None:
        counted = dict.fromkeys(("currentHealthy", "desiredHealthy", "expectedPods"), 0)
        status: Object = {**counted, **budget.get("status", {}), "disruptionsAllowed": 0}
        failed = self._condition(budget, "SyncFailed", why)
        # Nothing was counted, so what was observed stays what it was.
        del failed["observedGeneration"]
        status["conditions"] = [{**failed, **{key: status[key] for key in ("observedGeneration",) if key in status}}]
        self._store.update(DISRUPTION_BUDGETS, budget, {**budget, "status": status}, _STATUS)

    def _condition(self, budget: Object, reason: str, message: str) -> Object:
        value = "True" if reason == "SufficientPods" else "False"
        condition: Object = {
            "type": "DisruptionAllowed",
            "status": value,
            "reason": reason,
            "message": message,
            "observedGeneration": budget["metadata"]["generation"],
            "lastTransitionTime": rfc3339_seconds(self._pace.now()),
        }
        for found in budget.get("status", {}).get("conditions", []):
            if found["status"] == value:
                condition["lastTransitionTime"] = found["lastTransitionTime"]
        return condition


def _controller(obj: Object) -> Object | None:
    return next((found for found in obj["metadata"].get("ownerReferences", []) if found.get("controller")), None)


def _no_scale(kind: str, pod: str) -> str:
    if kind in ("DaemonSet", "Job"):
        group = {"DaemonSet": "daemonsets.apps", "Job": "jobs.batch"}[kind]
        return f"{group} does not implement the scale subresource"
    return f'found no controllers for pod "{pod}"'


def _resolve(value: int | str, of: int) -> int:
    """A number or a percentage of `of`, rounded up as the real controller does for both fields."""
    return value if isinstance(value, int) else -(-int(value.removesuffix("%")) * of // 100)
