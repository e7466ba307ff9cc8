"""``no_restarts``: has no container of the workload's pods been started again lately?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.workload import Pod
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_workload import read
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """How far back a restart still counts."""

    within: Duration = Field(description="a container that was started again so long ago or less is a no")


class NoRestarts:
    """By the restart counters and start times of containers. Pods that are going away do not count; no pods at all is a no."""

    name: ClassVar[str] = "no_restarts"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (*read_workloads(kind), RESOURCES["pod"].permission("list"))

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        workload = await read(world.kubernetes, target)
        if isinstance(workload, Look):
            return workload
        try:
            pods = await world.kubernetes.pods.of(workload)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        return judge([pod for pod in pods if not pod.terminating], params.within, known.now)


def judge(pods: Sequence[Pod], within: timedelta, now: datetime) -> Look:
    """One look at the pods. Pure."""
    if not pods:
        return Look(Answer.NO, "it has no pods")
    for pod in pods:
        if pod.restarts and pod.waiting:
            return Look(Answer.NO, f"a container of {pod.name} waits to be started again: {pod.waiting}")
        if pod.restarts and pod.restarted_at is None:
            return Look(Answer.UNKNOWN, f"{pod.name} was restarted {pod.restarts} times, and nothing says when")
    recent = [pod for pod in pods if pod.restarted_at is not None and now - pod.restarted_at <= within]
    if recent:
        last = max(recent, key=lambda pod: str(pod.restarted_at))
        return Look(Answer.NO, f"a container of {last.name} was started again at {last.restarted_at:%H:%M:%S}Z")
    return Look(Answer.YES, f"no container of {len(pods)} pods was started again in the last {format_duration(within)}")
