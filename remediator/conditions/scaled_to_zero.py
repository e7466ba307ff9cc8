"""``scaled_to_zero``: does no Deployment or StatefulSet in the namespace have pods, or want any?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.sized import REPLICATED
from remediator.clients.kubernetes.sizes import read_sizes
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class ScaledToZero:
    """Without those that this run's ``kubernetes.scale_namespace`` was told to except. One that was made since counts."""

    name: ClassVar[str] = "scaled_to_zero"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_sizes(REPLICATED) if kind == "namespace" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        if target.kind != "namespace":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no namespace")
        try:
            sizes = await world.kubernetes.sizes.of(target, REPLICATED)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        ours = [plan for plan in known.done if plan.action == "kubernetes.scale_namespace" and plan.target == target]
        if ours and ours[-1].uid != sizes.uid:
            return Look(Answer.UNKNOWN, f"namespace {target.name} was made again since it was scaled to zero")
        but_not = ours[-1].params.get("except", ()) if ours else ()
        running = sizes.running(but_not)
        return Look(Answer.of(not running), "; ".join(running[:3]) or f"namespace {target.name} is at zero")
