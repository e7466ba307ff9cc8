"""Where objects of each kind are found on an API server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind that tests use."""

    kind: str
    api_version: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str, name: str | None = None, subresource: str | None = None) -> str:
        """Of the collection, of an object in it, or of a part of that."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        parts = [root, *(("namespaces", namespace) if self.namespaced else ()), self.plural, name, subresource]
        return "/".join(part for part in parts if part is not None)


_RBAC, _KEDA, _CNPG = "rbac.authorization.k8s.io/v1", "keda.sh/v1alpha1", "postgresql.cnpg.io/v1"
_CERT_MANAGER, _ACME = "cert-manager.io/v1", "acme.cert-manager.io/v1"

KINDS = (
    Kind("Namespace", "v1", "namespaces", namespaced=False),
    Kind("Node", "v1", "nodes", namespaced=False),
    Kind("Pod", "v1", "pods"),
    Kind("Event", "v1", "events"),
    Kind("Service", "v1", "services"),
    Kind("ServiceAccount", "v1", "serviceaccounts"),
    Kind("ConfigMap", "v1", "configmaps"),
    Kind("Secret", "v1", "secrets"),
    Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    Kind("PersistentVolume", "v1", "persistentvolumes", namespaced=False),
    Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False),
    Kind("Deployment", "apps/v1", "deployments"),
    Kind("StatefulSet", "apps/v1", "statefulsets"),
    Kind("DaemonSet", "apps/v1", "daemonsets"),
    Kind("ReplicaSet", "apps/v1", "replicasets"),
    Kind("ControllerRevision", "apps/v1", "controllerrevisions"),
    Kind("Job", "batch/v1", "jobs"),
    Kind("CronJob", "batch/v1", "cronjobs"),
    Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
    Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    Kind("Role", _RBAC, "roles"),
    Kind("RoleBinding", _RBAC, "rolebindings"),
    Kind("ClusterRole", _RBAC, "clusterroles", namespaced=False),
    Kind("ClusterRoleBinding", _RBAC, "clusterrolebindings", namespaced=False),
    Kind("Ingress", "networking.k8s.io/v1", "ingresses"),
    Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    Kind("Lease", "coordination.k8s.io/v1", "leases"),
    Kind("CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False),
    Kind("ScaledObject", _KEDA, "scaledobjects"),
    Kind("Cluster", _CNPG, "clusters"),
    Kind("Certificate", _CERT_MANAGER, "certificates"),
    Kind("CertificateRequest", _CERT_MANAGER, "certificaterequests"),
    Kind("Issuer", _CERT_MANAGER, "issuers"),
    Kind("ClusterIssuer", _CERT_MANAGER, "clusterissuers", namespaced=False),
    Kind("Order", _ACME, "orders"),
    Kind("Challenge", _ACME, "challenges"),
    Kind("Application", "argoproj.io/v1alpha1", "applications"),
)

_BY_WORD = {word.lower(): one for one in KINDS for word in (one.kind, one.plural)}


def kind_of(word: str) -> Kind:
    """By kind or plural, in any case; KeyError when tests have not used it yet (then it is one line above)."""
    return _BY_WORD[word.lower()]
