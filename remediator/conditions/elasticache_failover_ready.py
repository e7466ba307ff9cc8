"""``elasticache_failover_ready``: could a node group fail over now, to a replica that is in sync?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws import elasticache
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_cache import not_a_cache
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target


class Params(ConditionParams):
    """How far behind is still in sync."""

    node_group: str | None = Field(
        None, pattern=r"^[0-9]{1,4}$", description="id of the shard, such as 0001; needed where there are several"
    )
    max_lag: Duration = Field(default="5s", validate_default=True, description="one replica is at most so far behind")


class ElastiCacheFailoverReady:
    """Automatic failover enabled, the group available, and a replica whose lag CloudWatch knows. No value is unknown, not 0."""

    name: ClassVar[str] = "elasticache_failover_ready"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        return (*elasticache.READ_GROUP, *elasticache.READ_LAG) if kind == "elasticache-group" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        if wrong := not_a_cache(target):
            return wrong
        try:
            group = await elasticache.replication_group(world.aws, target)
            shard = group.node_group(params.node_group)
            if shard is None:
                return Look(
                    Answer.UNKNOWN, f"{group.name} has {len(group.node_groups)} node groups; say which by its id"
                )
            if group.automatic_failover != "enabled" or group.status != "available":
                seen = f"{group.name} is {group.status}, automatic failover {group.automatic_failover}"
                return Look(Answer.NO, seen)
            if not shard.replicas:
                # With cluster mode on, the service does not tell who is what.
                known_roles = shard.primary is not None
                return Look(
                    Answer.of(False) if known_roles else Answer.UNKNOWN, f"{group.name} {shard.id} shows no replica"
                )
            lags = await elasticache.lags(world.aws, shard)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        seconds = {cluster: lag.value for cluster, lag in lags.items() if lag is not None and lag.value >= 0}
        if not seconds:
            return Look(Answer.UNKNOWN, f"CloudWatch has no ReplicationLag of {', '.join(lags)} in the last minutes")
        cluster, best = min(seconds.items(), key=lambda one: one[1])
        seen = f"{cluster} is {best:g} s behind (accepted: {format_duration(params.max_lag)})"
        return Look(Answer.of(best <= params.max_lag.total_seconds()), seen)
