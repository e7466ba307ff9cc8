"""``recent_rollout``: was the workload given its present pod template a short while ago?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.revision import rolled_out_at
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_workload import read_history, read_with_history
from remediator.durations import Duration, format_duration
from remediator.targets import Target


class Params(ConditionParams):
    """How long ago counts as recent."""

    within: Duration = Field(description="so long ago or less")


class RecentRollout:
    """Any change of the template counts, a restart too: whether going back would change the images says ``previous_revision``."""

    name: ClassVar[str] = "recent_rollout"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_history(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        found = await read_with_history(world.kubernetes, target)
        if isinstance(found, Look):
            return found
        at = rolled_out_at(*found)
        if at is None:
            return Look(Answer.UNKNOWN, f"nothing says when {target.short} was given its present template")
        text = f"{target.short} has its present template since {at:%Y-%m-%d %H:%M:%S}Z"
        return Look(Answer.of(known.now - at <= params.within), f"{text} (recent: {format_duration(params.within)})")
