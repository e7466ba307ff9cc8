"""``cnpg_primary_changed``: is another instance the primary than before this run's switchover?"""

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


class CnpgPrimaryChanged:
    """Only after a switchover of this run: before one there is nothing to compare with."""

    name: ClassVar[str] = "cnpg_primary_changed"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_postgres_cluster() if kind == "postgrescluster" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        ours = [
            plan for plan in known.done if plan.action == "kubernetes.postgres_switchover" and plan.target == target
        ]
        if not ours:
            return Look(Answer.UNKNOWN, "this run has switched over no PostgreSQL cluster")
        try:
            cluster = await world.kubernetes.postgres_clusters.read(target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if cluster.uid != ours[-1].uid:
            return Look(Answer.UNKNOWN, f"{target.short} was made again since it was switched over")
        before = str(ours[-1].memory["primary"])
        changed = cluster.primary == cluster.target_primary and cluster.primary not in ("", before)
        return Look(
            Answer.of(changed), f"the primary was {before}, is {cluster.primary} and is to be {cluster.target_primary}"
        )
