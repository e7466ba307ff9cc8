"""All kubelets and the scheduler: pods get a node, start, behave as their health script says, and stop."""

from dataclasses import dataclass

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.templates import HASH_LABEL, REVISION_LABEL
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.health import Health, Key
from remediator.sandbox.kubernetes.resources import NODES, PODS, REPLICA_SETS, WORKLOADS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_PLURALS = {resource.kind: resource.plural for resource in WORKLOADS}
_BACK_OFF = "back-off restarting failed container"


@dataclass(slots=True)
class _Life:
    """What a kubelet remembers of one pod; instants are the pace's elapsed seconds."""

    began_s: float
    stopping_s: float | None = None
    ready_s: float | None = None
    crashed_s: float | None = None


class Kubelet:
    """Looks after one pod at a time; `sync` says when to look again."""

    def __init__(self, store: ObjectStore, health: Health, pace: Pace, timings: Timings) -> None:
        self._store = store
        self._health = health
        self._pace = pace
        self._timings = timings
        self._lives: dict[str, _Life] = {}
        self._scheduled = 0

    def sync(self, pod: Object) -> float | None:
        """Do what is due; the seconds until the next look, or None when only a change can bring news."""
        uid, now_s = pod["metadata"]["uid"], self._pace.elapsed_s()
        life = self._lives.setdefault(uid, _Life(began_s=now_s))
        if pods.is_terminating(pod):
            return self._stop(pod, life, now_s)
        if "nodeName" not in pod["spec"]:
            return self._schedule(pod)
        behaviour = self._health.behaviour(*self._script_of(pod))
        start_s = self._timings.pod_start_slow if behaviour == "slow" else self._timings.pod_start
        if (left_s := life.began_s + start_s - now_s) > 0:
            return left_s
        return self._behave(pod, life, behaviour, now_s)

    def ready_for_s(self, pod: Object) -> float:
        """How long the pod has been ready; 0 when it is not."""
        life = self._lives.get(pod["metadata"]["uid"])
        if life is None or life.ready_s is None or not pods.is_ready(pod):
            return 0.0
        return self._pace.elapsed_s() - life.ready_s

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._lives.pop(uid, None)

    def _behave(self, pod: Object, life: _Life, behaviour: str, now_s: float) -> float | None:
        now = rfc3339_seconds(self._pace.now())
        match behaviour:
            case "image-error":
                message = f'Back-off pulling image "{pod["spec"]["containers"][0].get("image", "")}"'
                self._write(pod, life, pods.waiting(pod, now, "ImagePullBackOff", message=message))
                return None
            case "crash-loop":
                period_s = self._timings.crash_period
                if life.crashed_s is not None and (left_s := life.crashed_s + period_s - now_s) > 0:
                    return left_s
                life.crashed_s = now_s
                ended = {"exitCode": 1, "reason": "Error", "startedAt": now, "finishedAt": now}
                crashed = pods.waiting(
                    pod, now, "CrashLoopBackOff", message=_BACK_OFF, last_state={"terminated": ended}
                )
                self._write(pod, life, crashed)
                return period_s
            case _:
                self._write(pod, life, pods.running(pod, now, ready=behaviour != "never-ready"))
                return None

    def _stop(self, pod: Object, life: _Life, now_s: float) -> float | None:
        if life.stopping_s is None:
            life.stopping_s = now_s
        if (left_s := life.stopping_s + self._timings.pod_stop - now_s) > 0:
            return left_s
        if not pod["metadata"].get("finalizers"):
            self._store.remove(PODS, pod, Writer("kubelet", external=False))
        return None

    def _schedule(self, pod: Object) -> float | None:
        writer = Writer("kube-scheduler", external=False)
        nodes = [node for node in self._store.all(NODES) if not node.get("spec", {}).get("unschedulable")]
        if not nodes:
            status = pods.unschedulable(pod, rfc3339_seconds(self._pace.now()))
            self._store.update(PODS, pod, {**pod, "status": status}, writer)
            return self._timings.scheduling_retry
        node = nodes[self._scheduled % len(nodes)]["metadata"]["name"]
        self._scheduled += 1
        self._store.update(PODS, pod, {**pod, "spec": {**pod["spec"], "nodeName": node}}, writer)
        return None

    def _write(self, pod: Object, life: _Life, status: Object) -> None:
        updated = self._store.update(PODS, pod, {**pod, "status": status}, Writer("kubelet", "status", external=False))
        if not pods.is_ready(updated):
            life.ready_s = None
        elif life.ready_s is None:
            life.ready_s = self._pace.elapsed_s()

    def _script_of(self, pod: Object) -> tuple[Key | None, str, Object]:
        """The workload that the pod belongs to, the hash of its template, its annotations."""
        metadata = pod["metadata"]
        labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
        template = labels.get(HASH_LABEL) or labels.get(REVISION_LABEL) or ""
        return self.workload_of(pod), template, annotations

    def workload_of(self, pod: Object) -> Key | None:
        """The workload at the root of the pod's owners, or None for a bare pod."""
        namespace = pod["metadata"].get("namespace", "")
        for reference in pod["metadata"].get("ownerReferences", []):
            if reference["kind"] in _PLURALS:
                return _PLURALS[reference["kind"]], namespace, reference["name"]
            owner = self._store.get(REPLICA_SETS, namespace, reference["name"])
            if reference["kind"] == "ReplicaSet" and owner is not None:
                return self.workload_of(owner)
        return None
