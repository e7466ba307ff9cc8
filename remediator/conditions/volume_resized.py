"""``volume_resized``: does the volume have the size that was asked for, its filesystem included?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.quantity import size
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class VolumeResized:
    """After a step of this run that grew it: the size that the step asked for, whatever the claim says now."""

    name: ClassVar[str] = "volume_resized"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (RESOURCES[kind].permission("get"),) if kind == "persistentvolumeclaim" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        if target.kind != "persistentvolumeclaim":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no claim on a volume")
        try:
            claim = await world.kubernetes.volumes.claim(target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        ours = [plan for plan in known.done if plan.action == "kubernetes.expand_volume" and plan.target == target]
        if ours and ours[-1].uid != claim.uid:
            return Look(Answer.UNKNOWN, f"claim {target.short} was made again since it was grown")
        asked = str(ours[-1].changes[0].after) if ours else claim.asked
        if claim.capacity >= size(asked):
            return Look(Answer.YES, f"the volume has {asked}")
        return Look(Answer.NO, claim.resizing or claim.resize_failed or f"the volume does not have {asked} yet")
