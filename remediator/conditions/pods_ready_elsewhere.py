"""``pods_ready_elsewhere``: are the pods that this run's drain moved ready on other nodes?"""

from collections import Counter
from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target

_NAMED = 3


class Params(ConditionParams):
    """Nothing to choose."""


class PodsReadyElsewhere:
    """Each controller that lost pods has as many ready ones as before the drain, none of them on the node."""

    name: ClassVar[str] = "pods_ready_elsewhere"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (RESOURCES["pod"].permission("list", everywhere=True),) if kind == "node" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        drains = [plan.memory["moved"] for plan in known.done if plan.target == target and "moved" in plan.memory]
        if not drains:
            return Look(Answer.UNKNOWN, f"this run has not drained {target.kind} {target.short}")
        try:
            pods = await world.kubernetes.single_pods.everywhere()
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        ready = Counter(
            f"{pod.namespace}/{pod.controller}"
            for pod in pods
            if pod.ready and not pod.terminating and pod.node != target.name
        )
        short = [f"{whose} {ready[whose]} of {before}" for whose, before in drains[-1].items() if ready[whose] < before]
        more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        told = f"not yet ready elsewhere: {', '.join(short[:_NAMED])}{more}" if short else "all are ready elsewhere"
        return Look(Answer.of(not short), told)
