"""The scheduler: a node for every pod, as far as nodes are open and have room for what the pod asks for."""

from collections import Counter
from decimal import Decimal

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.node_fit import requests_of, selects, untolerated
from remediator.sandbox.kubernetes.quantities import quantity
from remediator.sandbox.kubernetes.resources import NODES, PODS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_WRITER = Writer("kube-scheduler", external=False)
_STATUS = Writer("kube-scheduler", "status", external=False)
_INHERITED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
_ZERO = Decimal(0)


class Scheduler:
    """Keeps count of what is taken on each node, so that a pod costs one look at every node."""

    def __init__(self, store: ObjectStore, pace: Pace, timings: Timings) -> None:
        self._store = store
        self._pace = pace
        self._timings = timings
        self._recorder = Recorder(store, pace, "default-scheduler", action="Binding")
        self._taken: dict[str, dict[str, dict[str, Decimal]]] = {}
        self._totals: dict[str, dict[str, Decimal]] = {}
        self._turn = 0

    def note(self, pod: Object, *, gone: bool) -> None:
        """A pod came, changed or went: what it takes on its node."""
        node, uid = pod["spec"].get("nodeName"), pod["metadata"]["uid"]
        if node is None:
            return
        if gone or pods.has_ended(pod):
            if (freed := self._taken.get(node, {}).pop(uid, None)) is not None:
                self._add(node, freed, -1)
        elif uid not in self._taken.setdefault(node, {}):
            self._taken[node][uid] = requests_of(pod)
            self._add(node, self._taken[node][uid], 1)

    def _add(self, node: str, amounts: dict[str, Decimal], sign: int) -> None:
        totals = self._totals.setdefault(node, {})
        for resource, amount in amounts.items():
            totals[resource] = totals.get(resource, _ZERO) + sign * amount

    def schedule(self, pod: Object) -> float | None:
        """Give the pod a node, or say why there is none; the seconds until the next try, or None."""
        nodes = list(self._store.all(NODES))
        wanted = requests_of(pod)
        refusals = [(node, self._refusal(node, pod, wanted)) for node in nodes]
        fits = [node["metadata"]["name"] for node, why in refusals if why is None]
        if not fits:
            reasons = Counter(why for _, why in refusals if why is not None)
            told = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
            every = f"0/{len(nodes)} nodes are available: "
            helpless = f"{every}{len(nodes)} Preemption is not helpful for scheduling."
            message = f"{every}{told}. no new claims to deallocate, preemption: {helpless}"
            message = message if nodes else "no nodes available to schedule pods"
            status = pods.unschedulable(pod, rfc3339_seconds(self._pace.now()), message)
            if self._store.update(PODS, pod, {**pod, "status": status}, _STATUS) is not pod:
                self._recorder.tell(PODS, pod, "FailedScheduling", message, warning=True)
            return self._timings.scheduling_retry
        # The emptiest node, and among equals each in its turn.
        turned = fits[self._turn % len(fits) :] + fits[: self._turn % len(fits)]
        chosen = min(turned, key=lambda name: len(self._taken.get(name, {})))
        self._turn += 1
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": rfc3339_seconds(self._pace.now())}
        status = {**pod["status"], "conditions": [scheduled]}
        bound = {**pod, "spec": {**pod["spec"], "nodeName": chosen}, "status": status}
        bound["metadata"] = {
            **pod["metadata"],
            "labels": {**(pod["metadata"].get("labels") or {}), **self._zone(chosen)},
        }
        self._store.update(PODS, pod, bound, _WRITER)
        place = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        self._recorder.tell(PODS, pod, "Scheduled", f"Successfully assigned {place} to {chosen}")
        return None

    def _zone(self, node_name: str) -> dict[str, str]:
        """What a pod inherits from its node."""
        node = self._store.get(NODES, "", node_name)
        labels = (node or {"metadata": {}})["metadata"].get("labels") or {}
        return {key: labels[key] for key in _INHERITED if key in labels}

    def _refusal(self, node: Object, pod: Object, wanted: dict[str, Decimal]) -> str | None:
        """Why the pod cannot go there, in the scheduler's words, or None."""
        spec = node.get("spec", {})
        if spec.get("unschedulable"):
            return "node(s) were unschedulable"
        if (taint := untolerated(node, pod["spec"])) is not None:
            value = f": {taint['value']}" if taint.get("value") else ""
            return f"node(s) had untolerated taint {{{taint['key']}{value}}}"
        if not selects(node, pod["spec"]):
            return "node(s) didn't match Pod's node affinity/selector"
        allocatable = node.get("status", {}).get("allocatable") or {}
        taken = self._totals.get(node["metadata"]["name"], {})
        for resource, amount in wanted.items():
            if resource in allocatable and taken.get(resource, _ZERO) + amount > quantity(allocatable[resource]):
                return "Too many pods" if resource == "pods" else f"Insufficient {resource}"
        return None
