"""The DaemonSet controller: one pod on every node, updated within maxUnavailable (maxSurge is not emulated)."""

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.kubelet import Kubelet
from remediator.sandbox.kubernetes.controllers.revisions import pod_label, present_revision, trim
from remediator.sandbox.kubernetes.controllers.templates import REVISION_LABEL, pod_from, random_suffix, with_label
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.health import Health
from remediator.sandbox.kubernetes.node_fit import selects, untolerated
from remediator.sandbox.kubernetes.resources import DAEMON_SETS, NODES, PODS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer

_WRITER = Writer("kube-controller-manager", external=False)
_STATUS = Writer("kube-controller-manager", "status", external=False)


class DaemonSets:
    """Takes one step of one DaemonSet at a time. Cordoned nodes keep their pods, as on a real cluster."""

    def __init__(self, store: ObjectStore, deletion: Deletion, health: Health, kubelet: Kubelet) -> None:
        self._store = store
        self._deletion = deletion
        self._health = health
        self._kubelet = kubelet

    def sync(self, daemon_set: Object) -> float | None:
        """One step, then the status; the seconds until a pod may become available by age, or None."""
        metadata, spec = daemon_set["metadata"], daemon_set["spec"]
        if "deletionTimestamp" in metadata:
            return None
        revision = present_revision(self._store, DAEMON_SETS, daemon_set)
        update = pod_label(DAEMON_SETS, daemon_set, revision)
        self._health.note_template(("daemonsets", metadata["namespace"], metadata["name"]), update, spec["template"])
        nodes = [node["metadata"]["name"] for node in self._store.all(NODES) if _takes(node, spec["template"]["spec"])]
        owned = self._store.children(metadata["uid"], PODS)
        for node in set(nodes) - {pod["spec"].get("nodeName") for pod in owned}:
            template = with_label(spec["template"], REVISION_LABEL, update)
            name = f"{metadata['name']}-{random_suffix()}"
            self._store.create(PODS, pod_from(template, DAEMON_SETS, daemon_set, name, node), _WRITER)
        for pod in owned:
            if pod["spec"].get("nodeName") not in nodes:
                self._delete(pod)
        if (spec.get("updateStrategy") or {}).get("type") != "OnDelete":
            self._roll(daemon_set, owned, update, len(nodes))
        trim(self._store, DAEMON_SETS, daemon_set, {revision})
        return self._report(daemon_set, update, len(nodes))

    def _roll(self, daemon_set: Object, owned: list[Object], update: str, nodes: int) -> None:
        """Delete old pods: broken ones at once, ready ones as far as maxUnavailable allows."""
        rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        most = rolling.get("maxUnavailable", 1)
        most = max(1, -(-int(most.removesuffix("%")) * nodes // 100)) if isinstance(most, str) else most
        budget = most - sum(pods.is_terminating(pod) or not pods.is_ready(pod) for pod in owned) - (nodes - len(owned))
        for pod in owned:
            if pod["metadata"]["labels"].get(REVISION_LABEL) == update or pods.is_terminating(pod):
                continue
            if not pods.is_ready(pod):
                self._delete(pod)
            elif budget > 0:
                self._delete(pod)
                budget -= 1

    def _delete(self, pod: Object) -> None:
        self._deletion.delete(PODS, pod, _WRITER)

    def _report(self, daemon_set: Object, update: str, nodes: int) -> float | None:
        owned = self._store.children(daemon_set["metadata"]["uid"], PODS)
        active = [pod for pod in owned if not pods.is_terminating(pod)]
        ready = [pod for pod in active if pods.is_ready(pod)]
        min_ready_s = daemon_set["spec"].get("minReadySeconds", 0)
        ages = [self._kubelet.ready_for_s(pod) for pod in ready]
        available = sum(age >= min_ready_s for age in ages)
        counts = {
            "updatedNumberScheduled": sum(pod["metadata"]["labels"].get(REVISION_LABEL) == update for pod in active),
            "numberAvailable": available,
            "numberUnavailable": nodes - available,
        }
        status: Object = {
            "observedGeneration": daemon_set["metadata"]["generation"],
            "currentNumberScheduled": len(active),
            "desiredNumberScheduled": nodes,
            "numberMisscheduled": 0,
            "numberReady": len(ready),
            **{key: count for key, count in counts.items() if count},
        }
        self._store.update(DAEMON_SETS, daemon_set, {**daemon_set, "status": status}, _STATUS)
        return min((min_ready_s - age for age in ages if age < min_ready_s), default=None)


def _takes(node: Object, pod_spec: Object) -> bool:
    """Daemons run on nodes that are cordoned or not ready as well: those taints they tolerate by themselves."""
    taint = untolerated(node, pod_spec)
    return selects(node, pod_spec) and (taint is None or taint["key"].startswith("node.kubernetes.io/"))
