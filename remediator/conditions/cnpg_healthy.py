"""``cnpg_healthy``: does CloudNativePG call the PostgreSQL cluster healthy, with all of its instances ready?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.postgres_clusters import read_postgres_cluster
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class CnpgHealthy:
    """A cluster in the middle of a switchover is not."""

    name: ClassVar[str] = "cnpg_healthy"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_postgres_cluster() if kind == "postgrescluster" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != "postgrescluster":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no PostgreSQL cluster")
        try:
            cluster = await world.kubernetes.postgres_clusters.read(target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        seen = f"{cluster.phase[:100]}; {cluster.ready} of {cluster.wanted} instances are ready"
        return Look(Answer.of(cluster.is_healthy), seen)
