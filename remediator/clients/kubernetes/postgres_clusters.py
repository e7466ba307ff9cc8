"""PostgreSQL clusters of CloudNativePG: reading them with their pods, and asking their operator to switch over."""

from datetime import datetime

from remediator.clients.kubernetes.marks import intent_manager
from remediator.clients.kubernetes.names import RESOURCES, permission_on
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.postgres import PostgresCluster, cluster_from, switchover_body
from remediator.clients.kubernetes.workload_json import pod_from
from remediator.clients.permissions import Permission
from remediator.targets import Target

_CLUSTER_LABEL = "cnpg.io/cluster"


def read_postgres_cluster() -> tuple[Permission, ...]:
    """What reading one with its pods needs."""
    return (RESOURCES["postgrescluster"].permission("get"), RESOURCES["pod"].permission("list"))


class PostgresClusters(Part):
    """Of one cluster (Kubernetes' own)."""

    async def read(self, target: Target) -> PostgresCluster:
        """Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        found = await self._list("pod", target.namespace, {"labelSelector": f"{_CLUSTER_LABEL}={target.name}"})
        return understood(target, lambda: cluster_from(target, document, [pod_from(one) for one in found]))

    async def switch_over(self, cluster: PostgresCluster, standby: str, at: datetime, intent_id: str) -> None:
        """Name the next primary in the status of a cluster as just read; raises ConflictError when somebody wrote since."""
        await self._api.patch(
            self._path(cluster.target, "status"),
            permission_on(cluster.target, "patch", "status"),
            switchover_body(cluster, standby, at.isoformat(timespec="microseconds")),
            field_manager=intent_manager(intent_id),
        )
