"""PodDisruptionBudgets: how many pods may be moved now, and whether this one may."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.selectors import selects
from remediator.clients.kubernetes.single_pod import SinglePod


@dataclass(frozen=True, slots=True)
class Budget:
    """One read of one budget."""

    namespace: str
    name: str
    selector: Mapping[str, Any] | None
    allowed: int
    healthy: int
    desired: int
    expected: int
    observed: bool
    """Has the server counted since the budget was last changed?"""
    always_lets_unhealthy_go: bool

    def covers(self, pod: SinglePod) -> bool:
        """Is the pod one of its?"""
        return self.namespace == pod.namespace and selects(self.selector, pod.labels)

    @property
    def never_allows(self) -> bool:
        """However well its pods are, it wants all of them to stay."""
        return self.observed and self.expected > 0 and self.desired >= self.expected

    def __str__(self) -> str:
        return f"PodDisruptionBudget {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a pod may not be evicted now."""

    text: str
    passes: bool
    """It can pass by waiting; else somebody has to change a budget."""


def objection(pod: SinglePod, budgets: Iterable[Budget]) -> Objection | None:
    """What the eviction API would say of this pod, by the budgets as they were read; None: it may go.

    The order is the server's own: a pod that does not run is not asked about, one that is not ready may not count.
    """
    if pod.phase == "Pending" or pod.ended or pod.terminating:
        return None
    covering = [budget for budget in budgets if budget.covers(pod)]
    if len(covering) > 1:
        named = ", ".join(sorted(map(str, covering)))
        text = f"{pod.short} has more than one disruption budget ({named}), which an eviction cannot ask: leave one of them"
        return Objection(text, passes=False)
    if not covering:
        return None
    (budget,) = covering
    if not pod.ready and (budget.always_lets_unhealthy_go or budget.healthy >= budget.desired > 0):
        return None
    if not budget.observed:
        return Objection(f"{budget} is still being counted", passes=True)
    if budget.allowed > 0:
        return None
    counted = f"{budget} needs {budget.desired} healthy pods of {budget.expected} and has {budget.healthy}"
    if budget.never_allows:
        return Objection(f"{counted}: it never lets one go; give the workload a replica more or relax it", passes=False)
    if not pod.ready:
        counted += "; it counts a pod that is not ready too, unless its unhealthyPodEvictionPolicy is AlwaysAllow"
    return Objection(counted, passes=True)


class Budgets(Part):
    """Of one cluster."""

    async def of(self, namespace: str) -> tuple[Budget, ...]:
        """Those of a namespace; of the whole cluster with an empty one. Raises FactsMissingError."""
        found = await self._list("poddisruptionbudget", namespace)
        return understood(f"disruption budgets of {namespace or 'the cluster'}", lambda: tuple(map(_budget, found)))


def _budget(document: Mapping[str, Any]) -> Budget:
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    return Budget(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        selector=spec.get("selector"),
        allowed=int(status.get("disruptionsAllowed") or 0),
        healthy=int(status.get("currentHealthy") or 0),
        desired=int(status.get("desiredHealthy") or 0),
        expected=int(status.get("expectedPods") or 0),
        observed=int(status.get("observedGeneration") or 0) >= int(metadata.get("generation") or 0),
        always_lets_unhealthy_go=spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow",
    )
