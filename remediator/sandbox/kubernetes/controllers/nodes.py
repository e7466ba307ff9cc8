"""What nodes say of themselves: room, conditions, and the taints of one that does not answer."""

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.resources import NODES, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

ZONES = ("zone-a", "zone-b", "zone-c")
_STATUS = Writer("kubelet", "status", external=False)
_LIFECYCLE = Writer("kube-controller-manager", external=False)
_TAINTS = {"False": "node.kubernetes.io/not-ready", "Unknown": "node.kubernetes.io/unreachable"}
_CORDONED = "node.kubernetes.io/unschedulable"
# More pods than a real node takes, so that large tests need no more nodes.
_ROOM = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "100Gi", "pods": "10000"}
_INFO = {
    "kubeletVersion": "v1.36.2",
    "operatingSystem": "linux",
    "architecture": "amd64",
    "osImage": "sandbox",
    "containerRuntimeVersion": "sandbox://1",
    # Absent ones are empty, never missing: clients refuse a node without them.
    **dict.fromkeys(("bootID", "machineID", "systemUUID", "kernelVersion", "kubeProxyVersion"), ""),
}


class Nodes:
    """Looks after one node at a time. Conditions that others set, such as DiskPressure, stay as they are."""

    def __init__(self, store: ObjectStore, pace: Pace) -> None:
        self._store = store
        self._pace = pace

    def sync(self, node: Object) -> None:
        """Fill in what is missing, follow the annotation that says whether it is ready."""
        self._tainted(node, self._report(node))

    def _report(self, node: Object) -> str:
        """Write the status; whether the node is ready: True, False or Unknown."""
        status = node.get("status", {})
        asked = (node["metadata"].get("annotations") or {}).get(words.READY)
        conditions = {found["type"]: found for found in status.get("conditions", [])}
        ready = asked if asked in ("False", "Unknown") else "True"
        for what in ("Memory", "Disk", "PID"):
            kind = f"{what}Pressure"
            conditions.setdefault(kind, self._condition(kind, "False", f"KubeletHasNo{what}Pressure"))
        if conditions.get("Ready", {}).get("status") != ready:
            reason = {"True": "KubeletReady", "False": "KubeletNotReady"}.get(ready, "NodeStatusUnknown")
            conditions["Ready"] = self._condition("Ready", ready, reason)
        capacity = status.get("capacity") or _ROOM
        written = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "nodeInfo": _INFO,
            **status,
            "capacity": capacity,
            "allocatable": status.get("allocatable") or capacity,
            "conditions": list(conditions.values()),
        }
        self._store.update(NODES, node, {**node, "status": written}, _STATUS)
        return ready

    def _tainted(self, node: Object, ready: str) -> None:
        node = self._store.get(NODES, "", node["metadata"]["name"]) or node
        spec = node.get("spec", {})
        others = [taint for taint in spec.get("taints") or [] if taint["key"] not in (*_TAINTS.values(), _CORDONED)]
        own = [{"key": _TAINTS[ready], "effect": effect} for effect in ("NoSchedule", "NoExecute") if ready in _TAINTS]
        if spec.get("unschedulable"):
            own.append({"key": _CORDONED, "effect": "NoSchedule"})
        taints = others + own
        if taints == (spec.get("taints") or []):
            return
        changed = {key: value for key, value in spec.items() if key != "taints"} | (
            {"taints": taints} if taints else {}
        )
        self._store.update(NODES, node, {**node, "spec": changed}, _LIFECYCLE)

    def _condition(self, kind: str, status: str, reason: str) -> Object:
        now = rfc3339_seconds(self._pace.now())
        return {"type": kind, "status": status, "reason": reason, "lastHeartbeatTime": now, "lastTransitionTime": now}
