"""Which resources the emulated API server has. A further one is one line: `registry.register(Resource(...))`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One plural under one group and version.

    `built_in` ones take strategic-merge patches; custom ones answer 415 to them, as a real server does.
    `scale`: has the subresource of that name. `status`: has one too, so the main resource ignores status.
    `actions`: subresources that are no view of the object but do or tell something.
    `orphans`: a delete that names no policy leaves the dependents behind.
    `returns_deleted`: a delete answers with the object instead of a Status.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    status: bool = True
    scale: bool = False
    built_in: bool = True
    actions: tuple[str, ...] = ()
    orphans: bool = False
    returns_deleted: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As error messages name it: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False, returns_deleted=True)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod", actions=("eviction", "log", "exec"), returns_deleted=True)
EVENTS = Resource("", "v1", "events", "Event", status=False)
NEW_EVENTS = Resource("events.k8s.io", "v1", "events", "Event", status=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", scale=True)
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet", scale=True)
DAEMON_SETS = Resource("apps", "v1", "daemonsets", "DaemonSet")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet", scale=True)
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision", status=False)
AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
JOBS = Resource("batch", "v1", "jobs", "Job", orphans=True)
CRON_JOBS = Resource("batch", "v1", "cronjobs", "CronJob")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", returns_deleted=True)
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, returns_deleted=True)
STORAGE_CLASSES = Resource(
    "storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, status=False, returns_deleted=True
)
POSTGRES_CLUSTERS = Resource("postgresql.cnpg.io", "v1", "clusters", "Cluster", built_in=False)
CERTIFICATES = Resource("cert-manager.io", "v1", "certificates", "Certificate", built_in=False)
CERTIFICATE_REQUESTS = Resource("cert-manager.io", "v1", "certificaterequests", "CertificateRequest", built_in=False)
ISSUERS = Resource("cert-manager.io", "v1", "issuers", "Issuer", built_in=False)
CLUSTER_ISSUERS = Resource("cert-manager.io", "v1", "clusterissuers", "ClusterIssuer", namespaced=False, built_in=False)
ORDERS = Resource("acme.cert-manager.io", "v1", "orders", "Order", built_in=False)
CHALLENGES = Resource("acme.cert-manager.io", "v1", "challenges", "Challenge", built_in=False)
SECRETS = Resource("", "v1", "secrets", "Secret", status=False)

WORKLOADS = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS)

BUILT_IN = (
    NAMESPACES,
    NODES,
    PODS,
    EVENTS,
    NEW_EVENTS,
    *WORKLOADS,
    REPLICA_SETS,
    CONTROLLER_REVISIONS,
    AUTOSCALERS,
    DISRUPTION_BUDGETS,
    JOBS,
    CRON_JOBS,
    CLAIMS,
    VOLUMES,
    STORAGE_CLASSES,
    POSTGRES_CLUSTERS,
    CERTIFICATES,
    CERTIFICATE_REQUESTS,
    ISSUERS,
    CLUSTER_ISSUERS,
    ORDERS,
    CHALLENGES,
    SECRETS,
    Resource("", "v1", "configmaps", "ConfigMap", status=False),
    Resource("", "v1", "services", "Service", returns_deleted=True),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", status=False, returns_deleted=True),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", status=False),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress"),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", status=False),
    Resource("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", status=False),
    Resource("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", namespaced=False, status=False),
    Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject", built_in=False),
    Resource("argoproj.io", "v1alpha1", "applications", "Application", status=False, built_in=False),
)


class Registry:
    """The resources of one server."""

    def __init__(self) -> None:
        self._known = {(r.group, r.version, r.plural): r for r in BUILT_IN}

    def register(self, resource: Resource) -> None:
        """Serve one more; replaces what was registered under the same group, version and plural."""
        self._known[(resource.group, resource.version, resource.plural)] = resource

    def get(self, group: str, version: str, plural: str) -> Resource | None:
        return self._known.get((group, version, plural))

    def by_plural(self, plural: str) -> Resource:
        """The first with this plural (core before groups); raises KeyError with what is known."""
        for resource in self._known.values():
            if resource.plural == plural:
                return resource
        raise KeyError(f"no resource {plural!r}; known: {', '.join(sorted({r.plural for r in self}))}")

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._known.values())
