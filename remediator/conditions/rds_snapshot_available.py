"""``rds_snapshot_available``: is the snapshot that this run made complete, or is there a recent one?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws.rds import INTENT_TAG
from remediator.clients.aws.rds_snapshots import MADE_OF, permission_to_read, snapshots_of
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Where this run has made none."""

    within: Duration | None = Field(
        None, description="without a snapshot of this run: any that was begun so long ago or less"
    )


class RdsSnapshotAvailable:
    """Automated snapshots count as well where ``within`` is asked."""

    name: ClassVar[str] = "rds_snapshot_available"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return (permission_to_read(kind),) if kind in MADE_OF else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        if target.kind not in MADE_OF:
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no database of RDS")
        ours = [plan for plan in known.done if plan.action == "aws.rds_snapshot" and plan.target == target]
        if not ours and params.within is None:
            return Look(Answer.UNKNOWN, "this run has made no snapshot, and no `within` says which other counts")
        try:
            every = await snapshots_of(world.aws, target)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        if ours:
            # Ours has a mark and was not there when the step was planned. Nobody else of us makes one: the target is locked.
            made = [one for one in every if INTENT_TAG in one.tags and one.name not in ours[-1].memory["ours"]]
            if not made:
                return Look(Answer.UNKNOWN, f"the snapshot of {target.short} that this run made is gone")
            return Look(Answer.of(made[-1].available), str(made[-1]))
        usable = [one for one in every if one.available and one.made_at is not None]
        if not usable:
            return Look(Answer.NO, f"there is no snapshot of {target.short} that is available")
        newest = usable[-1]
        recent = newest.made_at is not None and known.now - newest.made_at <= params.within
        return Look(Answer.of(recent), f"{newest}; wanted within {format_duration(params.within)}")
