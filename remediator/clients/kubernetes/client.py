"""One cluster: what actions, conditions and the decider may ask of it and do to it, a part for each kind of thing.

Dry-run is the same class over a dry transport (see connect.py): each write goes out as ``dryRun=All``.
"""

from datetime import datetime
from typing import Any

from remediator.clients.kubernetes.access import Access
from remediator.clients.kubernetes.api import KubernetesApi
from remediator.clients.kubernetes.autoscalers import Autoscalers
from remediator.clients.kubernetes.bounds import AutoscalerBounds
from remediator.clients.kubernetes.budgets import Budgets
from remediator.clients.kubernetes.certificates import Certificates
from remediator.clients.kubernetes.commands import Commands
from remediator.clients.kubernetes.event_log import EventLog
from remediator.clients.kubernetes.events import Events
from remediator.clients.kubernetes.groups import Groups
from remediator.clients.kubernetes.ingresses import Ingresses
from remediator.clients.kubernetes.jobs import Jobs
from remediator.clients.kubernetes.node_conditions import NodeStates
from remediator.clients.kubernetes.nodes import Nodes
from remediator.clients.kubernetes.owners import Owners
from remediator.clients.kubernetes.pod_logs import PodLogs
from remediator.clients.kubernetes.pod_metrics import PodMetrics
from remediator.clients.kubernetes.pod_states import PodStates
from remediator.clients.kubernetes.pods import Pods
from remediator.clients.kubernetes.postgres_clusters import PostgresClusters
from remediator.clients.kubernetes.single_pods import SinglePods
from remediator.clients.kubernetes.sizes import Sizes
from remediator.clients.kubernetes.tls_secrets import TlsSecrets
from remediator.clients.kubernetes.volumes import Volumes
from remediator.clients.kubernetes.workloads import Workloads
from remediator.clock import Clock
from remediator.targets import Target


class KubernetesClient:
    """Reads and writes of one cluster. Every method of every part raises only our own errors (see KubernetesApi)."""

    def __init__(self, api: KubernetesApi, *, name: str, clock: Clock) -> None:
        self.name = name
        """The cluster's canonical name, the ``place`` of its targets."""
        self._api = api
        self._clock = clock
        self.workloads = Workloads(api, cluster=name, clock=clock)
        self.pods = Pods(api, cluster=name, clock=clock)
        self.autoscalers = Autoscalers(api, cluster=name, clock=clock)
        self.bounds = AutoscalerBounds(api, cluster=name, clock=clock)
        self.owners = Owners(api, cluster=name, clock=clock)
        self.groups = Groups(api, cluster=name, clock=clock)
        self.single_pods = SinglePods(api, cluster=name, clock=clock)
        self.budgets = Budgets(api, cluster=name, clock=clock)
        self.pod_states = PodStates(api, cluster=name, clock=clock)
        self.pod_logs = PodLogs(api, cluster=name, clock=clock)
        self.pod_metrics = PodMetrics(api, cluster=name, clock=clock)
        self.node_states = NodeStates(api, cluster=name, clock=clock)
        self.event_log = EventLog(api, cluster=name, clock=clock)
        self.events = Events(api, cluster=name, clock=clock)
        self.commands = Commands(api, cluster=name, clock=clock)
        self.nodes = Nodes(api, cluster=name, clock=clock)
        self.access = Access(api, cluster=name, clock=clock)
        self.volumes = Volumes(api, cluster=name, clock=clock)
        self.jobs = Jobs(api, cluster=name, clock=clock)
        self.postgres_clusters = PostgresClusters(api, cluster=name, clock=clock)
        self.certificates = Certificates(api, cluster=name, clock=clock)
        self.sizes = Sizes(api, cluster=name, clock=clock)
        self.tls_secrets = TlsSecrets(api, cluster=name, clock=clock)
        self.ingresses = Ingresses(api, cluster=name, clock=clock)

    @property
    def dry_run(self) -> bool:
        """Are writes only validated?"""
        return self._api.dry_run

    async def close(self) -> None:
        """Close its connections."""
        await self._api.close()

    def now(self) -> datetime:
        """The time by the clock it was given."""
        return self._clock.now()

    async def document(self, target: Target) -> dict[str, Any]:
        """Any target as the API gives it. Raises TargetNotFoundError or FactsMissingError."""
        return await self.workloads.document(target)
