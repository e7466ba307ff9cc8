"""``autoscaled``: does an autoscaler decide the workload's size?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class Autoscaled:
    """KEDA's autoscalers count too."""

    name: ClassVar[str] = "autoscaled"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (RESOURCES["horizontalpodautoscaler"].permission("list"),)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.workload is None:
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} belongs to no workload")
        try:
            found = await world.kubernetes.bounds.of_workload(target.workload)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        if not found:
            return Look(Answer.NO, f"no autoscaler scales {target.workload.short}")
        return Look(Answer.YES, f"{found[0]} scales {target.workload.short}")
