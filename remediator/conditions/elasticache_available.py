"""``elasticache_available``: is the replication group as it should be?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws import elasticache
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_cache import not_a_cache
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class ElastiCacheAvailable:
    """The group and each of its shards: a shard that is being repaired leaves the group's own state behind for a moment."""

    name: ClassVar[str] = "elasticache_available"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return elasticache.READ_GROUP if kind == "elasticache-group" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if wrong := not_a_cache(target):
            return wrong
        try:
            group = await elasticache.replication_group(world.aws, target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        states = {f"node group {one.id}": one.status for one in group.node_groups}
        done = group.status == "available" and all(state == "available" for state in states.values())
        other = ", ".join(f"{name} {state}" for name, state in states.items() if state != "available")
        return Look(Answer.of(done), f"{group.name} is {group.status}{f', {other}' if other else ''}")
