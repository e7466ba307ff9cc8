"""The autoscaler controller without metrics: it keeps its target within its bounds, and rests while there are 0 replicas."""

from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.resources import AUTOSCALERS, DEPLOYMENTS, STATEFUL_SETS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_SCALE = Writer("kube-controller-manager", "scale", external=False)
_STATUS = Writer("kube-controller-manager", "status", external=False)
_TARGETS = {resource.kind: resource for resource in (DEPLOYMENTS, STATEFUL_SETS)}
_DISABLED = "ScalingDisabled"


class Autoscalers:
    """Looks after one at a time. Conditions that a test has set stay, save for what it sees itself."""

    def __init__(self, store: ObjectStore, pace: Pace) -> None:
        self._store = store
        self._pace = pace
        self._recorder = Recorder(store, pace, "horizontal-pod-autoscaler")

    def sync(self, autoscaler: Object) -> None:
        """Compare bounds and size, scale if need be, report."""
        spec, reference = autoscaler["spec"], autoscaler["spec"]["scaleTargetRef"]
        resource = _TARGETS.get(reference["kind"])
        namespace = autoscaler["metadata"]["namespace"]
        target = self._store.get(resource, namespace, reference["name"]) if resource is not None else None
        if resource is None or target is None:
            text = f'{reference["kind"].lower()}s.apps "{reference["name"]}" not found'
            told = {
                "AbleToScale": ("False", "FailedGetScale", f"the HPA controller was unable to get the target: {text}")
            }
            self._report(autoscaler, told, autoscaler.get("status", {}).get("currentReplicas", 0), 0)
            return
        present = target["spec"]["replicas"]
        if present == 0:
            text = "scaling is disabled since the replica count of the target is zero"
            self._report(autoscaler, {"ScalingActive": ("False", _DISABLED, text)}, 0, 0)
            return
        wanted = min(max(present, spec["minReplicas"]), spec["maxReplicas"])
        if wanted != present:
            changed = {**target, "spec": {**target["spec"], "replicas": wanted}}
            self._store.update(resource, target, changed, _SCALE)
            why = "below Spec.MinReplicas" if wanted > present else "above Spec.MaxReplicas"
            message = f"New size: {wanted}; reason: Current number of replicas {why}"
            self._recorder.tell(AUTOSCALERS, autoscaler, "SuccessfulRescale", message)
        told = {"AbleToScale": ("True", "ReadyForNewScale", "recommended size matches current size")}
        before = self._conditions(autoscaler).get("ScalingActive", {})
        if not before or before.get("reason") == _DISABLED:
            told["ScalingActive"] = ("True", "ValidMetricFound", "the HPA was able to compute the replica count")
        self._report(autoscaler, told, present, wanted)

    @staticmethod
    def _conditions(autoscaler: Object) -> dict[str, Object]:
        return {found["type"]: found for found in autoscaler.get("status", {}).get("conditions") or []}

    def _report(self, autoscaler: Object, told: dict[str, tuple[str, str, str]], present: int, wanted: int) -> None:
        conditions = self._conditions(autoscaler)
        now = rfc3339_seconds(self._pace.now())
        for kind, (status, reason, message) in told.items():
            old = conditions.get(kind, {})
            since = old["lastTransitionTime"] if old.get("status") == status and "lastTransitionTime" in old else now
            conditions[kind] = {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": since,
            }
        written = {
            **autoscaler.get("status", {}),
            "currentReplicas": present,
            "desiredReplicas": wanted,
            "currentMetrics": None,
            "conditions": list(conditions.values()),
        }
        self._store.update(AUTOSCALERS, autoscaler, {**autoscaler, "status": written}, _STATUS)
