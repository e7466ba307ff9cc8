"""``cnpg_standby_streaming``: does the standby that would take over receive from the primary, and lag little?"""

from datetime import timedelta
from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.postgres_clusters import read_postgres_cluster
from remediator.clients.permissions import Permission
from remediator.clients.prometheus import PrometheusClient
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError
from remediator.targets import Target

_RECEIVES = "cnpg_pg_replication_is_wal_receiver_up"
_LAG = "cnpg_pg_replication_lag"


class Params(ConditionParams):
    """How far behind it may be."""

    max_lag: Duration = Field(timedelta(seconds=5), description="the standby may be so far behind the primary")


class CnpgStandbyStreaming:
    """Asks the Cluster for the standby, and Prometheus for what its instance exports by default (seconds behind, receiver up).

    The Cluster itself does not tell whether a standby streams; without Prometheus that is unknown.
    """

    name: ClassVar[str] = "cnpg_standby_streaming"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_postgres_cluster() if kind == "postgrescluster" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        if target.kind != "postgrescluster":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no PostgreSQL cluster")
        if world.prometheus is None:
            return Look(
                Answer.UNKNOWN,
                f"no Prometheus is configured for cluster {target.place} (clusters.{target.place}.prometheus)",
            )
        try:
            cluster = await world.kubernetes.postgres_clusters.read(target)
            if (standby := cluster.standby) is None:
                return Look(Answer.NO, f"{cluster.ready} of {cluster.wanted} instances are ready, and no standby is")
            instance = f'{{namespace="{target.namespace}",pod="{standby}"}}'
            receives = await _one(world.prometheus, _RECEIVES + instance)
            lag = await _one(world.prometheus, _LAG + instance)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if receives != 1:
            return Look(Answer.NO, f"standby {standby} receives nothing from the primary")
        seen = f"standby {standby} is {lag:g} s behind, at most {format_duration(params.max_lag)} wanted"
        return Look(Answer.of(lag <= params.max_lag.total_seconds()), seen)


async def _one(prometheus: PrometheusClient, query: str) -> float:
    """The value of the one series. Everything else is a missing fact."""
    vector = await prometheus.query(query)
    if vector.warnings:
        raise FactsMissingError(f"Prometheus warns that its answer may be partial: {vector.warnings[0]}")
    if len(vector.samples) != 1 or not vector.samples[0].finite:
        raise FactsMissingError(
            f"{query}: one number was expected of Prometheus, and {len(vector.samples)} series came"
        )
    return vector.samples[0].value
