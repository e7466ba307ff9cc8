"""All kubelets: pods that have a node start, behave as their health script says, and stop."""

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.pod_life import Life, look
from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.controllers.scheduler import Scheduler
from remediator.sandbox.kubernetes.controllers.templates import HASH_LABEL, REVISION_LABEL
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.health import Health, Key
from remediator.sandbox.kubernetes.resources import CRON_JOBS, JOBS, NODES, PODS, REPLICA_SETS, WORKLOADS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_PLURALS = {resource.kind: resource.plural for resource in (*WORKLOADS, CRON_JOBS)}
_BETWEEN = {resource.kind: resource for resource in (REPLICA_SETS, JOBS)}


class Kubelet:
    """Looks after one pod at a time; `sync` says when to look again."""

    def __init__(self, store: ObjectStore, health: Health, pace: Pace, timings: Timings, scheduler: Scheduler) -> None:
        self._store = store
        self._health = health
        self._pace = pace
        self._timings = timings
        self._scheduler = scheduler
        self._recorder = Recorder(store, pace, "kubelet")
        self._lives: dict[str, Life] = {}

    def sync(self, pod: Object) -> float | None:
        """Do what is due; the seconds until the next look, or None when only a change can bring news."""
        if "nodeName" not in pod["spec"] and not pods.is_terminating(pod):
            return self._scheduler.schedule(pod)
        now_s = self._pace.elapsed_s()
        life = self._lives.setdefault(pod["metadata"]["uid"], Life(began_s=now_s))
        if self._is_out_of_touch(pod["spec"].get("nodeName", "")):
            self._lose(pod, life)
            return None
        if pods.is_terminating(pod):
            return self._stop(pod, life, now_s)
        if pods.has_ended(pod):
            return None
        behaviour = self._health.behaviour(*self._script_of(pod))
        then = look(pod, life, behaviour, self._timings, now_s, rfc3339_seconds(self._pace.now()))
        if then.status is not None and self._write(pod, life, then.status) and then.event is not None:
            self._recorder.tell(PODS, pod, *then.event, warning=True)
        return then.again_s

    def ready_for_s(self, pod: Object) -> float:
        """How long the pod has been ready; 0 when it is not."""
        life = self._lives.get(pod["metadata"]["uid"])
        if life is None or life.ready_s is None or not pods.is_ready(pod):
            return 0.0
        return self._pace.elapsed_s() - life.ready_s

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._lives.pop(uid, None)

    def _is_out_of_touch(self, node_name: str) -> bool:
        node = self._store.get(NODES, "", node_name)
        conditions = (node or {}).get("status", {}).get("conditions", [])
        return any(found["type"] == "Ready" and found["status"] != "True" for found in conditions)

    def _lose(self, pod: Object, life: Life) -> None:
        """The node does not answer: its pods count as not ready, and one that is to stop stays."""
        conditions = [
            {**found, "status": "False", "reason": "NodeNotReady"} if found["type"] == "Ready" else found
            for found in pod["status"].get("conditions", [])
        ]
        if not pods.has_ended(pod):
            self._write(pod, life, {**pod["status"], "conditions": conditions})

    def _stop(self, pod: Object, life: Life, now_s: float) -> float | None:
        metadata = pod["metadata"]
        if (metadata.get("annotations") or {}).get(words.STUCK_TERMINATING) == "true":
            return None
        if life.stopping_s is None:
            life.stopping_s = now_s
            name = pod["spec"].get("containers", [{}])[0].get("name", "")
            self._recorder.tell(PODS, pod, "Killing", f"Stopping container {name}")
        if (left_s := life.stopping_s + self._timings.pod_stop - now_s) > 0:
            return left_s
        if not metadata.get("finalizers"):
            self._store.remove(PODS, pod, Writer("kubelet", external=False))
        return None

    def _write(self, pod: Object, life: Life, status: Object) -> bool:
        """Whether it was news."""
        updated = self._store.update(PODS, pod, {**pod, "status": status}, Writer("kubelet", "status", external=False))
        if not pods.is_ready(updated):
            life.ready_s = None
        elif life.ready_s is None:
            life.ready_s = self._pace.elapsed_s()
        return updated is not pod

    def _script_of(self, pod: Object) -> tuple[Key | None, str, Object]:
        """The workload that the pod belongs to, the hash of its template, its annotations."""
        metadata = pod["metadata"]
        labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
        template = labels.get(HASH_LABEL) or labels.get(REVISION_LABEL) or ""
        return self.workload_of(pod), template, annotations

    def workload_of(self, pod: Object) -> Key | None:
        """The workload at the root of the pod's owners (of a Job its CronJob, if any), or None for a bare pod."""
        namespace = pod["metadata"].get("namespace", "")
        for reference in pod["metadata"].get("ownerReferences", []):
            kind, name = reference["kind"], reference["name"]
            if kind in _PLURALS:
                return _PLURALS[kind], namespace, name
            if (resource := _BETWEEN.get(kind)) is None:
                continue
            owner = self._store.get(resource, namespace, name)
            above = self.workload_of(owner) if owner is not None else None
            if above is not None or resource is JOBS:
                return above or (JOBS.plural, namespace, name)
        return None
