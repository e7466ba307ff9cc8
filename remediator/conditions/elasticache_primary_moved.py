"""``elasticache_primary_moved``: is another node the primary than before this run's failover?"""

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


class ElastiCachePrimaryMoved:
    """Only after a failover of this run: before one there is nothing to compare with."""

    name: ClassVar[str] = "elasticache_primary_moved"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return elasticache.READ_GROUP if kind == "elasticache-group" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        if wrong := not_a_cache(target):
            return wrong
        ours = [plan for plan in known.done if plan.action == "aws.elasticache_failover" and plan.target == target]
        if not ours:
            return Look(Answer.UNKNOWN, "this run has failed over no replication group")
        try:
            group = await elasticache.replication_group(world.aws, target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        shard = group.node_group(str(ours[-1].memory["node_group"]))
        if group.uid != ours[-1].uid or shard is None or shard.primary is None:
            return Look(Answer.UNKNOWN, f"{group.name} was made again since, or tells no primary")
        before = str(ours[-1].memory["primary"])
        moved = shard.primary.cluster != before
        return Look(Answer.of(moved), f"the primary was {before} and is {shard.primary.cluster}")
