"""The ReplicaSet controller: as many pods as asked for."""

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.kubelet import Kubelet
from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.controllers.templates import pod_from, random_suffix
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.resources import PODS, REPLICA_SETS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer

_WRITER = Writer("kube-controller-manager", external=False)
_STATUS = Writer("kube-controller-manager", "status", external=False)


class ReplicaSets:
    """Creates and deletes pods of one ReplicaSet at a time and keeps its status."""

    def __init__(self, store: ObjectStore, deletion: Deletion, kubelet: Kubelet, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._deletion = deletion
        self._kubelet = kubelet

    def sync(self, replica_set: Object) -> float | None:
        """Bring pods and status in line; the seconds until a pod may become available by age, or None."""
        active = self._active(replica_set)
        missing = replica_set["spec"]["replicas"] - len(active)
        name = replica_set["metadata"]["name"]
        for _ in range(missing):
            pod = pod_from(replica_set["spec"]["template"], REPLICA_SETS, replica_set, f"{name}-{random_suffix()}")
            self._store.create(PODS, pod, _WRITER)
            self._recorder.tell(
                REPLICA_SETS, replica_set, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}"
            )
        if missing < 0:
            for pod in sorted(active, key=_dispensable)[:-missing]:
                self._deletion.delete(PODS, pod, _WRITER)
                message = f"Deleted pod: {pod['metadata']['name']}"
                self._recorder.tell(REPLICA_SETS, replica_set, "SuccessfulDelete", message)
        return self._report(replica_set)

    def _active(self, replica_set: Object) -> list[Object]:
        owned = self._store.children(replica_set["metadata"]["uid"], PODS)
        return [pod for pod in owned if pods.is_active(pod)]

    def _report(self, replica_set: Object) -> float | None:
        owned = self._store.children(replica_set["metadata"]["uid"], PODS)
        active = [pod for pod in owned if pods.is_active(pod)]
        ready = [pod for pod in active if pods.is_ready(pod)]
        min_ready_s = replica_set["spec"].get("minReadySeconds", 0)
        ages = [self._kubelet.ready_for_s(pod) for pod in ready]
        counts = {
            "fullyLabeledReplicas": len(active),
            "readyReplicas": len(ready),
            "availableReplicas": sum(age >= min_ready_s for age in ages),
        }
        status: Object = {
            "replicas": len(active),
            "terminatingReplicas": sum(pods.is_terminating(pod) for pod in owned),
            "observedGeneration": replica_set["metadata"]["generation"],
            **{key: count for key, count in counts.items() if count},
        }
        self._store.update(REPLICA_SETS, replica_set, {**replica_set, "status": status}, _STATUS)
        return min((min_ready_s - age for age in ages if age < min_ready_s), default=None)


def _dispensable(pod: Object) -> tuple[bool, float]:
    """Pods that are not ready go first, then the youngest."""
    return pods.is_ready(pod), -int(pod["metadata"]["resourceVersion"])
