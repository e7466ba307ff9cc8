"""``previous_revision``: is there an earlier revision that a rollback would take?"""

from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.revision import NoWay, way_back
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_workload import read_history, read_with_history
from remediator.targets import Target


class Params(ConditionParams):
    """As those of ``kubernetes.rollout_undo``."""

    same_images: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: one with the same images counts too, as it is left by a restart"
    )


class PreviousRevision:
    """Chooses as ``kubernetes.rollout_undo`` does."""

    name: ClassVar[str] = "previous_revision"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_history(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        found = await read_with_history(world.kubernetes, target)
        if isinstance(found, Look):
            return found
        way = way_back(*found, same_images=params.same_images == "accept")
        if isinstance(way, NoWay):
            return Look(Answer.UNKNOWN if way.settling else Answer.NO, way.why)
        return Look(Answer.YES, f"{target.short} can go back from revision {way.present.number} to {way.to.number}")
