"""``recent_failover``: did another instance take over, by whomever, a short while ago, or is one taking over now?"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws.rds_events import FAILOVER, READ_EVENTS, events_of, newest
from remediator.clients.kubernetes.postgres_clusters import read_postgres_cluster
from remediator.clients.permissions import Right
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target

_READS: Final[Mapping[str, tuple[Right, ...]]] = {
    "rds-instance": (READ_EVENTS,),
    "rds-cluster": (READ_EVENTS,),
    "postgrescluster": read_postgres_cluster(),
}


class Params(ConditionParams):
    """How long ago counts as recent."""

    within: Duration = Field(description="so long ago or less; RDS keeps its events for 14 days")


class RecentFailover:
    """Of a database of RDS by its events; of a PostgreSQL cluster of CloudNativePG by when its primary became it."""

    name: ClassVar[str] = "recent_failover"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Right, ...]:
        del params
        return _READS.get(kind, ())

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        if target.kind not in _READS:
            return Look(Answer.UNKNOWN, f"when a {target.kind} failed over last is not known to remediator")
        recent = f"recent: {format_duration(params.within)}"
        try:
            if target.kind == "postgrescluster":
                return await _of_postgres(world, target, params, known, recent)
            event = newest(await events_of(world.aws, target, since=known.now - params.within), FAILOVER)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if event is None:
            return Look(Answer.NO, f"RDS tells of no failover of {target.short} ({recent})")
        return Look(Answer.YES, f"RDS tells: {event} ({recent})")


async def _of_postgres(world: World, target: Target, params: Any, known: Known, recent: str) -> Look:
    cluster = await world.kubernetes.postgres_clusters.read(target)
    if cluster.primary != cluster.target_primary:
        return Look(Answer.YES, f"{target.short} goes over from {cluster.primary} to {cluster.target_primary} now")
    if (at := cluster.promoted_at) is None:
        return Look(Answer.UNKNOWN, f"the operator does not say since when {cluster.primary} is the primary")
    seen = f"{cluster.primary} is the primary since {at:%Y-%m-%d %H:%M:%S}Z ({recent})"
    return Look(Answer.of(known.now - at <= params.within), seen)
