"""``replicas``: how many pods is the workload meant to have?"""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from remediator.answers import Answer
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_workload import read
from remediator.targets import Target


class Params(ConditionParams):
    """Exactly one comparison."""

    above: int | None = Field(None, ge=0, description="more than this")
    below: int | None = Field(None, ge=1, description="fewer than this")
    equals: int | None = Field(None, ge=0, description="exactly this")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(given is not None for given in (self.above, self.below, self.equals)) != 1:
            raise ValueError("replicas needs exactly one of above, below and equals")
        return self

    def holds(self, count: int) -> bool:
        if self.above is not None:
            return count > self.above
        return count < self.below if self.below is not None else count == self.equals


class Replicas:
    """The wanted number, of a DaemonSet the nodes that want a pod; how many are ready asks ``replicas_ready``."""

    name: ClassVar[str] = "replicas"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_workloads(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        workload = await read(world.kubernetes, target)
        if isinstance(workload, Look):
            return workload
        return Look(
            Answer.of(params.holds(workload.replicas)), f"{workload.target.short} wants {workload.replicas} pods"
        )
