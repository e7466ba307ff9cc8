"""Which objects are to be looked at when one has changed, and how soon."""

from collections.abc import Iterator

from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.resources import (
    AUTOSCALERS,
    CERTIFICATES,
    CLAIMS,
    CLUSTER_ISSUERS,
    DAEMON_SETS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    ISSUERS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    STATEFUL_SETS,
    STORAGE_CLASSES,
    VOLUMES,
    Object,
    Resource,
)
from remediator.sandbox.kubernetes.store import ObjectStore

Item = tuple[Resource, str, str]

_OWNERS = {
    resource.kind: resource for resource in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS, JOBS, CERTIFICATES)
}
_COUNTED = (PODS, DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS)


def affected(
    store: ObjectStore, timings: Timings, resource: Resource, obj: Object, *, gone: bool
) -> Iterator[tuple[Item, float]]:
    """Each with the seconds until it is due. The object itself comes first, if it is still there."""
    namespace, lag_s = obj["metadata"].get("namespace", ""), timings.controller_lag
    if not gone:
        yield item(resource, obj), 0 if resource is PODS else lag_s
    if resource is NODES:
        yield from _on_node(store, obj["metadata"]["name"], lag_s)
    if resource in (STORAGE_CLASSES, VOLUMES) and not gone:
        for claim in store.all(CLAIMS):
            if not claim["spec"].get("volumeName"):
                yield item(CLAIMS, claim), lag_s
    if resource in (DEPLOYMENTS, STATEFUL_SETS):
        for autoscaler in store.all(AUTOSCALERS, namespace):
            yield item(AUTOSCALERS, autoscaler), timings.autoscaling
    if resource in _COUNTED:
        for budget in store.all(DISRUPTION_BUDGETS, namespace):
            yield item(DISRUPTION_BUDGETS, budget), lag_s
    if resource in (ISSUERS, CLUSTER_ISSUERS, SECRETS):
        for certificate in store.all(CERTIFICATES, namespace or None):
            yield item(CERTIFICATES, certificate), lag_s
    for owner in _owners(store, obj, gone=gone):
        yield owner, lag_s


def item(resource: Resource, obj: Object) -> Item:
    return resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _on_node(store: ObjectStore, name: str, lag_s: float) -> Iterator[tuple[Item, float]]:
    """Daemons everywhere, the pods of the node, and those that wait for one."""
    for daemon_set in store.all(DAEMON_SETS):
        yield item(DAEMON_SETS, daemon_set), lag_s
    for pod in store.all(PODS):
        if pod["spec"].get("nodeName", name) == name:
            yield item(PODS, pod), 0


def _owners(store: ObjectStore, obj: Object, *, gone: bool) -> Iterator[Item]:
    namespace = obj["metadata"].get("namespace", "")
    for reference in obj["metadata"].get("ownerReferences", []):
        owner = _OWNERS.get(reference["kind"])
        if owner is None:
            continue
        yield owner, namespace, reference["name"]
        if gone and owner is REPLICA_SETS and (found := store.get(owner, namespace, reference["name"])):
            # Recreate waits for the last old pod to be gone, which no ReplicaSet's status tells.
            for above in found["metadata"].get("ownerReferences", []):
                yield DEPLOYMENTS, namespace, above["name"]
