"""The clients of every place that settings name, as the actions and conditions of one run get them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.aws.api import AwsApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.prometheus import PrometheusClient
from remediator.conditions.base import World
from remediator.engine.places import account_of, cluster_of
from remediator.settings import BUILT_IN_SOURCES, Settings

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    from remediator.clients.http_probe import HttpProbe
    from remediator.clients.tls_probe import TlsProbe


@dataclass(frozen=True, slots=True)
class Fixed:
    """The places that a source fixes by itself."""

    cluster: str | None = None
    account: str | None = None
    """``<account>/<region>``."""

    @classmethod
    def by(cls, settings: Settings) -> Mapping[str, "Fixed"]:
        """Of every source in settings, and of those that remediator itself speaks as."""
        found = {}
        for name in (*settings.sources, *BUILT_IN_SOURCES):
            cluster, account = cluster_of(settings, name, {}), account_of(settings, name, {})
            found[name] = cls(
                cluster if isinstance(cluster, str) else None, account if isinstance(account, str) else None
            )
        return found


class Worlds:
    """Built by ``app``; live or dry by the clients that it was given."""

    def __init__(
        self,
        *,
        kubernetes: Mapping[str, KubernetesClient],
        prometheus: Mapping[str, PrometheusClient],
        alertmanagers: Mapping[str, AlertmanagerPeers],
        http: "HttpProbe | None" = None,
        tls: "TlsProbe | None" = None,
        aws: Mapping[str, AwsApi] | None = None,
        fixed: Mapping[str, "Fixed"] | None = None,
    ) -> None:
        """``aws`` by place; ``fixed``: of each source, what no label chooses."""
        self._kubernetes = kubernetes
        self._prometheus = prometheus
        self._alertmanagers = alertmanagers
        self._http = http
        self._tls = tls
        self._aws = aws or {}
        self._fixed = fixed or {}

    def of(self, place: str, source: str) -> World | None:
        """The clients for a target's place, a cluster or an account and region, and a source; None for a place that has no client.

        Beside the place itself there is what the source fixes of the other kind: an alert about a node group is judged by the pods
        of its cluster, a CronJob by the bucket that it writes to.
        """
        fixed = self._fixed.get(source, Fixed())
        kubernetes, account = self._kubernetes.get(place), self._aws.get(place)
        if kubernetes is None and account is None:
            return None
        cluster = place if kubernetes is not None else fixed.cluster or ""
        return World(
            kubernetes or self._kubernetes.get(cluster),
            self._prometheus.get(cluster),
            self._alertmanagers.get(source),
            self._http,
            self._tls,
            account or self._aws.get(fixed.account or ""),
            self._nearby(place) if source in BUILT_IN_SOURCES else None,
        )

    def _nearby(self, place: str) -> AlertmanagerPeers | None:
        """The one Alertmanager of the sources that lead to this cluster; none where there are several, which might not agree."""
        found = [
            peers for name, peers in self._alertmanagers.items() if self._fixed.get(name, Fixed()).cluster == place
        ]
        return found[0] if len(found) == 1 else None

    def prometheus_of(self, settings: Settings) -> Callable[[str, Mapping[str, str]], PrometheusClient | None]:
        """By an alert's source and labels: the Prometheus that evaluates its rule; None where none is configured."""

        def of(source: str, labels: Mapping[str, str]) -> PrometheusClient | None:
            cluster = cluster_of(settings, source, labels)
            return self._prometheus.get(cluster) if isinstance(cluster, str) else None

        return of
