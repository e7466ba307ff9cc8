"""``volume_expandable``: could the volume behind the claim grow now, and may it?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.claim import obstacle_to_growth
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.quantity import Size, size
from remediator.clients.kubernetes.volumes import read_claim_and_class
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """What the volume may have at most."""

    max_size: Size = Field(description="a volume that has so much already is not expandable, such as 500Gi")


class VolumeExpandable:
    """Bound, of a storage class that allows it, not being resized, and smaller than ``max_size``."""

    name: ClassVar[str] = "volume_expandable"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_claim_and_class() if kind == "persistentvolumeclaim" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        if target.kind != "persistentvolumeclaim":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no claim on a volume")
        try:
            claim = await world.kubernetes.volumes.claim(target)
            allows = await world.kubernetes.volumes.class_allows_growth(claim)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        obstacle = obstacle_to_growth(claim, class_allows=allows, max_size=size(params.max_size))
        if obstacle is not None:
            return Look(Answer.NO, obstacle.text)
        return Look(Answer.YES, f"it has {claim.asked}, may have {params.max_size}, and its storage class lets it grow")
