"""The clients of every place that settings name, as the actions and conditions of one run get them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.prometheus import PrometheusClient
from remediator.conditions.base import World
from remediator.engine.places import cluster_of
from remediator.settings import Settings

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    from remediator.clients.http_probe import HttpProbe


class Worlds:
    """Built by ``app``; live or dry by the clients that it was given."""

    def __init__(
        self,
        *,
        kubernetes: Mapping[str, KubernetesClient],
        prometheus: Mapping[str, PrometheusClient],
        alertmanagers: Mapping[str, AlertmanagerPeers],
        http: "HttpProbe | None" = None,
    ) -> None:
        self._kubernetes = kubernetes
        self._prometheus = prometheus
        self._alertmanagers = alertmanagers
        self._http = http

    def of(self, cluster: str, source: str) -> World | None:
        """The clients for one cluster and source; None for a cluster that has no client."""
        kubernetes = self._kubernetes.get(cluster)
        if kubernetes is None:
            return None
        return World(kubernetes, self._prometheus.get(cluster), self._alertmanagers.get(source), self._http)

    def prometheus_of(self, settings: Settings) -> Callable[[str, Mapping[str, str]], PrometheusClient | None]:
        """By an alert's source and labels: the Prometheus that evaluates its rule; None where none is configured."""

        def of(source: str, labels: Mapping[str, str]) -> PrometheusClient | None:
            cluster = cluster_of(settings, source, labels)
            return self._prometheus.get(cluster) if isinstance(cluster, str) else None

        return of
