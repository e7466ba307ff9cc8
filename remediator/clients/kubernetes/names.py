"""Where each kind of target stands in the API: its path, its plural, the group that a permission names."""

from dataclasses import dataclass

from remediator.clients.permissions import Permission
from remediator.targets import CLUSTER_SCOPED, Target


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in the API."""

    group: str
    version: str
    plural: str

    @property
    def root(self) -> str:
        """``/apis/apps/v1``, ``/api/v1``."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Of one object, of its subresource, or (without a name) of all in the namespace; of the cluster where that is empty."""
        within = f"/namespaces/{namespace}" if namespace else ""
        return self.root + within + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)

    def permission(self, verb: str, subresource: str = "", *, everywhere: bool = False) -> Permission:
        """What a request on it needs."""
        return Permission(self.group, f"{self.plural}/{subresource}" if subresource else self.plural, verb, everywhere)


RESOURCES = {
    "deployment": Resource("apps", "v1", "deployments"),
    "statefulset": Resource("apps", "v1", "statefulsets"),
    "daemonset": Resource("apps", "v1", "daemonsets"),
    "replicaset": Resource("apps", "v1", "replicasets"),
    "controllerrevision": Resource("apps", "v1", "controllerrevisions"),
    "pod": Resource("", "v1", "pods"),
    "node": Resource("", "v1", "nodes"),
    "namespace": Resource("", "v1", "namespaces"),
    "persistentvolumeclaim": Resource("", "v1", "persistentvolumeclaims"),
    "storageclass": Resource("storage.k8s.io", "v1", "storageclasses"),
    "cronjob": Resource("batch", "v1", "cronjobs"),
    "job": Resource("batch", "v1", "jobs"),
    "horizontalpodautoscaler": Resource("autoscaling", "v2", "horizontalpodautoscalers"),
    "scaledobject": Resource("keda.sh", "v1alpha1", "scaledobjects"),
    "poddisruptionbudget": Resource("policy", "v1", "poddisruptionbudgets"),
    "postgrescluster": Resource("postgresql.cnpg.io", "v1", "clusters"),
    "ingress": Resource("networking.k8s.io", "v1", "ingresses"),
    "certificate": Resource("cert-manager.io", "v1", "certificates"),
    "certificaterequest": Resource("cert-manager.io", "v1", "certificaterequests"),
    "issuer": Resource("cert-manager.io", "v1", "issuers"),
    "clusterissuer": Resource("cert-manager.io", "v1", "clusterissuers"),
    "order": Resource("acme.cert-manager.io", "v1", "orders"),
    "challenge": Resource("acme.cert-manager.io", "v1", "challenges"),
}
"""By the word that targets use."""


def path_of(target: Target, subresource: str = "") -> str:
    """The path of a target, as a plan shows it."""
    namespace = "" if target.kind in CLUSTER_SCOPED else target.namespace
    return RESOURCES[target.kind].path(namespace, target.name, subresource)


def permission_on(target: Target, verb: str, subresource: str = "") -> Permission:
    """What a request on this target needs."""
    return RESOURCES[target.kind].permission(verb, subresource, everywhere=target.kind in CLUSTER_SCOPED)
