"""``autoscaler_below_maximum``: may the autoscaler still add replicas?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.bounds import Bounds
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target

_KIND = "horizontalpodautoscaler"


class Params(ConditionParams):
    """Nothing to choose."""


class AutoscalerBelowMaximum:
    """By what the autoscaler last saw and asked for. A workload without one is a known no."""

    name: ClassVar[str] = "autoscaler_below_maximum"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (RESOURCES[_KIND].permission("get" if kind == _KIND else "list"),)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != _KIND and target.workload is None:
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} belongs to no workload")
        try:
            if target.kind == _KIND:
                return judge((await world.kubernetes.bounds.read(target),))
            return judge(await world.kubernetes.bounds.of_workload(target.workload or target))
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))


def judge(found: tuple[Bounds, ...]) -> Look:
    """Pure."""
    match found:
        case ():
            return Look(Answer.NO, "it has no autoscaler")
        case (bounds,) if bounds.current is None:
            return Look(Answer.UNKNOWN, f"{bounds} has not looked yet")
        case (bounds,):
            return Look(
                Answer.of((bounds.current or 0) < bounds.maximum),
                f"{bounds} is at {bounds.current} of at most {bounds.maximum}",
            )
        case _:
            return Look(Answer.UNKNOWN, f"it has more than one autoscaler: {', '.join(str(one) for one in found)}")
