"""``replicas_ready``: are enough pods of the workload ready now, old or new?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Without ``at_least``: all that are wanted."""

    at_least: int | None = Field(
        None, ge=1, description="so many ready pods are enough; absent: as many as the workload wants"
    )


class ReplicasReady:
    """Counts ready pods. A workload that wants none has nothing ready: a known no, never a success."""

    name: ClassVar[str] = "replicas_ready"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_workloads(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        if target.workload is None:
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} belongs to no workload")
        try:
            workload = await world.kubernetes.workloads.read(target.workload)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if workload.observed_generation < workload.generation:
            return Look(Answer.NO, "the controller has not seen the newest change yet, so its counts are old")
        if workload.replicas == 0 and params.at_least is None:
            return Look(Answer.NO, f"{target.short} is scaled to zero")
        wanted = params.at_least or workload.replicas
        return Look(Answer.of(workload.ready >= wanted), f"{workload.ready} of {wanted} pods are ready")
