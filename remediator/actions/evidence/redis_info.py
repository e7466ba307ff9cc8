"""``evidence.redis_info``: what a Redis says of itself, asked by its own ``redis-cli`` in its own container."""

from typing import Any, ClassVar

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams
from remediator.actions.kubernetes import exec as command
from remediator.runs.plan import Plan
from remediator.targets import Target


class Params(ActionParams):
    """Which container, where a pod has several."""

    container: command.ContainerName | None = Field(
        None, description="absent: the pod's default container, else its first"
    )


class RedisInfo(command.Exec):
    """All of ``INFO`` at once, since only Redis 7 takes several sections. Figures alone: no key and no value stands in it.

    A server that wants a password gets it from ``REDISCLI_AUTH`` in its container, or says that it wants one.
    """

    name: ClassVar[str] = "evidence.redis_info"
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"pod", "deployment", "statefulset"})

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        asked = command.Params(command=("redis-cli", "INFO"), container=params.container)
        return await super().plan(ctx, target, asked)
