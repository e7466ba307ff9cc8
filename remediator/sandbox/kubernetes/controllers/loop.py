"""The loop that runs all controllers: a queue of objects to look at, each at its time, fed by changes of the store."""

import asyncio
from collections.abc import Callable

from remediator.sandbox.kubernetes.controllers.autoscalers import Autoscalers
from remediator.sandbox.kubernetes.controllers.certificates import Certificates
from remediator.sandbox.kubernetes.controllers.daemon_sets import DaemonSets
from remediator.sandbox.kubernetes.controllers.deployments import Deployments
from remediator.sandbox.kubernetes.controllers.disruption_budgets import DisruptionBudgets
from remediator.sandbox.kubernetes.controllers.garbage import is_abandoned
from remediator.sandbox.kubernetes.controllers.jobs import Jobs
from remediator.sandbox.kubernetes.controllers.kubelet import Kubelet
from remediator.sandbox.kubernetes.controllers.nodes import Nodes
from remediator.sandbox.kubernetes.controllers.postgres_clusters import PostgresClusters
from remediator.sandbox.kubernetes.controllers.reactions import Item, affected
from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.controllers.replica_sets import ReplicaSets
from remediator.sandbox.kubernetes.controllers.scheduler import Scheduler
from remediator.sandbox.kubernetes.controllers.stateful_sets import StatefulSets
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.controllers.volumes import Volumes
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.health import Health, Key
from remediator.sandbox.kubernetes.resources import (
    AUTOSCALERS,
    CERTIFICATES,
    CLAIMS,
    CLUSTER_ISSUERS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    ISSUERS,
    JOBS,
    NODES,
    PODS,
    POSTGRES_CLUSTERS,
    REPLICA_SETS,
    STATEFUL_SETS,
    WORKLOADS,
    Object,
    Registry,
    Resource,
)
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace

Sync = Callable[[Object], float | None] | Callable[[Object], None]

_COLLECTOR = Writer("kube-controller-manager", external=False)


class ControllerLoop:
    """Looks only at objects that changed or are due, so idle workloads cost nothing."""

    def __init__(self, store: ObjectStore, registry: Registry, health: Health, pace: Pace, timings: Timings) -> None:
        self._deletion = deletion = Deletion(store, registry, pace)
        self._registry = registry
        self._store = store
        self._pace = pace
        self._timings = timings
        self._health = health
        self._scheduler = Scheduler(store, pace, timings)
        self.kubelet = Kubelet(store, health, pace, timings, self._scheduler)
        self._deployments = Deployments(store, deletion, health, pace)
        certificates = Certificates(store, deletion, pace, timings)
        self._syncs: dict[Resource, Sync] = {
            PODS: self.kubelet.sync,
            REPLICA_SETS: ReplicaSets(
                store, deletion, self.kubelet, Recorder(store, pace, "replicaset-controller")
            ).sync,
            DEPLOYMENTS: self._deployments.sync,
            STATEFUL_SETS: StatefulSets(store, deletion, health, self.kubelet).sync,
            DAEMON_SETS: DaemonSets(store, deletion, health, self.kubelet).sync,
            JOBS: Jobs(store, deletion, pace).sync,
            NODES: Nodes(store, pace).sync,
            CLAIMS: Volumes(store, pace, timings).sync,
            AUTOSCALERS: Autoscalers(store, pace).sync,
            POSTGRES_CLUSTERS: PostgresClusters(store, pace, timings).sync,
            DISRUPTION_BUDGETS: DisruptionBudgets(store, pace).sync,
            CERTIFICATES: certificates.sync,
            ISSUERS: certificates.sync_issuer,
            CLUSTER_ISSUERS: certificates.sync_issuer,
        }
        self._due: dict[Item, float] = {}
        self._wake = asyncio.Event()
        store.watch(self._changed)
        health.listen(self._behaviour_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            now = self._pace.elapsed_s()
            for item in [item for item, at in self._due.items() if at <= now]:
                del self._due[item]
                self._look(item)
            self._wake.clear()
            wait_s = min(self._due.values(), default=now + 3600) - self._pace.elapsed_s()
            try:
                # The least wait lets requests in between two rounds however busy the controllers are.
                async with asyncio.timeout(max(wait_s / self._pace.speed, 0.001)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _look(self, item: Item) -> None:
        resource, namespace, name = item
        found = self._store.get(resource, namespace, name)
        if found is None:
            return
        if is_abandoned(self._store, self._registry, found):
            self._deletion.delete(resource, found, _COLLECTOR)
            return
        sync = self._syncs.get(resource)
        again_s = sync(found) if sync is not None else None
        if again_s is not None:
            self._enqueue(item, again_s)

    def _enqueue(self, item: Item, after_s: float) -> None:
        at = self._pace.elapsed_s() + after_s
        if item not in self._due or at < self._due[item]:
            self._due[item] = at
            self._wake.set()

    def _changed(self, resource: Resource, obj: Object, gone: bool) -> None:
        metadata = obj["metadata"]
        if resource is PODS:
            self._scheduler.note(obj, gone=gone)
            if gone:
                self.kubelet.forget(metadata["uid"])
        if gone and resource in (*WORKLOADS, JOBS, CRON_JOBS):
            self._deployments.status.forget(metadata["uid"])
            self._health.forget((resource.plural, metadata["namespace"], metadata["name"]))
        for found, after_s in affected(self._store, self._timings, resource, obj, gone=gone):
            if found[0] in self._syncs or obj["metadata"].get("ownerReferences"):
                self._enqueue(found, after_s)

    def _behaviour_changed(self, key: Key) -> None:
        for pod in self._store.all(PODS, key[1]):
            if self.kubelet.workload_of(pod) == key:
                self._enqueue((PODS, key[1], pod["metadata"]["name"]), 0)
