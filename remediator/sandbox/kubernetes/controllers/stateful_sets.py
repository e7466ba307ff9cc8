"""The StatefulSet controller: pods by ordinal, created upwards, updated one by one from the highest."""

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.kubelet import Kubelet
from remediator.sandbox.kubernetes.controllers.revisions import present_revision, template_of, trim
from remediator.sandbox.kubernetes.controllers.templates import REVISION_LABEL, pod_from, with_label
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.health import Health
from remediator.sandbox.kubernetes.resources import CLAIMS, PODS, STATEFUL_SETS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.kubernetes.volume_rules import with_default_class

_WRITER = Writer("kube-controller-manager", external=False)
_STATUS = Writer("kube-controller-manager", "status", external=False)


class StatefulSets:
    """Takes one step of one StatefulSet at a time.

    As on a real cluster an OrderedReady set waits for a pod that is not ready before it does anything else,
    so a rollout that is stuck on a broken pod stays stuck until somebody deletes that pod.
    """

    def __init__(self, store: ObjectStore, deletion: Deletion, health: Health, kubelet: Kubelet) -> None:
        self._store = store
        self._deletion = deletion
        self._health = health
        self._kubelet = kubelet

    def sync(self, stateful_set: Object) -> float | None:
        """One step, then the status; the seconds until a pod may become available by age, or None."""
        metadata, spec = stateful_set["metadata"], stateful_set["spec"]
        if "deletionTimestamp" in metadata:
            return None
        update = present_revision(self._store, STATEFUL_SETS, stateful_set)
        current = stateful_set.get("status", {}).get("currentRevision") or update
        self._health.note_template(("statefulsets", metadata["namespace"], metadata["name"]), update, spec["template"])
        self._step(stateful_set, current, update)
        trim(self._store, STATEFUL_SETS, stateful_set, {current, update})
        return self._report(stateful_set, current, update)

    def _by_ordinal(self, stateful_set: Object) -> dict[int, Object]:
        owned = self._store.children(stateful_set["metadata"]["uid"], PODS)
        return {int(pod["metadata"]["name"].rpartition("-")[2]): pod for pod in owned}

    def _step(self, stateful_set: Object, current: str, update: str) -> None:
        spec = stateful_set["spec"]
        ordered = spec.get("podManagementPolicy") != "Parallel"
        strategy = spec.get("updateStrategy") or {}
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        found = self._by_ordinal(stateful_set)
        for ordinal in range(spec["replicas"]):
            pod = found.get(ordinal)
            if pod is None:
                revision = update if ordinal >= partition else current
                self._create(stateful_set, ordinal, revision)
            if ordered and (pod is None or pods.is_terminating(pod) or not pods.is_ready(pod)):
                return
        surplus = sorted((ordinal for ordinal in found if ordinal >= spec["replicas"]), reverse=True)
        for ordinal in surplus[:1] if ordered else surplus:
            self._delete(found[ordinal])
        if surplus or _on_delete(stateful_set):
            return
        for ordinal in range(spec["replicas"] - 1, partition - 1, -1):
            pod = found.get(ordinal)
            if pod is None or pods.is_terminating(pod):
                return
            if pod["metadata"]["labels"].get(REVISION_LABEL) != update:
                self._delete(pod)
                return
            if not pods.is_ready(pod):
                return

    def _create(self, stateful_set: Object, ordinal: int, revision: str) -> None:
        template = with_label(template_of(self._store, stateful_set, revision), REVISION_LABEL, revision)
        name = f"{stateful_set['metadata']['name']}-{ordinal}"
        template = with_label(template, "statefulset.kubernetes.io/pod-name", name)
        template = with_label(template, "apps.kubernetes.io/pod-index", str(ordinal))
        pod = pod_from(template, STATEFUL_SETS, stateful_set, name)
        if volumes := self._claims(stateful_set, name):
            pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or []), *volumes]
        self._store.create(PODS, pod, _WRITER)

    def _claims(self, stateful_set: Object, pod_name: str) -> list[Object]:
        """The pod's volumes for the set's claim templates; claims are made once and outlive their pods and the set."""
        namespace, volumes = stateful_set["metadata"]["namespace"], []
        for template in stateful_set["spec"].get("volumeClaimTemplates") or []:
            name = f"{template['metadata']['name']}-{pod_name}"
            if self._store.get(CLAIMS, namespace, name) is None:
                labels = {
                    **(template["metadata"].get("labels") or {}),
                    **stateful_set["spec"]["selector"]["matchLabels"],
                }
                annotations = dict(template["metadata"].get("annotations") or {})
                metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations}
                claim = with_default_class(self._store, {"metadata": metadata, "spec": template["spec"]})
                self._store.create(CLAIMS, claim, _WRITER)
            volumes.append({"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": name}})
        return volumes

    def _delete(self, pod: Object) -> None:
        self._deletion.delete(PODS, pod, _WRITER)

    def _report(self, stateful_set: Object, current: str, update: str) -> float | None:
        found = list(self._by_ordinal(stateful_set).values())
        active = [pod for pod in found if not pods.is_terminating(pod)]
        ready = [pod for pod in active if pods.is_ready(pod)]
        min_ready_s = stateful_set["spec"].get("minReadySeconds", 0)
        ages = [self._kubelet.ready_for_s(pod) for pod in ready]
        updated = sum(pod["metadata"]["labels"].get(REVISION_LABEL) == update for pod in active)
        if updated == len(ready) == stateful_set["spec"]["replicas"] == len(found) and not _on_delete(stateful_set):
            current = update
        counts = {
            "readyReplicas": len(ready),
            "currentReplicas": sum(pod["metadata"]["labels"].get(REVISION_LABEL) == current for pod in active),
            "updatedReplicas": updated,
        }
        status: Object = {
            "observedGeneration": stateful_set["metadata"]["generation"],
            "replicas": len(found),
            **{key: count for key, count in counts.items() if count},
            "availableReplicas": sum(age >= min_ready_s for age in ages),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
        }
        self._store.update(STATEFUL_SETS, stateful_set, {**stateful_set, "status": status}, _STATUS)
        return min((min_ready_s - age for age in ages if age < min_ready_s), default=None)


def _on_delete(stateful_set: Object) -> bool:
    return bool((stateful_set["spec"].get("updateStrategy") or {}).get("type") == "OnDelete")
