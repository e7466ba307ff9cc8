"""What a Deployment says about itself: counters and the conditions Available and Progressing."""

from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

NEW_AVAILABLE = "NewReplicaSetAvailable"
DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"


class DeploymentStatus:
    """Works out statuses and remembers when each Deployment last made progress."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._progress_s: dict[str, float] = {}

    def of(
        self, deployment: Object, replica_sets: list[Object], new: Object | None, *, created: bool
    ) -> tuple[Object, float | None]:
        """The status, and the seconds until the progress deadline if it runs. `created`: its ReplicaSet is new."""
        old, spec = deployment.get("status", {}), deployment["spec"]
        total = sum(found.get("status", {}).get("replicas", 0) for found in replica_sets)
        available = sum(found.get("status", {}).get("availableReplicas", 0) for found in replica_sets)
        wanted = sum(found["spec"]["replicas"] for found in replica_sets)
        counts = {
            "replicas": total,
            "updatedReplicas": (new or {}).get("status", {}).get("replicas", 0),
            "readyReplicas": sum(found.get("status", {}).get("readyReplicas", 0) for found in replica_sets),
            "availableReplicas": available,
            "unavailableReplicas": max(0, wanted - available),
        }
        counters: Object = {"observedGeneration": deployment["metadata"]["generation"]}
        # Zero counters are left out, as Go's omitempty does: a client must read an absent one as 0.
        counters |= {key: count for key, count in counts.items() if count}
        counters["terminatingReplicas"] = sum(
            found.get("status", {}).get("terminatingReplicas", 0) for found in replica_sets
        )
        progressing, left_s = self._progressing(deployment, old, counts, new, created=created)
        conditions = [found for found in (self._available(old, spec, available), progressing) if found is not None]
        return {**counters, "conditions": conditions}, left_s

    def forget(self, uid: str) -> None:
        self._progress_s.pop(uid, None)

    def _available(self, old: Object, spec: Object, available: int) -> Object:
        if available >= spec["replicas"] - allowed(spec)[1]:
            found = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        else:
            found = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        return self._condition(old, "Available", *found, touch=False)

    def _progressing(
        self, deployment: Object, old: Object, counts: dict[str, int], new: Object | None, *, created: bool
    ) -> tuple[Object | None, float | None]:
        uid, spec = deployment["metadata"]["uid"], deployment["spec"]
        current = condition(old, "Progressing")
        deadline_s = float(spec["progressDeadlineSeconds"])
        if spec.get("paused"):
            return self._condition(old, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"), None
        if current is not None and current["reason"] == "DeploymentPaused":
            self._progress_s[uid] = self._pace.elapsed_s()
            text = "Deployment is resumed"
            return self._condition(old, "Progressing", "Unknown", "DeploymentResumed", text), deadline_s
        name = f'ReplicaSet "{new["metadata"]["name"]}"' if new is not None else "Deployment"
        if created:
            self._progress_s[uid] = self._pace.elapsed_s()
            text = f"Created new {name}"
            return self._condition(old, "Progressing", "True", "NewReplicaSetCreated", text), deadline_s
        rolled_out = counts["replicas"] == counts["updatedReplicas"]
        if rolled_out and current is not None and current["reason"] == NEW_AVAILABLE:
            return current, None
        if rolled_out and counts["replicas"] == counts["availableReplicas"] == spec["replicas"]:
            text = f"{name} has successfully progressed."
            return self._condition(old, "Progressing", "True", NEW_AVAILABLE, text), None
        if _advanced(old, counts):
            self._progress_s[uid] = self._pace.elapsed_s()
            text = f"{name} is progressing."
            return self._condition(old, "Progressing", "True", "ReplicaSetUpdated", text, touch=True), deadline_s
        left_s = self._progress_s.setdefault(uid, self._pace.elapsed_s()) + deadline_s - self._pace.elapsed_s()
        if left_s <= 0 and current is not None and current["reason"] != NEW_AVAILABLE:
            text = f"{name} has timed out progressing."
            return self._condition(old, "Progressing", "False", DEADLINE_EXCEEDED, text), None
        return current, max(left_s, 0.01)

    def _condition(
        self, old: Object, kind: str, status: str, reason: str, message: str, *, touch: bool = False
    ) -> Object:
        """The condition; lastTransitionTime moves with the status, lastUpdateTime with the reason (or `touch`)."""
        now = rfc3339_seconds(self._pace.now())
        current = condition(old, kind)
        transition = now
        if current is not None and current["status"] == status:
            if current["reason"] == reason and not touch:
                return current
            transition = current["lastTransitionTime"]
        return {
            "type": kind,
            "status": status,
            "lastUpdateTime": now,
            "lastTransitionTime": transition,
            "reason": reason,
            "message": message,
        }


def condition(status: Object, kind: str) -> Object | None:
    """One condition of a status, if it is there."""
    return next((found for found in status.get("conditions", []) if found["type"] == kind), None)


def allowed(spec: Object) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) as numbers of pods: surge rounds up, unavailable down, never both 0."""
    rolling = spec.get("strategy", {}).get("rollingUpdate") or {}
    replicas = spec["replicas"]
    surge = _resolve(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = _resolve(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _resolve(value: int | str, replicas: int, *, up: bool) -> int:
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * replicas
    return -(-exact // 100) if up else exact // 100


def _advanced(old: Object, counts: dict[str, int]) -> bool:
    before: dict[str, int] = {key: old.get(key, 0) for key in counts}
    left_before, left = before["replicas"] - before["updatedReplicas"], counts["replicas"] - counts["updatedReplicas"]
    return (
        counts["updatedReplicas"] > before["updatedReplicas"]
        or left < left_before
        or counts["readyReplicas"] > before["readyReplicas"]
        or counts["availableReplicas"] > before["availableReplicas"]
    )
